"""``patchwave plan`` and ``patchwave rollout``."""

from collections import Counter
from collections.abc import Callable, Collection
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.live import Live

from orchestrator.bootstrap import App
from orchestrator.cli.context import AsJson, Limit, Yes, app_of, confirmed, declined, listed, run_of, who
from orchestrator.cli.output import coloured, counted, err, out, print_json, print_table, safe, say
from orchestrator.cli.progress import waves_table
from orchestrator.core.offers import Offer
from orchestrator.core.plans import Plan, PlannedHost
from orchestrator.core.rollout import exit_code
from orchestrator.core.rollout_events import Abort, Event, Pause, Retry, Rollback, Skip
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.errors import LeaseHeld, NotFound

PlaybookFile = Annotated[Path, typer.Argument(metavar="PLAYBOOK", help="A playbook file.")]
PatchOption = Annotated[str | None, typer.Option("--patch", help="Apply this patch in place of the playbook's.")]
RolloutId = Annotated[str, typer.Argument(metavar="ID", help="A rollout's id, or enough of its end to name it.")]


WHAT_TOOLS_OFFER = "what each host's own tool offers"


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    group = typer.Typer(help="Rollouts.", no_args_is_help=True)
    group.command("list")(list_rollouts)
    for command in (start, show, watch, pause, resume, skip, retry, abort, rollback):
        group.command()(command)
    cli.command()(plan)
    cli.add_typer(group, name="rollout")


def plan(
    context: typer.Context,
    playbook: PlaybookFile,
    limit: Limit = None,
    patch: PatchOption = None,
    as_json: AsJson = False,
) -> None:
    """What would happen, to whom, in which wave, and who is left out and why. Contacts nobody."""
    app = app_of(context)
    made = app.plan_rollout(playbook, listed(app), limit=limit, patch=patch)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _print_plan(made)


def _print_plan(made: Plan) -> None:
    names = {host.host_id: host for host in made.hosts}
    what = safe(made.patch_id or WHAT_TOOLS_OFFER)
    out.print(f"[bold]{safe(made.playbook.name)}[/]: {what} to {counted(len(made.hosts), 'host')}, "
              f"at most {made.budget_total} may fail in all\n")  # fmt: skip
    rows = (
        (
            f"{wave.index}{' canary' if wave.is_canary else ''}",
            host.name,
            host.payload.kernel,
            host.backend,
            _brings(host),
            wave.budget,
        )
        for wave in made.waves
        for host in (names[host_id] for host_id in wave.host_ids)
    )
    print_table(("WAVE", "HOST", "KERNEL", "BACKEND", "BRINGS", "BUDGET"), rows, empty="no host needs this patch")
    if made.left_out:
        left = ((one.name, one.reason, one.reason.meaning, one.detail) for one in made.left_out)
        out.print()
        print_table(("LEFT OUT", "REASON", "MEANING", "DETAIL"), left, empty="")
    if made.rollback_reopens:
        cves = sorted({cve for _, cve in made.rollback_reopens})
        hosts = len({name for name, _ in made.rollback_reopens})
        again = counted(hosts, "host")
        out.print(f"\nA rollback would expose {again} again to {safe(', '.join(cves))}.")
    out.print()
    settings = ((one.field, one.value, "default" if one.is_default else "playbook") for one in made.settings)
    print_table(("SETTING", "VALUE", "FROM"), settings, empty="")
    for warning in made.warnings:
        say(f"warning: {warning}")


def _brings(host: PlannedHost) -> str:
    """The module, or what the host's tool offers; without a level: whatever is the newest there."""
    if isinstance(host.payload, Offer):
        return " ".join(filter(None, (host.payload.package, host.payload.level or "(the newest)")))
    return host.payload.module


def start(
    context: typer.Context,
    playbook: PlaybookFile,
    limit: Limit = None,
    patch: PatchOption = None,
    yes: Yes = False,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it to `patchwave serve`.")] = False,
    as_json: AsJson = False,
) -> None:
    """Plan, ask, and patch in waves. Exit 0 when every wave is done, 1 when a host or the budget stopped it."""
    app = app_of(context)
    app.require_write()
    made = app.plan_rollout(playbook, listed(app), limit=limit, patch=patch)
    if not as_json:
        _print_plan(made)
    if not confirmed(f"Patch {counted(len(made.hosts), 'host')}?", yes):
        declined("nothing was started", as_json=as_json)
    rollout_id = app.order_rollout().create(made, started_by=who())
    say(f"rollout {rollout_id}")
    if detach:
        _print_rollout(app, rollout_id, as_json)
        return
    state = _drive(context, rollout_id) or _follow(app, rollout_id)
    _print_rollout(app, rollout_id, as_json)
    _exit_by(state)


def _drive(context: typer.Context, rollout_id: str) -> RolloutState | None:
    """Drive it in this process, shown live; the state in which it rests. None: a living engine drives it."""
    run = run_of(context)
    run.when_interrupted = (
        f"stopped; what was sent goes on by itself. Go on with: patchwave rollout resume {rollout_id}"
    )
    try:
        return _drive_here(run.app, rollout_id)
    except LeaseHeld as exc:
        say(f"{exc}: looking whether that engine is alive")
    if run.app.read_rollouts.has_living_engine(rollout_id):
        run.when_interrupted = f"no longer followed; rollout {rollout_id} goes on"
        return None
    say("it is not; taking over")
    return _drive_here(run.app, rollout_id)


def _drive_here(app: App, rollout_id: str) -> RolloutState:
    with Live(console=err, refresh_per_second=4, transient=True) as live:
        return app.drive_rollout(rollout_id, watch=lambda state: live.update(waves_table(state)))


def _follow(app: App, rollout_id: str) -> RolloutState:
    with Live(console=err, refresh_per_second=4, transient=True) as live:
        return app.read_rollouts.follow(rollout_id, lambda state: live.update(waves_table(state)))


def _exit_by(state: RolloutState, wanted: Collection[RolloutStatus] = ()) -> NoReturn:
    """With 0 where it came to rest as wanted, or succeeded with every host patched."""
    raise typer.Exit(0 if state.status in wanted else exit_code(state))


_WANTED: dict[type[Event], frozenset[RolloutStatus]] = {
    Pause: frozenset({RolloutStatus.PAUSED}),
    Abort: frozenset({RolloutStatus.ABORTED}),
    Skip: frozenset({RolloutStatus.PAUSED, RolloutStatus.HELD}),
    Rollback: frozenset({RolloutStatus.ROLLED_BACK}),
}
"""Where a rollout comes to rest when such an order is done; beside the end of a rollout that succeeded."""


SAFER = (Pause, Abort)
"""Orders that read-only mode lets through: they start nothing on any host."""


def list_rollouts(context: typer.Context, as_json: AsJson = False) -> None:
    """All rollouts, newest first."""
    app = app_of(context)
    if as_json:
        print_json({"rollouts": app.read_rollouts.all()})
        return
    rows = app.store.rollouts.heads()
    table = (
        (row.id, row.playbook, coloured(row.state_name), row.created_at.isoformat(" ", "seconds"), row.started_by)
        for row in rows
    )
    print_table(("ID", "PLAYBOOK", "STATE", "STARTED", "BY"), table, empty="no rollouts")


def show(context: typer.Context, rollout: RolloutId, as_json: AsJson = False) -> None:
    """One rollout with its waves and hosts."""
    app = app_of(context)
    _print_rollout(app, _find(app, rollout), as_json)


def _find(app: App, text: str) -> str:
    found = [row.id for row in app.store.rollouts.heads() if row.id.endswith(text.upper()) or row.id == text]
    if len(found) != 1:
        raise NotFound(f"{'no rollout' if not found else 'more than one rollout'} ends with {text!r}")
    return found[0]


def _print_rollout(app: App, rollout_id: str, as_json: bool, **more: object) -> None:
    view = app.read_rollouts.one(rollout_id)
    if as_json:
        print_json(view | more)
        return
    out.print(f"[bold]{view['id']}[/] {safe(view['playbook'])}: {coloured(view['state'])} {safe(view['reason'] or '')}")
    print_table(("WAVE", "HOST", "STATE", "DETAIL"), _host_rows(view), empty="no hosts")


def _host_rows(view: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (f"{wave['index']} {wave['state']}", host["name"], coloured(host["state"]), host["detail"])
        for wave in view["waves"]
        for host in wave["hosts"]
    ]


def watch(context: typer.Context, rollout: RolloutId) -> None:
    """Follow a rollout that another process drives, until it is final."""
    app = app_of(context)
    rollout_id = _find(app, rollout)
    state = _follow(app, rollout_id)
    _print_rollout(app, rollout_id, as_json=False)
    _exit_by(state, _WANTED[Rollback])


def _order(event: Event, done: str) -> Callable[..., None]:
    def command(context: typer.Context, rollout: RolloutId, as_json: AsJson = False) -> None:
        _give(context, rollout, event, as_json)

    command.__doc__ = done
    return command


pause = _order(Pause(), "Start nothing new until resumed; hosts in flight finish.")
retry = _order(Retry(), "Give the troubled hosts of the current wave another attempt.")
abort = _order(Abort(), "Start nothing new, let hosts in flight finish, and end.")
for _name, _command in {"pause": pause, "retry": retry, "abort": abort}.items():
    _command.__name__ = _name


def skip(context: typer.Context, rollout: RolloutId, host: str, as_json: AsJson = False) -> None:
    """Leave a host out whose turn has not come."""
    app = app_of(context)
    _give(context, rollout, Skip(host_id=app.reader.record(host).id), as_json)


def rollback(context: typer.Context, rollout: RolloutId, yes: Yes = False, as_json: AsJson = False) -> None:
    """Say which windows would reopen, then take out what the rollout brought, last wave first."""
    app = app_of(context)
    app.require_write()
    rollout_id = _find(app, rollout)
    reopening = app.read_rollouts.reopening(rollout_id)
    for name, windows in groupby(reopening, key=itemgetter(0)):
        cves = ", ".join(cve for _, cve in windows)
        err.print(f"{safe(name)}: [red]will be exposed again[/] to {safe(cves)}")
    staying = app.read_rollouts.staying(rollout_id)
    for tool, count in sorted(Counter(tool for _, tool in staying).items()):
        say(f"{counted(count, 'host')} keep what {tool} brought: it takes nothing out without a reboot")
    if not reopening and not staying:
        say("no exposure window would reopen")
    if not confirmed("Roll back?", yes):
        declined("nothing was rolled back", as_json=as_json)
    told = {"reopens": [list(pair) for pair in reopening], "stays": [list(pair) for pair in staying]}
    _give(context, rollout_id, Rollback(), as_json, **told)


def resume(context: typer.Context, rollout: RolloutId, as_json: AsJson = False) -> None:
    """Go on after a pause or a hold, or after the engine was killed."""
    app = app_of(context)
    app.require_write()
    rollout_id = _find(app, rollout)
    app.order_rollout().resume(rollout_id, who())
    _go_on(context, rollout_id, as_json)


def _give(context: typer.Context, rollout: str, event: Event, as_json: bool, **more: object) -> None:
    """Leave the order; act on it here, unless a living engine drives the rollout and acts by itself.

    In read-only mode an order that only makes things safer is left too, but no engine is started here. ``more`` goes
    into the JSON document.
    """
    app = app_of(context)
    if not isinstance(event, SAFER):
        app.require_write()
    rollout_id = _find(app, rollout)
    app.order_rollout().ask(rollout_id, event, who())
    if app.settings.read_only:
        say("read-only mode: the order is left to the engine that drives it, or to the next one")
        _print_rollout(app, rollout_id, as_json, **more)
        return
    _go_on(context, rollout_id, as_json, _WANTED.get(type(event), frozenset()), **more)


def _go_on(
    context: typer.Context,
    rollout_id: str,
    as_json: bool,
    wanted: Collection[RolloutStatus] = frozenset(),
    **more: object,
) -> None:
    state = _drive(context, rollout_id)
    if state is None:
        say("left to the engine that drives it")
    _print_rollout(app_of(context), rollout_id, as_json, **more)
    if state is not None:
        _exit_by(state, wanted)
