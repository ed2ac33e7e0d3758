"""The product: the complete scan (inventory, check, parse, store, windows), as `patchwave scan` runs it."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.bootstrap import App
from orchestrator.core.fleet import Member
from orchestrator.settings import load_settings
from tests.bench.measured import Stopwatch, own_memory, tell


def scans(app: App) -> None:
    """Scan twice: a first time, and over the connections that were kept."""
    with Stopwatch() as first:
        members = app.fleet().members
        _scan(app, members)
    with Stopwatch() as second:
        _scan(app, app.fleet().members)
    tell(
        wall=first.wall,
        cpu=first.cpu,
        second_wall=second.wall,
        second_cpu=second.cpu,
        hosts=len(members),
        kept=app.transport.kept,
    )


def memory(app: App) -> None:
    """Resident bytes with no connection, with half of them, with all."""
    members = app.fleet().members
    half = len(members) // 2
    resident = [_resident()]
    for some in (members[:half], members[half:]):
        _scan(app, some)
        resident.append(_resident())
    tell(resident=resident, kept=app.transport.kept)


def _scan(app: App, members: Sequence[Member]) -> None:
    records = app.scan(members).values()
    for record in records:
        if record.observation is None:
            raise SystemExit(f"a check failed: {record.error}")


def _resident() -> int:
    gc.collect()
    return own_memory()


def main(what: str, home: str, inventory: str) -> None:
    """Wire the application as the command does, and measure."""
    gc.freeze()  # as the command does
    settings, origins = load_settings({"PATCHWAVE_INVENTORY": inventory}, Path(home))
    app = App(settings=settings, origins=origins, folder=Path(home))
    {"scans": scans, "memory": memory}[what](app)
    app.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
