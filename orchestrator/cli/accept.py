"""``patchwave exposure accept``, ``unaccept``, ``accepted``: risks that somebody bears for a while."""

from typing import Annotated, Any

import typer

from orchestrator.bootstrap import App
from orchestrator.cli.context import AsJson, app_of, who
from orchestrator.cli.output import coloured, counted, out, print_json, print_table, safe
from orchestrator.core.acceptances import Acceptance, Scope
from orchestrator.core.host_view import moment
from orchestrator.errors import InvalidInput
from orchestrator.services.accept_risk import Wanted

SHOWN = 20
"""Hosts that are named when a risk is accepted."""


def add_to(group: typer.Typer) -> None:
    """Register these commands below ``exposure``."""
    for command in (accept, unaccept, accepted):
        group.command()(command)


def accept(
    context: typer.Context,
    cve: str,
    owner: Annotated[str, typer.Option(help="Who bears the risk.")],
    reason: Annotated[str, typer.Option(help="Why, in one line.")],
    until: Annotated[str, typer.Option(help="A day (its end, in UTC), an instant with its zone, or 90d.")],
    host: Annotated[str | None, typer.Option(help="On this host.")] = None,
    group: Annotated[str | None, typer.Option(help="On the hosts in this group.")] = None,
    customer: Annotated[str | None, typer.Option(help="On the hosts of this customer.")] = None,
    label: Annotated[str | None, typer.Option(help="On the hosts with this label: name=value.")] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="On all hosts.")] = False,
    as_json: AsJson = False,
) -> None:
    """Accept the risk of a CVE for a while: nobody is alerted. Hosts stay exposed, due dates stay as they are."""
    scopes = {Scope.HOST: host, Scope.GROUP: group, Scope.CUSTOMER: customer, Scope.LABEL: label}
    named = [(scope, value) for scope, value in scopes.items() if value is not None]
    named += [(Scope.EVERYWHERE, "")] if everywhere else []
    if len(named) != 1:
        raise InvalidInput("say where: exactly one of --host, --group, --customer, --label, --all")
    app = app_of(context)
    made = app.accept_risk().accept(Wanted(cve, *named[0], owner, reason, until), who())
    hosts = [one.name for one in app.accept_risk().hosts_in(made)]
    if as_json:
        print_json(_row(app, made) | {"hosts": hosts})
        return
    until = made.expires_at.isoformat(" ", "minutes")
    out.print(f"{safe(made.id)}: {safe(made.cve)} is accepted until {until} on {counted(len(hosts), 'host')}")
    out.print(safe(", ".join(hosts[:SHOWN]) + (", …" if len(hosts) > SHOWN else "")))


def unaccept(
    context: typer.Context,
    acceptance: Annotated[str, typer.Argument(metavar="ID", help="Its id; the end of it is enough.")],
    as_json: AsJson = False,
) -> None:
    """Take an accepted risk back before its time is over. What is overdue alerts again at once."""
    app = app_of(context)
    made = app.accept_risk().revoke(acceptance, who())
    if as_json:
        print_json(_row(app, made))
    else:
        out.print(f"{safe(made.id)}: {safe(made.cve)} is no longer accepted")


def accepted(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also what ended more than 30 days ago.")] = False,
    as_json: AsJson = False,
) -> None:
    """Risks that are accepted now, and those that ended in the last 30 days, shown as such."""
    app = app_of(context)
    rows = [_row(app, one) for one in app.accept_risk().accepted(everything=everything)]
    if as_json:
        print_json({"accepted": rows})
        return
    columns = ("ID", "CVE", "WHERE", "STATE", "ENDS", "OWNER", "REASON", "ACCEPTED BY")
    print_table(columns, (_cells(row) for row in rows), empty="no risk is accepted")


def _row(app: App, one: Acceptance) -> dict[str, Any]:
    """With the host's name, by which people know it, beside its id."""
    host = (
        next((record.name for record in app.store.hosts.some([one.value])), None) if one.scope is Scope.HOST else None
    )
    times = {name: moment(getattr(one, name)) for name in ("accepted_at", "expires_at", "revoked_at")}
    state = {"state": one.state(app.clock.now()).value, "ended_at": moment(one.ended_at), "host": host}
    return one.model_dump(mode="json") | times | state


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    where = row["scope"] if row["scope"] == Scope.EVERYWHERE else f"{row['scope']} {row['host'] or row['value']}"
    ends = row["ended_at"][:16].replace("T", " ")
    return (
        row["id"],
        row["cve"],
        where,
        coloured(row["state"]),
        ends,
        row["owner"],
        row["reason"],
        row["accepted_by"],
    )
