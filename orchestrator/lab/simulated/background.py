"""A simulated fleet as a process of its own: started, looked at, and stopped by its process id and start time."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from orchestrator.core.model import Frozen
from orchestrator.errors import Conflict, NotAvailable
from orchestrator.lab import processes
from orchestrator.lab.simulated.disks import Site
from orchestrator.lab.simulated.faults import faults_of
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.keys import Keys, make_keys
from orchestrator.lab.simulated.machines import Machine, describe
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.lab.simulated.script import HostScript
from orchestrator.lab.simulated.truth import Truth

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Order(Frozen):
    """Which fleet is wanted: what `SimulatedFleet` wants to know."""

    hosts: int
    mixed: bool
    script: dict[str, HostScript] = Field(default_factory=dict)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Its hosts."""
        return describe(self.hosts, mixed=self.mixed, script=self.script)


class Running(Frozen):
    """What the process of a fleet writes down once its hosts answer. ``started``: clock ticks, see `start_ticks`."""

    pid: int
    started: int
    port: int
    order: Order

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return processes.is_alive(self.pid, self.started)


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """One host as ``lab status`` shows it. ``tools``: its live-patch tools beside the kernel's own; ``in_force``: names
    of modules, and what other tools have in force behind their names."""

    name: str
    address: str
    port: int
    user: str
    os: str
    kernel: str
    tools: tuple[str, ...]
    in_force: tuple[str, ...]
    faults: tuple[str, ...]


def read(folder: Path) -> Running | None:
    """The process that was last started for that folder, alive or not; None if there is none."""
    try:
        return Running.model_validate_json((folder / "process.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as exc:
        raise NotAvailable(
            f"{folder / 'process.json'}: not written by this version of the lab, remove it: {exc}"
        ) from exc


def up(folder: Path, order: Order) -> tuple[Running, Keys]:
    """Start the fleet, unless it runs; returns when all its hosts answer. Raises `Conflict` if another one runs there.

    Hosts that were there before come back as after a power cut.
    """
    names = [machine.name for machine in order.machines]
    running = read(folder)
    if running is None or not running.is_alive:
        running = _start(folder, order)
    elif running.order != order:
        raise Conflict(
            f"a fleet of {running.order.hosts} hosts is up in this home: `lab down` first, or ask for the same"
        )
    return running, make_keys(folder, names)


def _start(folder: Path, order: Order) -> Running:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "process.json").unlink(missing_ok=True)
    argv = (sys.executable, "-m", __name__, str(folder), order.model_dump_json(exclude_defaults=True))
    # It lets go of its stdout when its hosts answer, or when it ends.
    with (folder / "server.log").open("ab") as log, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            timeout=START_SECONDS,
            check=False,
        )
    running = read(folder)
    if running is None:
        raise NotAvailable(f"the simulated fleet did not start: {_last_lines(folder / 'server.log')}")
    return running


def _last_lines(log: Path) -> str:
    return "; ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"


def down(folder: Path) -> int:
    """Stop the fleet of that folder and whatever its hosts ran. Its disks stay. Returns how many hosts there were."""
    running = read(folder)
    if running is None:
        return 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        processes.end(running.pid, running.started, number, seconds=STOP_SECONDS)
    kill_below(Site(folder=folder.absolute()).hosts)
    (folder / "process.json").unlink(missing_ok=True)
    return running.order.hosts


def status(folder: Path) -> tuple[HostStatus, ...]:
    """The hosts of a fleet that runs, with what is really in force there; none when it is down."""
    running = read(folder)
    if running is None or not running.is_alive:
        return ()
    site = Site(folder=folder.absolute())
    return tuple(_status(machine, running, site.disk(machine).truth()) for machine in running.order.machines)


def _status(machine: Machine, running: Running, truth: Truth) -> HostStatus:
    told = faults_of(machine.name, running.order.script).model_dump(
        exclude_defaults=True, exclude={"os", "tools", "offers"}
    )
    return HostStatus(
        name=machine.name,
        address=machine.address,
        port=running.port,
        user=machine.account.user,
        os=machine.kernel.system.key,
        kernel=machine.kernel.release,
        tools=tuple(name for name in machine.tools if name in machine.vendor_tools),
        in_force=(*truth.in_force, *_told_by_tools(truth)),
        faults=tuple(told),
    )


def _told_by_tools(truth: Truth) -> Iterator[str]:
    """``kernelcare level 2``, ``ksplice aaaa1111``: what sysfs does not show."""
    for tool, told in truth.tools.items():
        if told.level is not None:
            yield f"{tool} level {told.level}"
        yield from (f"{tool} {name}" for name, _ in told.patches if name not in truth.in_force)


def main(folder: Path, order: Order) -> None:
    """Run a fleet, in a process that belongs to nobody, until a signal ends it."""
    if os.fork() != 0:
        os._exit(0)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    fleet = SimulatedFleet(folder, hosts=order.hosts, mixed=order.mixed, faults=order.script)
    with _alone(folder), fleet:
        _write_down(folder, fleet, order)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        ended.wait()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes must not play the same hosts."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise Conflict(f"another process runs the fleet of {folder}") from exc
        yield


def _write_down(folder: Path, fleet: SimulatedFleet, order: Order) -> None:
    """A process knows its own start."""
    running = Running(pid=os.getpid(), started=processes.start_ticks(os.getpid()) or 0, port=fleet.port, order=order)
    new = folder / ".process.json.new"
    new.write_text(running.model_dump_json(exclude_defaults=True))
    new.replace(folder / "process.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Order.model_validate_json(sys.argv[2]))
