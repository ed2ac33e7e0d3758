"""``patchwave sla``: how long exposure windows may stay open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.context import AsJson, Yes, app_of, confirmed, declined, who
from orchestrator.cli.output import counted, out, print_json, print_table, safe, say
from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import Adopted, Policy, Rule, written
from orchestrator.core.sla_preview import Preview, Shift, preview_row
from orchestrator.policy_files import load_policy
from orchestrator.services.manage_sla import ManageSla, Offered

PolicyFile = Annotated[Path, typer.Argument(metavar="FILE", help="A file of service levels.")]


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Service levels: how long exposure windows may stay open.", no_args_is_help=True)
    group.command()(show)
    group.command()(preview)
    group.command("set")(set_policy)
    cli.add_typer(group, name="sla")


def show(context: typer.Context, as_json: AsJson = False) -> None:
    """The policy in force, every default spelled out, and those before it."""
    service = app_of(context).manage_sla()
    policy, history = service.current(), service.history()
    if as_json:
        print_json(_policy_row(policy, history) | {"history": [_adopted_row(one) for one in history]})
        return
    _print_policy(policy, history)
    if history:
        print_table(("SINCE", "POLICY", "SET BY"), (_adopted(one) for one in reversed(history)), empty="")


def preview(context: typer.Context, file: PolicyFile, as_json: AsJson = False) -> None:
    """What a policy would change if it were set now. Nothing is changed."""
    service = app_of(context).manage_sla()
    offered = service.preview(load_policy(file))
    if as_json:
        print_json(_offered_row(service, offered))
    else:
        _print_offered(service, offered)


def set_policy(context: typer.Context, file: PolicyFile, yes: Yes = False, as_json: AsJson = False) -> None:
    """Show what a policy would change, and put it in force once you have said yes.

    Open windows are dated again; closed ones keep their dates. Exit 1 when it was not set.
    """
    service = app_of(context).manage_sla()
    offered = service.preview(load_policy(file))
    row = _offered_row(service, offered)
    if not as_json:
        _print_offered(service, offered)
    if not offered.is_in_force and not confirmed("Put it in force?", yes):
        declined("nothing was set", as_json=as_json)
    adopted = service.set(offered, who())
    if as_json:
        print_json(row | {"set": adopted is not None})
    elif adopted is not None:
        say(f"{adopted.policy.id} is in force")


def _policy_row(policy: Policy, history: tuple[Adopted, ...]) -> dict[str, Any]:
    last = _adopted_row(history[-1]) if history else {"id": policy.id, "since": None, "set_by": None}
    return last | {"policy": policy.model_dump(mode="json")}


def _adopted_row(one: Adopted) -> dict[str, Any]:
    return {"id": one.policy.id, **one.model_dump(mode="json", include={"since", "set_by"})}


def _offered_row(service: ManageSla, offered: Offered) -> dict[str, Any]:
    ids = {"id": offered.policy.id, "in_force": service.current().id}
    return ids | {"policy": offered.policy.model_dump(mode="json")} | preview_row(offered.found)


def _adopted(one: Adopted) -> tuple[object, ...]:
    return (one.since.isoformat(" ", "seconds"), one.policy.id, one.set_by)


def _print_policy(policy: Policy, history: tuple[Adopted, ...]) -> None:
    since = f"since {history[-1].since.isoformat(' ', 'seconds')}" if history else "built in; nobody set another"
    soon = f"for {policy.due_soon.share} of the time before, at most {written(policy.due_soon.at_most)}"
    out.print(f"[bold]{safe(policy.id)}[/] {safe(since)}\ndue soon: {soon}")
    print_table(("HOSTS", *policy.levels, "KEV AT LEAST"), _level_rows(policy), empty="")


def _level_rows(policy: Policy) -> Iterator[tuple[object, ...]]:
    for rule in policy.rules:
        times = rule.levels_over(policy)
        yield (_hosts(rule), *(written(times.allowances[severity]) for severity in policy.levels), written(times.kev))
    rest = "all others" if policy.rules else "all"
    yield (rest, *(written(time) for time in policy.levels.values()), written(policy.kev.at_least))


def _hosts(rule: Rule) -> str:
    named = {"customer": rule.match.customer, "group": rule.match.group, **rule.match.labels}
    return f"{rule.name}: " + " ".join(f"{name}={value}" for name, value in named.items() if value is not None)


def _print_offered(service: ManageSla, offered: Offered) -> None:
    if offered.is_in_force:
        out.print(f"{safe(offered.policy.id)} is in force already")
        return
    out.print(f"[bold]{safe(offered.policy.id)}[/] in the place of {safe(service.current().id)}")
    found = offered.found
    rows = (
        (severity, *(found.shifts[severity].get(shift, 0) for shift in Shift))
        for severity in Severity
        if severity in found.shifts
    )
    columns = ("OPEN WINDOWS", "UNCHANGED", "DUE EARLIER", "DUE LATER", "GET A DATE", "LOSE IT")
    print_table(columns, rows, empty="no exposure window is open")
    _print_breached(found)


def _print_breached(found: Preview) -> None:
    if found.relieved:
        out.print(f"{counted(found.relieved, 'window')} would no longer be overdue")
    if not found.breached:
        return
    more = f"; the first {len(found.examples)}:" if found.breached > len(found.examples) else ":"
    out.print(f"{counted(found.breached, 'window')} would be overdue [red]at once[/]{more}")
    rows = ((one.host, one.cve, one.severity, f"{one.due_at:%Y-%m-%d %H:%M}") for one in found.examples)
    print_table(("HOST", "CVE", "SEVERITY", "DUE"), rows, empty="")
