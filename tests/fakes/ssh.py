"""Hosts without SSH: a scripted `Transport` and `HostKeys` in memory."""

import threading
from collections.abc import Callable, Mapping, Sequence

from orchestrator.core.hosts import Host
from orchestrator.errors import ConnectTimedOut, JumpFailed
from orchestrator.ports.ssh import Command, Completed, PresentedKey

Script = Callable[[Host, Command], Completed]
"""What a host does with a command: answer, or raise a `HostError`."""


class FakeTransport:
    """A `Transport` whose hosts do what a function says. ``ran`` lists what was asked, by host name and in order."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._lock = threading.Lock()
        self.ran: list[tuple[str, Command]] = []
        self.forgotten: list[str] = []
        self.is_closed = False

    def run(self, host: Host, command: Command) -> Completed:
        with self._lock:
            self.ran.append((host.name, command))
        return self._script(host, command)

    def forget(self, host: Host) -> None:
        self.forgotten.append(host.name)

    def close(self) -> None:
        self.is_closed = True


class FakeHostKeys:
    """`HostKeys` in memory. ``presents`` says which key each host has; a host without one does not answer.

    ``jumps`` maps a host to its jump hosts: it answers once the right keys are pinned for all of them. ``asked`` keeps
    who was asked, in order.
    """

    def __init__(self, presents: Mapping[str, PresentedKey] | None = None) -> None:
        self._presents = dict(presents or {})
        self.jumps: dict[str, tuple[Host, ...]] = {}
        self.asked: list[str] = []
        self._pinned: dict[str, tuple[PresentedKey, ...]] = {}

    def pinned(self, name: str) -> tuple[PresentedKey, ...]:
        return self._pinned.get(name, ())

    def jump_hosts(self, host: Host) -> tuple[Host, ...]:
        return self.jumps.get(host.name, ())

    def present(self, host: Host) -> PresentedKey:
        self.asked.append(host.name)
        for jump in self.jump_hosts(host):
            if self._presents.get(jump.name) not in self.pinned(jump.name):
                raise JumpFailed(f"{host.name}: {jump.name} is not trusted")
        if host.name not in self._presents:
            raise ConnectTimedOut(f"{host.name}: nothing answered")
        return self._presents[host.name]

    def pin(self, name: str, keys: Sequence[PresentedKey]) -> None:
        self._pinned[name] = tuple(keys)


def answering(stdout: bytes = b"", *, stderr: bytes = b"", exit_status: int = 0) -> Script:
    """A script that always answers the same."""
    return lambda _host, _command: Completed(exit_status=exit_status, stdout=stdout, stderr=stderr)
