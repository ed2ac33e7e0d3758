"""Simulated fleets for acceptance tests, each with the product in a home that knows it."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.handover import hand_over_to
from tests.acceptance.product import Ended, Patchwave

QUICK = {
    "apiVersion": "patchwave/v1",
    "kind": "Playbook",
    "name": "quick",
    "targets": {"hosts": "all"},
    "apply": {"tool": "auto", "patch": "LAB-0001"},
    "strategy": {"canary": {"per_kernel": 1}, "waves": ["30%", "100%"], "max_in_flight": 20},
    "budget": {"per_wave": 0, "total": 0},
    "limits": {"transition": "20s", "host": "2m", "rollout": "1h"},
    "soak": "1s",
    "on_failure": "stop",
}


@dataclass(frozen=True, kw_only=True)
class SimulatedLab:
    """A fleet that runs, and a controller for it."""

    fleet: SimulatedFleet
    product: Patchwave

    def controller(self, home: Path, name: str) -> Patchwave:
        """Another controller of the same fleet, under a name and in a home of its own."""
        return Patchwave(home=hand_over_to(home, self.fleet), environ={"PATCHWAVE_CONTROLLER": name})

    def playbook(self, **changes: object) -> str:
        """A playbook file: `QUICK` with these changes, the inner ones one by one (``apply={"patch": ...}``)."""
        document: dict[str, Any] = dict(QUICK)
        for key, value in changes.items():
            old = document.get(key)
            document[key] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
        file = self.product.home / "playbook.yml"
        file.write_text(yaml.safe_dump(document))
        return str(file)

    def states(self, cve: str) -> dict[str, int]:
        """How many hosts are in which state of exposure."""
        rows = self.product.ok("exposure", "list", "--cve", cve, "--json").json["exposures"]
        return dict(Counter(row["state"] for row in rows))

    def in_force(self) -> dict[str, tuple[str, ...]]:
        """The truth: what runs on every host."""
        return {name: truth.in_force for name, truth in self.fleet.truth().items()}

    def attempts(self, action: str) -> Counter[str]:
        """Stored intents by host name."""
        with sqlite3.connect(self.product.home / "patchwave.db") as database:
            rows = database.execute("SELECT host, action FROM attempt").fetchall()
        database.close()
        return Counter(host for host, found in rows if found == action)

    def rollouts(self) -> list[dict[str, Any]]:
        """All of them, newest first."""
        found: list[dict[str, Any]] = self.product.ok("rollout", "list", "--json").json["rollouts"]
        return found

    def wait_for(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 240.0) -> dict[str, Any]:
        """The newest rollout, once it is so."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            rows = self.rollouts()
            if rows and condition(rows[0]):
                return rows[0]
            time.sleep(0.2)
        raise AssertionError(f"it never came to be so: {json.dumps(self.rollouts()[:1])[:2000]}")


Simulate = Callable[..., SimulatedLab]


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """Starts a fleet: ``simulate(hosts=30, faults={"web-001": Faults(stalls=True)})``."""
    with ExitStack() as stack:

        def begin(hosts: int, faults: Mapping[str, Faults] | None = None, *, mixed: bool = False) -> SimulatedLab:
            fleet = stack.enter_context(SimulatedFleet(tmp_path / "fleet", hosts=hosts, mixed=mixed, faults=faults))
            return SimulatedLab(fleet=fleet, product=Patchwave(home=hand_over_to(tmp_path / "home", fleet)))

        yield begin


def hosts_of(rollout: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A rollout's hosts by name."""
    return {host["name"]: host for wave in rollout["waves"] for host in wave["hosts"]}


def host_states(rollout: Mapping[str, Any] | Ended) -> Counter[str]:
    """How many hosts ended how."""
    document = rollout.json if isinstance(rollout, Ended) else rollout
    return Counter(host["state"] for host in hosts_of(document).values())
