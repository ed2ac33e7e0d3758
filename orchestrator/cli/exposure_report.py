"""``patchwave exposure report`` and ``patchwave exposure vex``: what goes to people and programs outside."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.context import AsJson, Limit, app_of, chosen
from orchestrator.cli.output import json_text, out, print_json, print_table, safe, say
from orchestrator.cli.spreadsheet import print_csv
from orchestrator.core.exposure_counts import ClockSummary, ExposureRow
from orchestrator.core.exposure_states import ExposureClock
from orchestrator.core.exposure_summary import ExposureSummary, Grouping
from orchestrator.core.exposure_summary_view import flat_rows, summary_document
from orchestrator.core.patches import Severity
from orchestrator.errors import InvalidInput, NotAvailable

Period = Annotated[str | None, typer.Option("--period", help="The last so many days: 30d, which is the default.")]
First = Annotated[str | None, typer.Option("--from", metavar="DAY", help="From this day on (UTC): 2026-01-31.")]
Last = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Up to the end of this day (UTC).")]
Severities = Annotated[list[Severity] | None, typer.Option("--severity", help="Only these; may be given again.")]
Kev = Annotated[bool, typer.Option("--kev", help="Only what CISA lists as exploited.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet.")]


def add_to(group: typer.Typer) -> None:
    """Register these commands with ``patchwave exposure``."""
    group.command()(report)
    group.command()(vex)


def report(
    context: typer.Context,
    by: Annotated[Grouping | None, typer.Option("--by", help="A row for each of these.")] = None,
    period: Period = None,
    first_day: First = None,
    last_day: Last = None,
    limit: Limit = None,
    severity: Severities = None,
    kev: Kev = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """What closed in a period and how long that took by each clock, what is open now, how long hosts were exposed."""
    if as_json and as_csv:
        raise InvalidInput("prints either one JSON document or CSV", field="--csv")
    app = app_of(context)
    service = app.report_exposure()
    asked = service.ask(
        by=by, last=period, first_day=first_day, last_day=last_day, severities=severity or (), kev_only=kev
    )
    host_ids = None if limit is None else [member.record.id for member in chosen(app, limit)]
    summary = service(asked, host_ids)
    if as_json:
        print_json(summary_document(summary))
    elif as_csv:
        print_csv(flat_rows(summary))
    else:
        _print_summary(summary)


def vex(
    context: typer.Context,
    host: Annotated[str | None, typer.Argument(help="For scans of this host; without one, of all of them.")] = None,
    limit: Limit = None,
    cve: Annotated[str | None, typer.Option(help="Only this CVE.")] = None,
    states_fixed: Annotated[bool, typer.Option("--all", help="Also what is fixed, or was never affected.")] = False,
    author: Annotated[str | None, typer.Option(help="Who states it; by default this controller.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write it to this file, in place of what was there.")] = None,
) -> None:
    """OpenVEX for vulnerability scanners: what is live-patched is not affected. See docs/reference/vex.md."""
    if host is not None and limit is not None:
        raise InvalidInput("is for documents of several hosts", field="--limit")
    app = app_of(context)
    service = app.export_vex()
    if host is not None:
        document = service.of_host(host, author, cve=cve, states_fixed=states_fixed)
    else:
        host_ids = None if limit is None else [member.record.id for member in chosen(app, limit)]
        document = service.of_fleet(author, host_ids=host_ids, cve=cve, states_fixed=states_fixed)
    if not document["statements"]:
        say("warning: the document states nothing: no CVE is open, unknown or live-patched there")
    if output is None:
        print_json(document)
    else:
        _write(output, document)


def _write(file: Path, document: dict[str, Any]) -> None:
    """Whole or not at all: a scanner must not read half a document, nor keep to an old one after an error."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as written:
            written.write(json_text(document) + "\n")
        Path(written.name).chmod(0o644)
        os.replace(written.name, file)  # noqa: PTH105  both are paths as they were given
    except OSError as exc:
        raise NotAvailable(f"{file} cannot be written: {exc.strerror}") from exc


def _print_summary(summary: ExposureSummary) -> None:
    asked = summary.asked
    start, end, now = (f"{at:%Y-%m-%d %H:%M}" for at in (asked.period.start, asked.period.end, summary.now))
    out.print(safe(f"Closed and exposed from {start} to {end} (UTC); open, breached and unknown as of {now}."))
    name = asked.by.value.upper() if asked.by is not None else ""
    print_table((name, *_COLUMNS), _cells(summary), empty="")


_COLUMNS = (
    "OPEN", "BREACHED", "DUE SOON", "ACCEPTED", "UNKNOWN", "CLOSED", "BY", "ENDED",
    "DISCLOSED (MEDIAN / P90 / MAX)", "FIX AVAILABLE", "DETECTED", "REBOOTS AVOIDED", "HOST-DAYS", "CVE-DAYS",
)  # fmt: skip


def _cells(summary: ExposureSummary) -> Iterator[tuple[object, ...]]:
    for row in summary.rows:
        yield (row.key if row.key is not None else "-", *_counts(row))
    yield ("in all", *_counts(summary.total))


def _counts(row: ExposureRow) -> tuple[object, ...]:
    methods = ", ".join(f"{method.value} {count}" for method, count in row.methods.items())
    ended = {"withdrawn": row.withdrawn, "host_replaced": row.host_replaced}
    return (
        row.open, row.breached, row.due_soon, row.accepted, row.unknown, row.closed, methods,
        ", ".join(f"{method} {count}" for method, count in ended.items() if count),
        *(_clock(row.time_to_patch[clock]) for clock in ExposureClock),
        row.reboots_avoided, f"{row.exposed_host_days:.1f}", f"{row.exposed_cve_days:.1f}",
    )  # fmt: skip


def _clock(found: ClockSummary) -> str:
    """``2.0 d / 5.5 d / 9.0 d (3 untold)``."""
    times = " / ".join(map(_readable, (found.median, found.p90, found.max))) if found.windows else ""
    return f"{times} ({found.untold} untold)".strip() if found.untold else times


def _readable(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    unit, size = next((unit for unit in _UNITS if seconds >= unit[1]), ("s", 1))
    return f"{seconds / size:.1f} {unit}"


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
