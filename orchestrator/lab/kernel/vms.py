"""One machine as a QEMU process: its command line, starting it, and stopping exactly it."""

import json
import signal
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator.errors import NotAvailable
from orchestrator.lab import processes
from orchestrator.lab.kernel.programs import run

ACCEL = "tcg,thread=multi"
"""Emulation: works wherever QEMU does. ``PATCHWAVE_LAB_ACCEL=kvm`` is faster where KVM works."""

MEMORY_MB = 384
LOOPBACK = "127.0.0.1"
PORTS = range(22000, 32000)
"""Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range)."""

STOP_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine boots. ``command_line`` is the kernel's."""

    name: str
    release: str
    vmlinux: Path
    initrd: Path
    disk: Path
    machine_id: str
    command_line: str


@dataclass(frozen=True, kw_only=True)
class Process:
    """A QEMU that we started. ``started``: clock ticks, see `start_ticks`."""

    name: str
    pid: int
    started: int
    port: int
    release: str
    disk: str

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return processes.is_alive(self.pid, self.started)


def qemu_command(
    machine: Machine, *, overlay: Path, console: Path, pid_file: Path, port: int, accel: str
) -> tuple[str, ...]:
    """The argv of the machine's QEMU. It returns once the ports are bound; the console log is appended to."""
    return (
        "qemu-system-x86_64",
        *("-name", machine.name, "-uuid", str(uuid.UUID(machine.machine_id))),
        *("-M", "q35", "-accel", accel, "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MB)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-daemonize", "-pidfile", str(pid_file)),
        *("-kernel", str(machine.vmlinux), "-initrd", str(machine.initrd), "-append", machine.command_line),
        *("-chardev", f"file,id=console,path={_escaped(console)},append=on", "-serial", "chardev:console"),
        *("-drive", f"file={_escaped(overlay)},if=virtio,format=qcow2,cache=unsafe"),
        *("-netdev", f"user,id=n0,hostfwd=tcp:{LOOPBACK}:{port}-:22", "-device", "virtio-net-pci,netdev=n0,romfile="),
    )


def _escaped(path: Path) -> str:
    """A comma ends an option of QEMU unless it is doubled."""
    return str(path).replace(",", ",,")


def console_file(folder: Path) -> Path:
    """Everything that the machine in that folder ever wrote to its serial console."""
    return folder / "console.log"


def read(folder: Path) -> Process | None:
    """The process that was last started for that folder, alive or not; None if there was none."""
    try:
        return Process(**json.loads((folder / "process.json").read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise NotAvailable(
            f"{folder / 'process.json'}: not written by this version of the lab, remove it: {exc}"
        ) from exc


def start(machine: Machine, folder: Path, *, environ: Mapping[str, str], ports: Iterable[int]) -> Process:
    """Start the machine with the disk it had, or a fresh one, on the first of ``ports`` that is free.

    The caller holds the lock on ports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    overlay, pid_file = folder / "disk.qcow2", folder / "qemu.pid"
    if not overlay.exists():
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", machine.disk, "-F", "raw", overlay)
    port = next(filter(is_free, ports), None)
    if port is None:
        raise NotAvailable(f"{machine.name}: no port to listen on is free")
    accel = environ.get("PATCHWAVE_LAB_ACCEL") or ACCEL
    run(
        *qemu_command(machine, overlay=overlay, console=console_file(folder), pid_file=pid_file, port=port, accel=accel)
    )
    process = _process(machine, int(pid_file.read_text()), port)
    (folder / "process.json").write_text(json.dumps(asdict(process)))
    return process


def _process(machine: Machine, pid: int, port: int) -> Process:
    started = processes.start_ticks(pid)
    if started is None:
        raise NotAvailable(f"{machine.name}: QEMU ended at once")
    return Process(
        name=machine.name, pid=pid, started=started, port=port, release=machine.release, disk=str(machine.disk)
    )


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def stop(process: Process) -> None:
    """End that process, politely first; what it was is still there afterwards in its folder."""
    if not _end(process, signal.SIGTERM):
        kill(process)


def kill(process: Process) -> None:
    """Cut the power: what the guest had not written to its disk is lost."""
    if not _end(process, signal.SIGKILL):
        raise NotAvailable(f"{process.name}: QEMU, process {process.pid}, does not end")


def _end(process: Process, number: signal.Signals) -> bool:
    return processes.end(process.pid, process.started, number, seconds=STOP_SECONDS)


def discard(folder: Path) -> None:
    """Forget the machine's disk and process; its console log stays."""
    for name in ("disk.qcow2", "process.json", "qemu.pid"):
        (folder / name).unlink(missing_ok=True)


def answers(port: int, *, seconds: float) -> bool:
    """Whether an SSH server greets at that port. QEMU accepts connections long before the guest does."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def patience() -> Iterator[float]:
    """For how many seconds to wait for a greeting, try after try.

    Longer every time: sshd starts a process for every caller, and on an emulated processor that is busy, callers who
    leave early and call again at once would keep it from ever greeting anybody.
    """
    seconds = 2.0
    while True:
        yield seconds
        seconds = min(seconds * 1.5, 15.0)
