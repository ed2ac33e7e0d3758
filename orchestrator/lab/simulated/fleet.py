"""A simulated fleet: hosts that answer SSH on 127.0.x.y, with one event loop in a thread for all of them."""

import asyncio
import os
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from orchestrator.errors import InvalidInput, NotAvailable, NotFound
from orchestrator.lab.simulated.disks import Disk, Site
from orchestrator.lab.simulated.faults import Faults, faults_of, unmatched
from orchestrator.lab.simulated.keys import make_keys
from orchestrator.lab.simulated.machines import Machine, describe
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.lab.simulated.ssh_server import HostServer
from orchestrator.lab.simulated.truth import Truth

PORTS = range(2200, 2300)
SECONDS = 60.0
BOOTING_AT_ONCE = 8
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class SimulatedHost:
    """One host of a running fleet, for tests."""

    fleet: "SimulatedFleet"
    server: HostServer

    @property
    def machine(self) -> Machine:
        """What it is."""
        return self.server.disk.machine

    @property
    def root(self) -> Path:
        """Its root folder."""
        return self.server.disk.root

    def truth(self) -> Truth:
        """What it is really like."""
        return self.server.disk.truth()

    def reboot(self) -> None:
        """Cut its power; returns when it is up again, in another boot."""
        self.fleet.call(self.server.reboot())

    def set(self, **faults: object) -> None:
        """Give it exactly these faults."""
        self.fleet.call(self.server.set_faults(Faults.model_validate(faults)))

    def install_package(self, name: str, version: str) -> None:
        """An administrator installs it, in place of another version of it."""
        self.server.disk.install_package(name, version)

    def run_agents(self) -> None:
        """Its live-patch tools apply what their vendors offer, as they do on their own schedule."""
        self.server.disk.run_agents()

    def offer(self, level: int) -> None:
        """Its vendor offers so many patches for its kernel from now on."""
        self.server.disk.describe(level)


class SimulatedFleet:
    """A fleet in a folder. ``start`` and ``stop`` it, or use it in a ``with`` statement.

    ``faults``: by name or glob; a `HostScript` there also says what the host is. ``mixed``: see `describe`.
    """

    def __init__(
        self, folder: Path, *, hosts: int, mixed: bool = False, faults: Mapping[str, Faults] | None = None
    ) -> None:
        self.site = Site(folder=folder.absolute())
        self.machines: tuple[Machine, ...] = describe(hosts, mixed=mixed, script=faults)
        self.names: tuple[str, ...] = tuple(machine.name for machine in self.machines)
        self._faults = dict(faults or {})
        if strangers := unmatched(self._faults, self.names):
            raise InvalidInput(f"no host of the fleet is called {', '.join(strangers)}", field="faults")
        self.site.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keys = make_keys(self.site.folder, self.names)
        self.port = 0
        self._servers: dict[str, HostServer] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="simulated-fleet", daemon=True)
        self._control: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make and boot the hosts; returns when all of them answer."""
        self.site.prepare(self.machines)
        self._open_control()
        # What a fleet left behind that was killed.
        kill_below(self.site.hosts)
        self._servers = {machine.name: self._server(machine) for machine in self.machines}
        for server in self._servers.values():
            server.prepare()
        self._bring_back()
        self._thread.start()
        self.call(self._listen())

    def _bring_back(self) -> None:
        """What comes back at boot: processes to wait for, so some hosts at a time."""
        with ThreadPoolExecutor(BOOTING_AT_ONCE) as pool:
            list(pool.map(Disk.bring_back, (one.disk for one in self._servers.values() if one.disk.brings_back)))

    def stop(self) -> None:
        """Cut the power of all hosts."""
        if self._thread.is_alive():
            self.call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(SECONDS)
        self._loop.close()
        if self._control is not None:
            os.close(self._control)
            self._control = None

    def host(self, name: str) -> SimulatedHost:
        """The host of that name."""
        if name not in self._servers:
            raise NotFound(f"the simulated fleet has no host {name!r}; it has {', '.join(self.names[:5])} …")
        return SimulatedHost(fleet=self, server=self._servers[name])

    def truth(self) -> dict[str, Truth]:
        """What every host is really like."""
        return {machine.name: self.site.disk(machine).truth() for machine in self.machines}

    def call(self, doing: Coroutine[Any, Any, _Result]) -> _Result:
        """Do something in the fleet's event loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(SECONDS)

    def _server(self, machine: Machine) -> HostServer:
        return HostServer(
            disk=self.site.disk(machine),
            port=0,
            host_key=self.keys.hosts[machine.name],
            login_key=self.keys.login,
            faults=faults_of(machine.name, self._faults),
        )

    async def _listen(self) -> None:
        """All hosts on the same port: the first one that is free on each of their addresses."""
        self._loop.add_reader(self._opened_control(), self._read_control)
        failure = OSError()
        for port in _ports():
            try:
                for server in self._servers.values():
                    server.port = port
                    await server.listen()
            except OSError as exc:
                failure = exc
                for server in self._servers.values():
                    await server.close()
                continue
            self.port = port
            return
        raise NotAvailable(
            f"no port from {PORTS.start} to {PORTS.stop - 1} is free on all addresses of the fleet "
            f"({failure.strerror}); a simulated fleet needs the addresses 127.0.0.0/8, as Linux has them"
        ) from failure

    async def _close(self) -> None:
        self._loop.remove_reader(self._opened_control())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(server.close() for server in self._servers.values()))
        await asyncio.to_thread(kill_below, self.site.hosts)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)

    def _open_control(self) -> None:
        if not self.site.control.is_fifo():
            os.mkfifo(self.site.control, 0o600)
        # Read and write: it is never at its end, and whoever writes to it never waits for a reader.
        self._control = os.open(self.site.control, os.O_RDWR | os.O_NONBLOCK)

    def _opened_control(self) -> int:
        assert self._control is not None  # noqa: S101  start() opened it
        return self._control

    def _read_control(self) -> None:
        """Lines ``reboot NAME``: shorter than PIPE_BUF, so that each arrives whole (pipe(7))."""
        for line in os.read(self._opened_control(), 65_536).decode(errors="replace").splitlines():
            order, _, name = line.partition(" ")
            if order == "reboot" and name in self._servers:
                task = self._loop.create_task(self._servers[name].reboot())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


def _ports() -> Iterator[int]:
    """Each process begins elsewhere, so that none takes the port of another fleet's host that is down for a moment."""
    first = os.getpid() % len(PORTS)
    yield from PORTS[first:]
    yield from PORTS[:first]


@contextmanager
def simulated_fleet(
    *,
    hosts: int = 10,
    mixed: bool = False,
    faults: Mapping[str, Faults] | None = None,
    folder: Path | None = None,
) -> Iterator[SimulatedFleet]:
    """A fleet that runs, in this process, until the end of the ``with`` block; in a temporary folder by default."""
    place = folder or Path(tempfile.mkdtemp(prefix="patchwave-fleet-"))
    try:
        with SimulatedFleet(place, hosts=hosts, mixed=mixed, faults=faults) as fleet:
            yield fleet
    finally:
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
