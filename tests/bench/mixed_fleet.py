"""What else is scanned: the lab's mixed fleet, hosts of all systems with all live-patch tools, one address each."""

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.backends.registry import probe_parts
from orchestrator.bootstrap import App
from orchestrator.core.hosts import Become
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.handover import inventory
from orchestrator.probe.command import check_command
from orchestrator.settings import load_settings

NO_ROOT = {"ansible_become": False}


@dataclass(frozen=True, kw_only=True)
class MixedFleet:
    """A running fleet, and the files that each contestant reads. Nobody becomes root; three fifths log in as it."""

    fleet: SimulatedFleet
    folder: Path
    forks: int

    def settle(self) -> None:
        """Wait until the connections of whoever came before have ended."""
        ends = time.monotonic() + 10
        while self._connections() and time.monotonic() < ends:
            time.sleep(0.02)

    def _connections(self) -> int:
        return sum(len(self.fleet.host(name).server.connections) for name in self.fleet.names)

    def sessions(self) -> Sequence[int]:
        """How many channels with a command each host has had by now."""
        return [self.fleet.host(name).server.sessions for name in self.fleet.names]

    def inventory(self) -> Path:
        """The product's."""
        file = self.folder / "mixed.yml"
        document: Any = inventory(self.fleet.machines, self.fleet.port, str(self.fleet.keys.login_file))
        document["all"]["children"]["lab_simulated"]["vars"] |= NO_ROOT
        file.write_text(json.dumps(document))
        return file

    def new_home(self) -> Path:
        """A home folder in which nothing was ever checked, every host's key pinned."""
        home = self.folder / f"home-{secrets.token_hex(4)}"
        settings, origins = load_settings({"PATCHWAVE_INVENTORY": str(self.inventory())}, home)
        app = App(settings=settings, origins=origins, folder=home)
        app.initialise()
        (home / "known_hosts").write_text("".join(self.fleet.keys.known_hosts_lines()))
        app.close()
        return home

    def work_of_the_floor(self) -> Path:
        """What the bare pool is to do: the very script and arguments that a check sends, a nonce each."""
        parts, become = probe_parts(deep=False), Become(enabled=False)
        commands = [
            check_command(nonce=secrets.token_hex(16), become=become, known_packages=None, extra=parts)
            for _ in self.fleet.machines
        ]
        machines = self.fleet.machines
        work = {
            "port": self.fleet.port,
            "users": {machine.address: machine.account.user for machine in machines},
            "key": str(self.fleet.keys.login_file),
            "forks": self.forks,
            "script": commands[0].stdin.decode(),
            "jobs": [[one.address, command.argv] for one, command in zip(machines, commands, strict=True)],
        }
        file = self.folder / "mixed.json"
        file.write_text(json.dumps(work))
        return file
