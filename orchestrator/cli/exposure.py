"""``patchwave exposure``: which host is exposed to what, and since when."""

from typing import Annotated, Any

import typer

from orchestrator.cli import accept, exposure_report
from orchestrator.cli.context import AsJson, Limit, app_of, chosen
from orchestrator.cli.output import coloured, print_json, print_table
from orchestrator.core.exposure_states import ExposureState

Cve = Annotated[str | None, typer.Option(help="Only this CVE.")]


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Exposure windows.", no_args_is_help=True)
    group.command("list")(list_exposures)
    group.command()(show)
    group.command()(who)
    accept.add_to(group)
    exposure_report.add_to(group)
    cli.add_typer(group, name="exposure")


def list_exposures(context: typer.Context, limit: Limit = None, cve: Cve = None, as_json: AsJson = False) -> None:
    """Every pair of host and CVE: exposed, covered or unknown."""
    app = app_of(context)
    rows = app.reader.exposure_rows()
    if limit is not None:
        names = {member.name for member in chosen(app, limit)}
        rows = [row for row in rows if row["host"] in names]
    _print([row for row in rows if cve in {None, row["cve"]}], as_json)


def show(context: typer.Context, host: str, cve: Cve = None, as_json: AsJson = False) -> None:
    """One host's exposures."""
    app = app_of(context)
    name = app.reader.record(host).name
    _print([row for row in app.reader.exposure_rows() if row["host"] == name and cve in {None, row["cve"]}], as_json)


def who(context: typer.Context, cve: str, as_json: AsJson = False) -> None:
    """Which hosts are exposed to a CVE now, or may be: the question of the day."""
    rows = [row for row in app_of(context).reader.exposure_rows() if row["cve"] == cve]
    _print([row for row in rows if row["state"] != ExposureState.COVERED], as_json)


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json({"exposures": rows})
        return
    columns = ("HOST", "CVE", "SEVERITY", "STATE", "WHY", "REMEDY", "DETECTED", "CLOSED", "EXPOSED")
    print_table(columns, (_row(row) for row in rows), empty="no exposures are known")


def _row(row: dict[str, Any]) -> tuple[object, ...]:
    why = row.get("reason") or row["method"] or ""
    exposed = f"{row['exposed_seconds']['detected'] / 3600:.2f} h"
    detected, closed = (str(row[name] or "")[:19].replace("T", " ") for name in ("detected_at", "closed_at"))
    state = coloured(row["state"])
    return (row["host"], row["cve"], row["severity"], state, why, row["remedy"], detected, closed, exposed)
