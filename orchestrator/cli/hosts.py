"""``patchwave hosts``: list, show, trust, doctor, retire, quarantine."""

from typing import Annotated, Any

import typer

from orchestrator.cli.context import AsJson, Yes, app_of, chosen, confirmed, declined, listed
from orchestrator.cli.host_page import print_host
from orchestrator.cli.output import coloured, err, out, print_json, print_table, safe
from orchestrator.cli.scan import print_hosts
from orchestrator.core.diagnosis import Health
from orchestrator.services.retire_host import refuse_listed
from orchestrator.services.trust_hosts import TAKES_REPLACE, KeyStatus, Presented

Pattern = Annotated[str | None, typer.Argument(help="An Ansible host pattern; all hosts without one.")]


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Hosts.", no_args_is_help=True)
    group.command("list")(list_hosts)
    for command in (show, trust, doctor, retire, quarantine):
        group.command()(command)
    cli.add_typer(group, name="hosts")


def list_hosts(context: typer.Context, pattern: Pattern = None, as_json: AsJson = False) -> None:
    """Every listed host with what its last check saw. Contacts nobody."""
    app = app_of(context)
    ids = {member.record.id for member in chosen(app, pattern)}
    views = [view for view in app.reader.hosts() if view["id"] in ids]
    if as_json:
        print_json({"hosts": views})
    else:
        print_hosts(views)


def show(context: typer.Context, host: str, as_json: AsJson = False) -> None:
    """All that is known of one host. Contacts nobody."""
    view = app_of(context).reader.host(host)
    if as_json:
        print_json(view)
    else:
        print_host(view)


def trust(
    context: typer.Context,
    pattern: Pattern = None,
    yes: Yes = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also pin changed keys: those hosts are other machines from now on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the host keys that hosts and their jump hosts present, and pin them once you have said yes.

    Jump hosts come first: what is behind one can be asked only once it is trusted. Exit 1 when a key is left unpinned.
    """
    app = app_of(context)
    service = app.trust_hosts()
    wanted = {KeyStatus.NEW, *TAKES_REPLACE} if replace else {KeyStatus.NEW}
    presented: list[Presented] = []
    left_unpinned = False
    for stage in service.stages(chosen(app, pattern)) or ((),):
        asked = service.ask(stage)
        presented += asked
        if not as_json:
            _print_keys(asked)
        acceptable = [one for one in asked if one.status in wanted]
        if acceptable and confirmed(f"Pin the keys of {len(acceptable)} hosts?", yes):
            service.accept(acceptable, replace=replace)
            err.print(f"{len(acceptable)} keys pinned")
        elif acceptable:
            left_unpinned = True
            err.print("nothing pinned")
    if as_json:
        print_json({"hosts": [_key(one) for one in presented]})
    if left_unpinned or any(one.status in {KeyStatus.UNREACHABLE, *TAKES_REPLACE} - wanted for one in presented):
        raise typer.Exit(1)


def _key(one: Presented) -> dict[str, Any]:
    return {
        "host": one.host.name,
        "is_listed": one.record is not None,
        "status": one.status,
        "type": one.key and one.key.type,
        "fingerprint": one.key and one.key.fingerprint,
        "pinned": [key.fingerprint for key in one.pinned],
        "error": one.error,
    }


def _print_keys(presented: tuple[Presented, ...]) -> None:
    columns = ("HOST", "KEY", "TYPE", "FINGERPRINT", "PINNED", "ERROR")
    print_table(columns, (_key_row(_key(one)) for one in presented), empty="no hosts")


def _key_row(row: dict[str, Any]) -> tuple[object, ...]:
    return (row["host"], row["status"], row["type"], row["fingerprint"], ", ".join(row["pinned"]), row["error"])


def doctor(context: typer.Context, pattern: Pattern = None, as_json: AsJson = False) -> None:
    """Tell per host what is wrong: name, port, key, login, shell, sudo, clock, live-patch ability."""
    app = app_of(context)
    results = app.diagnose_hosts()(chosen(app, pattern))
    if as_json:
        shown = [{"name": n, "steps": [r.model_dump(mode="json") for r in steps]} for n, steps in results.items()]
        print_json({"hosts": shown})
    else:
        rows = ((n, r.step, coloured(r.health), r.detail) for n, steps in results.items() for r in steps)
        print_table(("HOST", "STEP", "", "DETAIL"), rows, empty="no hosts")
    if any(result.health is Health.FAIL for steps in results.values() for result in steps):
        raise typer.Exit(1)


def retire(context: typer.Context, host: str, yes: Yes = False) -> None:
    """Retire a host that is gone for good: its open windows end as withdrawn, never as fixed."""
    app = app_of(context)
    record, fleet = app.reader.record(host), listed(app)
    refuse_listed(record, fleet)
    if not confirmed(f"Retire {record.name}? Its open exposure windows end as withdrawn.", yes):
        declined("nothing was retired", as_json=False)
    app.retire_host()(record, fleet)
    out.print(f"{safe(record.name)} is retired")


def quarantine(
    context: typer.Context,
    host: str,
    reason: Annotated[str, typer.Option(help="Why; shown by `plan`.")] = "",
    lift: Annotated[bool, typer.Option("--lift", help="Take the host out of quarantine.")] = False,
) -> None:
    """Keep a host out of every rollout, or let it in again. It is still checked."""
    app = app_of(context)
    record = app.reader.record(host)
    app.quarantine(record, None if lift else reason or "no reason given")
    out.print(f"{safe(record.name)} is {'no longer' if lift else 'now'} in quarantine")
