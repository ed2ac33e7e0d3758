"""One simulated host without a network: its root folder, and its programs run as root or as another account."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab.kernel.demo import PATCHES
from orchestrator.lab.simulated.catalogue import module_bytes
from orchestrator.lab.simulated.disks import Disk, Site
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.machines import Account, Machine, describe
from orchestrator.lab.simulated.script import HostScript


@dataclass(frozen=True, kw_only=True)
class Box:
    """A host that can be asked to do things."""

    disk: Disk

    @classmethod
    def make(cls, folder: Path, index: int = 0) -> "Box":
        """The fleet's host of that number, booted; transitions take a fifth of a second."""
        return cls.of(folder, describe(index + 1)[index])

    @classmethod
    def of_os(cls, folder: Path, key: str, *tools: str, name: str = "web-001") -> "Box":
        """A host of that system, as a script names it, with these live-patch tools."""
        machines = describe(4, mixed=True, script={"*": HostScript(os=key, tools=tools)})
        return cls.of(folder, next(machine for machine in machines if machine.name == name))

    @classmethod
    def of(cls, folder: Path, machine: Machine) -> "Box":
        """That host."""
        site = Site(folder=folder)
        site.prepare([machine])
        disk = site.disk(machine)
        disk.install()
        disk.boot()
        disk.set_faults(Faults(transition=0.2))
        return cls(disk=disk)

    def run(self, program: str, *arguments: str, stdin: str = "", account: Account | None = None) -> str:
        """Run a stand-in; its exit code and all that it said."""
        code, said = self.ask(program, *arguments, stdin=stdin, account=account)
        return f"{code}: {said.decode()}".strip()

    def ask(self, program: str, *arguments: str, stdin: str = "", account: Account | None = None) -> tuple[int, bytes]:
        """The same, with the bytes as they are."""
        done = subprocess.run(
            [self.disk.root / "stand-ins" / program, *arguments],
            env=self.disk.environment(account),
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout

    def give(self, program: str, text: str) -> None:
        """Give it a stand-in, and all hosts of its site that have the same tools."""
        file = self.disk.root / "stand-ins" / program
        file.write_text(text)
        file.chmod(0o755)

    def module(self, patch_id: str, *, of_host: int | None = None) -> str:
        """A file with that patch's module for this host's kernel, or for another host's."""
        machine = self.disk.machine if of_host is None else describe(of_host + 1)[of_host]
        patch = next(patch for patch in PATCHES if patch.id == patch_id)
        file = self.disk.root / "tmp" / f"{patch.module}.ko"
        file.write_bytes(module_bytes(patch, machine.kernel))
        return str(file)

    def insert(self, patch_id: str) -> str:
        """insmod it."""
        return self.run("insmod", self.module(patch_id))

    def enable(self, name: str, value: int) -> str:
        """Write to its `enabled`."""
        path = self.disk.root / "sys/kernel/livepatch" / name / "enabled"
        return self.run("tee", str(path), stdin=str(value)).replace(str(self.disk.root), "")

    def settle(self) -> tuple[str, ...]:
        """What is in force once no transition is under way."""
        eventually(lambda: self.disk.truth().in_transition is None)
        return self.disk.truth().in_force

    def sysfs(self, path: str) -> str:
        """The content of a file below /sys/kernel/livepatch; empty when it is not there."""
        return self.disk.read(f"sys/kernel/livepatch/{path}").strip()


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
