"""The kernel lab as a whole: built, started, described to Patchwave, and taken down again."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import NotAvailable, NotFound
from orchestrator.lab.kernel import archive, handover, vms
from orchestrator.lab.kernel.cache import Cache, cache_root
from orchestrator.lab.kernel.demo import write_catalogue
from orchestrator.lab.kernel.guest import Init
from orchestrator.lab.kernel.image import image
from orchestrator.lab.kernel.kernels import Kernel, kernel
from orchestrator.lab.kernel.keys import client_key
from orchestrator.lab.kernel.modules import modules
from orchestrator.lab.kernel.programs import PACKAGES, demand

DEFAULT_NAMES = ("lab-a", "lab-b", "lab-c")

BUILDS = 2
"""Kernel builds in the fleet, where the archive has that many."""

BOOT_SECONDS = 300.0
"""Until sshd must answer. On an idle machine it takes a twentieth of that."""

Progress = Callable[[str], None]


def silent(message: str) -> None:
    """Progress that nobody reads."""
    del message


@dataclass(frozen=True, kw_only=True)
class LabVm:
    """One machine. ``build_id``: its kernel's, as in /sys/kernel/notes; ``known_hosts``: its lines of that file."""

    name: str
    init: Init
    release: str
    version: str
    build_id: str
    machine: vms.Machine
    folder: Path
    known_hosts: tuple[str, ...]

    @property
    def console(self) -> Path:
        """The log of its serial console, across reboots."""
        return vms.console_file(self.folder)

    @property
    def process(self) -> vms.Process:
        """Its QEMU, alive or not."""
        process = vms.read(self.folder)
        if process is None:
            raise NotAvailable(f"{self.name} was never started")
        return process


@dataclass(frozen=True, kw_only=True)
class VmStatus:
    """What the state files and the process table say of one machine."""

    name: str
    pid: int
    alive: bool
    kernel: str
    port: int
    console: Path


@dataclass(frozen=True, kw_only=True)
class LabFleet:
    """A lab that is up. ``login``: the private key for root, deploy and carol on every machine."""

    home: Path
    vms: tuple[LabVm, ...]
    login: Path
    cache: Cache
    environ: Mapping[str, str]

    @property
    def inventory(self) -> Path:
        """The inventory file of the lab."""
        return handover.inventory_file(self.home)

    @property
    def known_hosts(self) -> Path:
        """Where the machines' host keys are pinned."""
        return handover.known_hosts_file(self.home)

    @property
    def catalogue(self) -> Path:
        """The folder with the demo patches' ``ID.yaml`` and modules."""
        return catalogue_folder(self.home)

    def vm(self, name: str) -> LabVm:
        """The machine of that name."""
        for vm in self.vms:
            if vm.name == name:
                return vm
        raise NotFound(f"the lab has no machine {name!r}; it has {', '.join(vm.name for vm in self.vms)}")

    def console(self, name: str) -> Path:
        """The console log of that machine."""
        return self.vm(name).console

    def restart(self, name: str) -> None:
        """Cut the machine's power and start it with the disk and port that it had; returns when sshd answers."""
        vm = self.vm(name)
        process = vm.process
        vms.kill(process)
        self.start(vm, ports=(process.port,))
        self.wait(vm)

    def start(self, vm: LabVm, *, ports: Iterable[int]) -> None:
        """Start a machine that does not run, on the first of ``ports`` that is free."""
        with self.cache.lock("ports"):
            vms.start(vm.machine, vm.folder, environ=self.environ, ports=ports)

    def wait(self, vm: LabVm) -> None:
        """Return when the machine's sshd answers; `NotAvailable` with the end of its console when it does not."""
        deadline = time.monotonic() + BOOT_SECONDS
        process = vm.process
        for seconds in vms.patience():
            if vms.answers(process.port, seconds=seconds):
                return
            if not process.is_alive or time.monotonic() > deadline:
                raise NotAvailable(f"{vm.name} did not come up: {_last_console_lines(vm.console)}")
            time.sleep(0.2)

    def hand_over(self, home: Path) -> None:
        """Describe the lab in a home: its inventory file and its pins."""
        lines = tuple(line for vm in self.vms for line in vm.known_hosts)
        handover.write_known_hosts(home, lines)
        handover.write_inventory(home, [(vm.name, vm.process.port) for vm in self.vms], self.login)

    def ssh(self, name: str, *, user: str = "root") -> tuple[str, ...]:
        """The start of an OpenSSH command line for that machine; what to run there follows."""
        options = {
            "UserKnownHostsFile": str(self.known_hosts),
            "StrictHostKeyChecking": "yes",
            "HostKeyAlias": name,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "LogLevel": "ERROR",
        }
        words = [word for option in options.items() for word in ("-o", "=".join(option))]
        port = str(self.vm(name).process.port)
        return ("ssh", "-F", "none", *words, "-i", str(self.login), "-p", port, f"{user}@{vms.LOOPBACK}")


def state_folder(home: Path) -> Path:
    """What the lab keeps in a home."""
    return home / "lab" / "kernel"


def catalogue_folder(home: Path) -> Path:
    """Where the demo patches of a home lie."""
    return state_folder(home) / "catalogue"


def up(
    home: Path,
    *,
    names: Sequence[str] = DEFAULT_NAMES,
    progress: Progress = silent,
    environ: Mapping[str, str] | None = None,
) -> LabFleet:
    """Build what is missing, start what does not run, wait until every machine can be logged in to.

    Machines that run keep running; those that ended come back with their disks. Writes the inventory, the pins and
    the catalogue of demo patches into ``home``.
    """
    _demand_root()
    demand(PACKAGES)
    fleet = _prepare(home.absolute(), tuple(names), progress, os.environ if environ is None else environ)
    for vm in fleet.vms:
        _start_if_needed(fleet, vm, progress)
    with ThreadPoolExecutor(len(fleet.vms)) as pool:
        for vm, _ in zip(fleet.vms, pool.map(fleet.wait, fleet.vms), strict=True):
            progress(f"{vm.name} answers on port {vm.process.port}: {vm.release}, {vm.init} init")
    fleet.hand_over(fleet.home)
    return fleet


def down(home: Path) -> tuple[str, ...]:
    """Stop the machines of this home, whatever started them; their disks go, console logs stay. Returns their names."""
    stopped = []
    for folder in _machine_folders(home):
        if (process := vms.read(folder)) is not None:
            vms.stop(process)
            vms.discard(folder)
            stopped.append(process.name)
    handover.inventory_file(home).unlink(missing_ok=True)
    return tuple(stopped)


def status(home: Path) -> tuple[VmStatus, ...]:
    """The machines of this home that were started and not taken down."""
    processes = [(folder, vms.read(folder)) for folder in _machine_folders(home)]
    return tuple(
        VmStatus(
            name=process.name,
            pid=process.pid,
            alive=process.is_alive,
            kernel=process.release,
            port=process.port,
            console=vms.console_file(folder),
        )
        for folder, process in processes
        if process is not None
    )


def init_of(position: int, count: int) -> Init:
    """The last machine has systemd, the others start fast. A single machine is the last one."""
    return Init.SYSTEMD if position == count - 1 else Init.TINY


def _demand_root() -> None:
    if os.geteuid() != 0:
        raise NotAvailable("the kernel lab needs root: debootstrap does, and a file system whose files have owners")


def _machine_folders(home: Path) -> list[Path]:
    return sorted((state_folder(home.absolute()) / "vms").glob("*/"))


def _prepare(home: Path, names: tuple[str, ...], progress: Progress, environ: Mapping[str, str]) -> LabFleet:
    cache = Cache(root=cache_root(environ), say=progress)
    kernels = [kernel(cache, package) for package in archive.choose(archive.available_kernels(), builds=BUILDS)]
    write_catalogue(catalogue_folder(home), [(built, modules(cache, built)) for built in kernels])
    described = [
        _describe(cache, home, name, kernels[position % len(kernels)], init_of(position, len(names)))
        for position, name in enumerate(names)
    ]
    login = handover.write_login(state_folder(home), client_key(cache))
    return LabFleet(home=home, vms=tuple(described), login=login, cache=cache, environ=environ)


def _describe(cache: Cache, home: Path, name: str, built: Kernel, init: Init) -> LabVm:
    disk = image(cache, name, built, init)
    machine = vms.Machine(
        name=name,
        release=built.release,
        vmlinux=built.vmlinux,
        initrd=built.initrd,
        disk=disk.disk,
        machine_id=disk.machine_id,
        command_line=kernel_command_line(name),
    )
    return LabVm(
        name=name,
        init=init,
        release=built.release,
        version=built.version,
        build_id=built.build_id,
        machine=machine,
        folder=state_folder(home) / "vms" / name,
        known_hosts=disk.known_hosts,
    )


def kernel_command_line(name: str) -> str:
    """What a machine boots with: the demo secret, and a console log with the kernel's notices, which tell of live
    patches, but without its chatter (console_loglevel, Documentation/core-api/printk-basics.rst)."""
    return f"console=ttyS0 loglevel=6 root=/dev/vda rw net.ifnames=0 lab_secret=hunter2-{name}"


def _start_if_needed(fleet: LabFleet, vm: LabVm, progress: Progress) -> None:
    """A machine whose disk was built anew starts afresh: its catalogue would not fit it any more."""
    process = vms.read(vm.folder)
    if process is not None and process.disk != str(vm.machine.disk):
        vms.stop(process)
        vms.discard(vm.folder)
        process = None
    if process is None or not process.is_alive:
        progress(f"starting {vm.name}")
        fleet.start(vm, ports=(*([process.port] if process else ()), *vms.PORTS))


def _last_console_lines(console: Path) -> str:
    text = console.read_text(errors="replace") if console.exists() else ""
    return " | ".join(line.strip() for line in text.splitlines()[-5:] if line.strip()) or "its console is empty"
