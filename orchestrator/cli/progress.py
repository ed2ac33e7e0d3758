"""A rollout as it is seen while it runs: one line a wave, with a bar and the hosts in flight."""

from rich.table import Table

from orchestrator.cli.output import coloured, safe
from orchestrator.core.rollout_state import HostRun, RolloutState
from orchestrator.core.rollout_states import FINAL_HOST, HostStatus

WIDTH = 24
SHOWN_IN_FLIGHT = 4
GOOD = frozenset({HostStatus.PATCHED, HostStatus.ALREADY_PATCHED, HostStatus.REVERTED})


def waves_table(state: RolloutState) -> Table:
    """The table for a live display."""
    table = Table(
        title=f"{coloured(state.status)} {safe(state.reason)}", title_justify="left", box=None, pad_edge=False
    )
    for column in ("WAVE", "STATE", "", "DONE", "FAILED", "IN FLIGHT"):
        table.add_column(column)
    for wave in state.waves:
        hosts = state.of_wave(wave)
        good = sum(host.state in GOOD for host in hosts)
        ended = sum(host.state in FINAL_HOST for host in hosts)
        table.add_row(
            f"{wave.index}{' canary' if wave.is_canary else ''}",
            coloured(wave.state),
            _bar(good, ended, len(hosts)),
            f"{good}/{len(hosts)}",
            str(ended - good),
            _in_flight(hosts),
        )
    return table


def _bar(good: int, ended: int, total: int) -> str:
    green = good * WIDTH // max(total, 1)
    red = (ended - good) * WIDTH // max(total, 1)
    return f"[green]{'━' * green}[/][red]{'━' * red}[/][dim]{'━' * (WIDTH - green - red)}[/]"


def _in_flight(hosts: list[HostRun]) -> str:
    flying = [host for host in hosts if host.in_flight]
    shown = ", ".join(f"{host.name} {host.state}" for host in flying[:SHOWN_IN_FLIGHT])
    more = len(flying) - SHOWN_IN_FLIGHT
    return safe(shown + (f" and {more} more" if more > 0 else ""))
