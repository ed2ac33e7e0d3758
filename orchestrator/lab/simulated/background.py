"""A simulated fleet as a process of its own: started, looked at, and stopped by its process id and start time."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import Conflict, NotAvailable
from orchestrator.lab.kernel.vms import start_ticks
from orchestrator.lab.simulated.disks import Site
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.fleet import SimulatedFleet
from orchestrator.lab.simulated.keys import Keys, make_keys
from orchestrator.lab.simulated.machines import Machine, describe
from orchestrator.lab.simulated.processes import kill_below

START_SECONDS = 60.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """What the process of a fleet writes down once its hosts answer. ``started``: clock ticks, see `start_ticks`."""

    pid: int
    started: int
    port: int
    hosts: int
    faults: dict[str, dict[str, object]]

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return start_ticks(self.pid) == self.started

    @property
    def machines(self) -> tuple[Machine, ...]:
        """Its hosts."""
        return describe(self.hosts)


@dataclass(frozen=True, kw_only=True)
class HostStatus:
    """One host as ``lab status`` shows it."""

    name: str
    address: str
    port: int
    user: str
    kernel: str
    in_force: tuple[str, ...]
    faults: tuple[str, ...]


def read(folder: Path) -> Running | None:
    """The process that was last started for that folder, alive or not; None if there is none."""
    try:
        return Running(**json.loads((folder / "process.json").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise NotAvailable(
            f"{folder / 'process.json'}: not written by this version of the lab, remove it: {exc}"
        ) from exc


def up(folder: Path, *, hosts: int, faults: Mapping[str, Faults]) -> tuple[Running, Keys]:
    """Start the fleet, unless it runs; returns when all its hosts answer. Raises `Conflict` if another one runs there.

    Hosts that were there before come back as after a power cut.
    """
    machines = describe(hosts)
    told = {name: one.model_dump(exclude_defaults=True) for name, one in faults.items()}
    running = read(folder)
    if running is None or not running.is_alive:
        running = _start(folder, hosts, told)
    elif (running.hosts, running.faults) != (hosts, told):
        raise Conflict(f"a fleet of {running.hosts} hosts is up in this home: `lab down` first, or ask for the same")
    return running, make_keys(folder, [machine.name for machine in machines])


def _start(folder: Path, hosts: int, faults: Mapping[str, Mapping[str, object]]) -> Running:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "process.json").unlink(missing_ok=True)
    argv = (sys.executable, "-m", __name__, str(folder), str(hosts), json.dumps(faults))
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
        _end(running, number)
    kill_below(Site(folder=folder.absolute()).hosts)
    (folder / "process.json").unlink(missing_ok=True)
    return running.hosts


def _end(running: Running, number: signal.Signals) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    if running.is_alive:
        os.kill(running.pid, number)
    while running.is_alive and time.monotonic() < deadline:
        time.sleep(0.05)


def status(folder: Path) -> tuple[HostStatus, ...]:
    """The hosts of a fleet that runs, with what is really in force there; none when it is down."""
    running = read(folder)
    if running is None or not running.is_alive:
        return ()
    site = Site(folder=folder.absolute())
    return tuple(
        HostStatus(
            name=machine.name,
            address=machine.address,
            port=running.port,
            user=machine.account.user,
            kernel=machine.kernel.release,
            in_force=site.disk(machine).truth().in_force,
            faults=tuple(running.faults.get(machine.name, {})),
        )
        for machine in running.machines
    )


def main(folder: Path, hosts: int, faults: Mapping[str, Faults]) -> None:
    """Run a fleet, in a process that belongs to nobody, until a signal ends it."""
    if os.fork() != 0:
        os._exit(0)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    with _alone(folder), SimulatedFleet(folder, hosts=hosts, faults=faults) as fleet:
        _write_down(folder, fleet, faults)
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


def _write_down(folder: Path, fleet: SimulatedFleet, faults: Mapping[str, Faults]) -> None:
    """A process knows its own start."""
    running = Running(
        pid=os.getpid(),
        started=start_ticks(os.getpid()) or 0,
        port=fleet.port,
        hosts=len(fleet.machines),
        faults={name: one.model_dump(exclude_defaults=True) for name, one in faults.items()},
    )
    new = folder / ".process.json.new"
    new.write_text(json.dumps(asdict(running)))
    new.replace(folder / "process.json")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        int(sys.argv[2]),
        {name: Faults.model_validate(one) for name, one in json.loads(sys.argv[3]).items()},
    )
