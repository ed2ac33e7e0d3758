"""``patchwave scan`` and ``patchwave check``."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer

from orchestrator.cli.context import AsJson, Cve, Limit, app_of, listed
from orchestrator.cli.output import coloured, err, out, print_json, print_table, safe, say
from orchestrator.core.diagnosis import MOST_SKEW
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.tools import MODULE_TOOLS
from orchestrator.errors import NotFound
from orchestrator.services.read_exposures import Wanted

COVERED, EXPOSED, CANNOT_TELL = 0, 1, 3
"""Exit codes of `check`: Nagios's ok, warning, unknown."""


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    cli.command()(scan)
    cli.command()(check)


def scan(
    context: typer.Context,
    limit: Limit = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also let hosts ask their vendors for updates, licences and coverage.")
    ] = False,
    as_json: AsJson = False,
    accept_inventory: Annotated[
        bool, typer.Option(help="Take an inventory that lost more than 20 % of its hosts.")
    ] = False,
) -> None:
    """Check hosts, store what was seen, update exposure windows. Exit 1 when a host could not be checked."""
    app = app_of(context)
    members = app.select(listed(app, accept=accept_inventory), limit)
    started = time.monotonic()
    with err.status(f"checking {len(members)} hosts", spinner="line"):
        records = app.scan(members, deep_after=timedelta(0) if deep else None)
    unreachable = sum(record.observation is None for record in records.values())
    ids = {member.record.id for member in members}
    views = [view for view in app.reader.hosts() if view["id"] in ids]
    document = {
        "checked": len(records),
        "reachable": len(records) - unreachable,
        "unreachable": unreachable,
        "seconds": round(time.monotonic() - started, 3),
        "hosts": views,
    }
    if as_json:
        print_json(document)
    else:
        print_hosts(views)
        for remark in (remark for view in views for remark in _remarks(view)):
            say(remark)
        out.print(f"{len(records)} checked, {unreachable} unreachable, {document['seconds']} s")
    if unreachable:
        raise typer.Exit(1)


def print_hosts(views: list[dict[str, Any]]) -> None:
    """HOSTs as a table."""
    print_table(
        ("HOST", "OS", "KERNEL", "LIVE PATCHES", "REBOOT", "BOOT ID", "STATE"),
        (_host_row(view) for view in views),
        empty="no hosts",
    )


def _live_patches(seen: dict[str, Any]) -> str:
    """What is in memory; nothing is "none" only where the list could be read."""
    shown = [f"{patch['patch'] or patch['name']} {patch['state']}" for patch in seen["live_patches"] or []]
    is_unread = seen["live_patches"] is None or "live_patches" in (seen["unknown"] or {})
    return ", ".join([*shown, *(["unknown"] if is_unread else [])]) or "none"


def _remarks(view: dict[str, Any]) -> list[str]:
    """What is worth saying of a host beside its row."""
    remarks = [] if view["error"] is None else [view["error"]["message"]]
    skew = view.get("clock_skew_seconds")
    if skew is not None and abs(skew) > MOST_SKEW.total_seconds():
        remarks.append(f"its clock is {skew:+.0f} s off")
    remarks += [remark for tool in view["tools"] or () for remark in _tool_remarks(tool)]
    name = f"{view['name']}: "
    return [remark if remark.startswith(name) else name + remark for remark in remarks]


_TOLD = {"error", "unlicensed", "coverage_expired", "locked"}
"""States in which a tool that is meant to patch does not. `hosts show` tells of the others."""


def _tool_remarks(tool: dict[str, Any]) -> list[str]:
    """Modules of the catalogue give way to a vendor's tool: that is as it should be."""
    remarks = [f"{tool['name']} {line}" for line in tool["disagrees"]]
    if tool["state"] in _TOLD and tool["name"] not in MODULE_TOOLS:
        remarks.append(f"{tool['name']} is {tool['state']}" + (f": {tool['detail']}" if tool["detail"] else ""))
    return remarks


def _host_row(view: dict[str, Any]) -> tuple[object, ...]:
    seen = view if view["reachable"] else (view.get("last_known") or view)
    os, kernel = seen["os"] or {}, seen["kernel"] or {}
    state = "never checked" if view["reachable"] is None else "ok" if view["reachable"] else view["error"]["code"]
    return (
        view["name"],
        f"{os.get('id', '')} {os.get('version') or ''}",
        kernel.get("running", ""),
        _live_patches(seen),
        {True: "needed", False: "no", None: "unknown"}[seen["reboot_required"]],
        (seen["boot_id"] or "")[:8],
        coloured(state),
    )


def check(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="A host's name.")],
    cve: Cve = None,
    stored: Annotated[bool, typer.Option("--stored", help="Do not contact the host: tell what is stored.")] = False,
    as_json: AsJson = False,
) -> None:
    """Contact one host and say whether it is covered (0), exposed (1), or that it cannot be told (3)."""
    app = app_of(context)
    member = listed(app).named(host)
    if member is None:
        raise NotFound(f"the inventory lists no host {host!r}: `patchwave hosts list` shows all")
    failure = None if stored else app.scan([member])[member.record.id].error
    record = app.reader.record(host)
    if cve is not None:
        rows = [app.explain_exposure()(record, cve)]
    else:
        rows = list(app.read_exposures().rows(Wanted(host_ids=[record.id])))
    untold = app.read_exposures().untold(Wanted(host_ids=[record.id])).get(record.name, ())
    code = _verdict(rows, failed=failure is not None, untold=bool(untold) and cve is None)
    if as_json:
        print_json({"host": host, "error": failure, "exposures": rows, "untold": list(untold)})
    else:
        _print_check(host, failure, rows, untold)
    raise typer.Exit(code)


def _verdict(rows: list[dict[str, Any]], *, failed: bool, untold: bool) -> int:
    states = {row["state"] for row in rows}
    if failed or untold or not rows or ExposureState.UNKNOWN in states:
        return EXPOSED if ExposureState.EXPOSED in states and not failed else CANNOT_TELL
    return EXPOSED if ExposureState.EXPOSED in states else COVERED


def _print_check(host: str, failure: str | None, rows: list[dict[str, Any]], untold: Sequence[str]) -> None:
    if failure is not None:
        out.print(f"{safe(host)}: {coloured('unknown')}: {safe(failure)}")
    elif not rows:
        nobody = "no feed, no item of the catalogue and no tool tells of anything on it"
        out.print(f"{safe(host)}: {coloured('unknown')}: {nobody}")
    for gap in untold:
        out.print(f"{safe(host)}: {coloured('unknown')}: {safe(gap)}")
    for row in rows:
        out.print(f"{safe(host)} {row['cve']} ({row['severity']}): {coloured(row['state'])} {row['reason'] or ''}")
