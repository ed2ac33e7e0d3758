"""``patchwave exposure``: which host is exposed to what, and since when."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from orchestrator.cli import accept, exposure_report
from orchestrator.cli.context import AsJson, Cve, CveArgument, Limit, app_of, chosen
from orchestrator.cli.output import coloured, counted, out, print_json, print_json_rows, print_table, safe, say
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.patches import Severity
from orchestrator.core.sla import SlaState
from orchestrator.services.read_exposures import Wanted

Json = dict[str, Any]
HOUR, DAY = 3_600, 86_400
MOST_NAMED = 10
"""Hosts of which nobody can tell, as they are named in one line."""


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Exposure windows.", no_args_is_help=True)
    group.command("list")(list_exposures)
    group.command()(show)
    group.command()(who)
    accept.add_to(group)
    exposure_report.add_to(group)
    cli.add_typer(group, name="exposure")


def list_exposures(
    context: typer.Context,
    limit: Limit = None,
    cve: Cve = None,
    state: Annotated[list[ExposureState] | None, typer.Option(help="Only in this state; may be repeated.")] = None,
    severity: Annotated[list[Severity] | None, typer.Option(help="Only of this severity; may be repeated.")] = None,
    kev: Annotated[bool, typer.Option("--kev", help="Only what CISA knows to be exploited.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every pair of host and CVE: exposed, covered or unknown."""
    app = app_of(context)
    wanted = Wanted(
        host_ids=None if limit is None else {member.record.id for member in chosen(app, limit)},
        cve=cve,
        states=state or (),
        severities=severity or (),
        is_kev=kev or None,
    )
    _print(app.read_exposures().rows(wanted), as_json)


def show(context: typer.Context, host: str, cve: Cve = None, as_json: AsJson = False) -> None:
    """One host's exposures. With --cve: why, by which fact, rule and source, and all its windows."""
    app = app_of(context)
    record = app.reader.record(host)
    if cve is None:
        _print(app.read_exposures().rows(Wanted(host_ids=[record.id])), as_json)
        return
    found = app.explain_exposure()(record, cve)
    if as_json:
        print_json(found)
    else:
        _print_explained(found)


def who(context: typer.Context, cve: CveArgument, as_json: AsJson = False) -> None:
    """Which hosts are exposed to a CVE now, or may be: the question of the day."""
    reader = app_of(context).read_exposures()
    rows = reader.rows(Wanted(cve=cve, states=(ExposureState.EXPOSED, ExposureState.UNKNOWN)))
    untold = reader.untold()
    if as_json:
        print_json({"exposures": list(rows), "untold": untold})
        return
    is_told = any(app_of(context).store.advisories.about(cve)) or any(reader.rows(Wanted(cve=cve)))
    nobody = f"no feed, item of the catalogue or tool tells of {cve}: `patchwave advisories status` says what is known"
    _print(rows, as_json, empty=f"no host is known to be exposed to {cve}" if is_told else nobody)
    if untold:
        named = ", ".join(safe(f"{name} ({gaps[0]})") for name, gaps in list(untold.items())[:MOST_NAMED])
        more = f" and {len(untold) - MOST_NAMED} more" if len(untold) > MOST_NAMED else ""
        say(f"of {counted(len(untold), 'host')} it cannot be told: {named}{more}")


def _print(rows: Iterable[Json], as_json: bool, empty: str = "no exposures are known") -> None:
    if as_json:
        print_json_rows("exposures", rows)
        return
    columns = ("HOST", "CVE", "SEVERITY", "STATE", "WHY", "REMEDY", "DETECTED", "CLOSED", "EXPOSED", "DUE")
    print_table(columns, (_row(row) for row in rows), empty=empty)


def _row(row: Json) -> tuple[object, ...]:
    why = row["reason"] or (row["method"] if row["state"] != ExposureState.EXPOSED else None)
    seconds = row["exposed_seconds"]["detected"]
    exposed = "" if not row["windows"] else f"{seconds / HOUR:.2f} h" if seconds < DAY else f"{seconds / DAY:.1f} d"
    return (
        row["host"],
        row["cve"],
        row["severity"],
        coloured(row["state"]),
        why,
        row["remedy"],
        _time(row["detected_at"]),
        _time(row["closed_at"]),
        exposed,
        _due(row),
    )


def _due(row: Json) -> str:
    if row["closed_at"] is not None or row["due_at"] is None:
        return row["sla"] if row["closed_at"] is not None and row["sla"] not in {None, SlaState.NONE} else ""
    if row["accepted_until"] is not None:
        return f"accepted until {_time(row['accepted_until'])[:10]}"
    return f"{_time(row['due_at'])}{'' if row['sla'] == SlaState.OK else ' ' + str(row['sla']).replace('_', ' ')}"


def _time(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")


def _print_explained(found: Json) -> None:
    why = f" ({found['reason']})" if found["reason"] else ""
    out.print(f"{safe(found['host'])} {found['cve']} ({found['severity']}): {coloured(found['state'])}{safe(why)}")
    out.print(f"  {safe(found['rule'])}")
    facts = found["facts"]
    details = [
        ("remedy", found["remedy"]),
        ("packages", ", ".join(f"{one['name']} {one['version']}" for one in found["packages"])),
        ("kernel", facts and facts["kernel"] and facts["kernel"]["running"] if found["is_kernel"] else None),
        ("seen", facts and _time(facts["observed_at"])),
        ("due", _due(found)),
        ("policy", found["policy"]),
        ("EPSS", found["epss"] and f"{found['epss']['score']:.4f} ({found['epss']['scored_on']})"),
    ]
    for name, value in details:
        if value:
            out.print(f"  {name:9} {safe(value)}")
    columns = ("DISCLOSED", "FIX AVAILABLE", "DETECTED", "CLOSED", "BY")
    windows = [
        (
            *(_time(one[name]) for name in ("disclosed_at", "fix_available_at", "detected_at", "closed_at")),
            one["method"],
        )
        for one in found["windows"]
    ]
    print_table(columns, windows, empty="  no window was ever open")
    told = [
        (one["feed"], one["entry"], one["package"], one["claim"], one["fixed"], _time(one["since"]), one["note"])
        for one in found["told"]
    ]
    print_table(
        ("FEED", "ENTRY", "PACKAGE", "CLAIM", "FIXED IN", "KNOWN SINCE", "NOTE"), told, empty="  no feed tells of it"
    )
