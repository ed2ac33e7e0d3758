"""Simulated fleets that run, each with the application in a home that knows it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.bootstrap import App
from orchestrator.core.sightings import CheckRecord
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.handover import hand_over_to
from orchestrator.settings import load_settings

Started = tuple[SimulatedFleet, App]
Start = Callable[..., Started]


def app_in(home: Path, environ: Mapping[str, str] | None = None) -> App:
    """The application in a home."""
    settings, origins = load_settings({"PATCHWAVE_CHECK_TIMEOUT": "5s", **(environ or {})}, home)
    return App(settings=settings, origins=origins, folder=home)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a fleet, handed over to a home."""
    with ExitStack() as stack:

        def begin(hosts: int, faults: Mapping[str, Faults] | None = None, *, mixed: bool = False) -> Started:
            fleet = stack.enter_context(SimulatedFleet(tmp_path / "fleet", hosts=hosts, mixed=mixed, faults=faults))
            app = app_in(hand_over_to(tmp_path / "home", fleet))
            stack.callback(app.close)
            return fleet, app

        yield begin


def scan(app: App) -> dict[str, CheckRecord]:
    """The checks of all hosts, by name, with the package lists that were stored."""
    members = app.fleet().members
    records = app.scan(members)
    return {member.name: _with_packages(app, records[member.record.id]) for member in members}


def _with_packages(app: App, record: CheckRecord) -> CheckRecord:
    seen = record.observation
    if seen is None or seen.facts.packages is None:
        return record
    packages = app.store.sightings.packages(seen.facts.packages.fingerprint)
    facts = seen.facts.model_copy(update={"packages": packages})
    return record.model_copy(update={"observation": seen.model_copy(update={"facts": facts})})
