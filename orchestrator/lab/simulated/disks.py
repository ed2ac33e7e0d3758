"""The root folder of a simulated host: made once, booted as often as wanted, looked into for the truth."""

import shutil
import subprocess
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.kernels import shared_paths, write_shared
from orchestrator.lab.simulated.machines import Account, Machine
from orchestrator.lab.simulated.processes import MARK
from orchestrator.lab.simulated.tool_folders import folder_of, write_stand_ins
from orchestrator.lab.simulated.truth import Truth, read_truth

TASKS = {1: "systemd", 57: "kswapd0"}
"""The processes that a host is seen to have. The second one blocks a transition that stalls."""

STACK = "[<0>] kswapd_try_to_sleep+0x14c/0x2c0\n[<0>] kswapd+0x1b3/0x430\n[<0>] kthread+0xdd/0x100\n"
EMPTY_FOLDERS = ("run", "tmp", "root", "sys/kernel", "etc/modules-load.d", "lab/faults", "lab/modules", "lab/tools")
IN_MEMORY = ("run", "sys/kernel/livepatch", "lab/modules", "lab/memory")
LOCKS = ("lab/lock", "lab/making", "lab/packages.lock")


_OFFERED = "level_offered"


@dataclass(frozen=True, kw_only=True)
class Site:
    """The folder of a fleet: what its hosts share, and a root folder for each."""

    folder: Path

    @property
    def control(self) -> Path:
        """The pipe on which hosts ask to be rebooted."""
        return self.folder / "control"

    @property
    def hosts(self) -> Path:
        """The root folders."""
        return self.folder / "hosts"

    def disk(self, machine: Machine) -> "Disk":
        """A host's root folder."""
        return Disk(site=self, machine=machine, root=self.hosts / machine.name)

    def prepare(self, machines: Iterable[Machine]) -> None:
        """Write what hosts share: the files of each kernel, the stand-ins of each set of tools."""
        machines = tuple(machines)
        write_shared(self.folder / "kernels", {machine.kernel for machine in machines})
        for tools in sorted({machine.tools for machine in machines}):
            write_stand_ins(self.stand_ins(tools), tools)

    def stand_ins(self, tools: tuple[str, ...]) -> Path:
        """Where the stand-ins of a set of tools are."""
        return self.folder / "stand-ins" / "-".join(tools)


@dataclass(frozen=True, kw_only=True)
class Disk:
    """One host's root folder."""

    site: Site
    machine: Machine
    root: Path

    def write(self, path: str, text: str) -> None:
        """Write a file below the root."""
        file = self.root / path
        try:
            file.write_text(text)
        except FileNotFoundError:
            file.parent.mkdir(parents=True)
            file.write_text(text)

    def read(self, path: str) -> str:
        """Read one; nothing where there is none."""
        try:
            return (self.root / path).read_text()
        except FileNotFoundError:
            return ""

    def install(self) -> None:
        """Make it, unless it is there already. One that another host was made of goes."""
        if not self._is_installed():
            self._make()
        self.describe(self.machine.offered)

    def _make(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in EMPTY_FOLDERS:
            (self.root / folder).mkdir(parents=True)
        self._link_shared()
        machine = self.machine
        self.write("etc/machine-id", f"{machine.machine_id}\n")
        self.write("etc/hostname", f"{machine.name}\n")
        self.write("sys/class/dmi/id/product_uuid", f"{machine.product_uuid}\n")
        self.write("lab/attributes", f"{' '.join(machine.kernel.attributes or ())}\n")
        self.write("lab/transition", f"{machine.transition_seconds}\n")
        self._write_account(machine.account)
        (self.root / f"lib/modules/{machine.kernel.release}/kernel").mkdir(parents=True, exist_ok=True)
        for tool in machine.tools:
            self._copy_state(folder_of(tool).joinpath("state"), self.root)

    def describe(self, offered: int) -> None:
        """Tell the stand-ins what the host is and how many patches its vendor offers.

        Written last: it says that the disk is whole.
        """
        self.write("lab/host.new", "".join(f"{key}={value}\n" for key, value in (*self._host(), (_OFFERED, offered))))
        (self.root / "lab/host.new").replace(self.root / "lab/host")

    def _host(self) -> Iterable[tuple[str, object]]:
        machine, kernel = self.machine, self.machine.kernel
        return (
            ("name", machine.name),
            ("number", machine.index),
            ("os", kernel.system.key),
            ("distribution", kernel.system.id),
            ("os_version", kernel.system.version),
            ("arch", "x86_64"),
            ("release", kernel.release),
            ("kernel_package", kernel.images[0][1].name),
            ("kernel_version", kernel.version),
            ("tools", " ".join(machine.tools)),
            ("tool_seconds", f"{machine.tool_seconds:.2f}"),
        )

    def _is_installed(self) -> bool:
        """Whether this very host is there: a script may have given it another system since."""
        written = self.read("lab/host").splitlines()
        return [f"{key}={value}" for key, value in self._host()] == written[:-1]

    def _link_shared(self) -> None:
        links = self._shared()
        links["stand-ins"] = self.site.stand_ins(self.machine.tools)
        links["lab/control"] = self.site.control
        for path, target in links.items():
            self._link(path, target)

    def _link(self, path: str, target: Path) -> None:
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)

    def _shared(self) -> dict[str, Path]:
        """What the host shares with others of its kernel, by path below the root."""
        shared = self.site.folder / "kernels" / self.machine.kernel.release
        return {path: shared / path for path in shared_paths(self.machine.kernel)}

    def _write_account(self, account: Account) -> None:
        if account.sudo is not None:
            self.write("lab/sudo", f"{account.sudo}\n")

    def _copy_state(self, source: Traversable, target: Path) -> None:
        """What a tool has on a host at first."""
        if source.is_dir():
            target.mkdir(exist_ok=True)
            for entry in source.iterdir():
                self._copy_state(entry, target / entry.name)
        elif source.is_file():
            target.write_bytes(source.read_bytes())

    def set_faults(self, faults: Faults) -> None:
        """Tell the stand-ins."""
        wanted = faults.files(time.time())
        for file in (self.root / "lab/faults").iterdir():
            if file.name not in wanted:
                file.unlink()
        for name, text in wanted.items():
            self.write(f"lab/faults/{name}", f"{text}\n")
        self._fill(full=faults.disk_full)

    def _fill(self, *, full: bool) -> None:
        """A full disk, for the account that root is too: the guard's folder cannot be made."""
        place = self.root / "run/patchwave"
        if full and not place.exists():
            place.write_text("")
        elif not full and place.is_file():
            place.unlink()

    def boot(self) -> None:
        """Everything in memory goes; what is named to be loaded comes back. Its processes have ended before."""
        self.power_on()
        self.bring_back()

    def power_on(self) -> None:
        """The first part of a boot: everything in memory goes, /run too (it is a tmpfs)."""
        self._forget()
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
        self.write("proc/sys/kernel/tainted", "0\n")
        self.write("proc/modules", "ext4 1130496 1 - Live 0x0000000000000000\n")
        self.write("lab/dmesg", f"[    0.000000] Linux version {self.machine.kernel.release}\n")
        for pid, name in TASKS.items():
            self.write(f"proc/{pid}/task/{pid}/comm", f"{name}\n")
            if self._supports_livepatch:
                self.write(f"proc/{pid}/task/{pid}/patch_state", "-1\n")
        self.write("proc/57/task/57/stack", STACK)
        self.set_uptime(0)

    def bring_back(self) -> None:
        """The second: modules that are named for systemd-modules-load(8), and what tools bring back."""
        for program, *arguments in self._at_boot():
            self._call(program, *arguments)

    def _at_boot(self) -> Iterator[tuple[str, ...]]:
        for file in sorted((self.root / "etc/modules-load.d").glob("*.conf")):
            names = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
            for name in names:
                for module in (self.root / "lib/modules" / self.machine.kernel.release).rglob(f"{name}.ko"):
                    yield "insmod", str(module)
        for tool in self.machine.tools:
            if (self.root / "lab/tools" / tool / "at_boot").exists():
                yield (f"_boot_{tool}",)

    @property
    def brings_back(self) -> bool:
        """Whether there is anything to bring back."""
        return any(True for _ in self._at_boot())

    @property
    def _supports_livepatch(self) -> bool:
        return self.machine.kernel.attributes is not None

    def _forget(self) -> None:
        """What a power cut takes."""
        for folder in IN_MEMORY:
            shutil.rmtree(self.root / folder, ignore_errors=True)
            if folder != "sys/kernel/livepatch" or self._supports_livepatch:
                (self.root / folder).mkdir(parents=True)
        for entry in (*(self.root / "sys/module").iterdir(), *(self.root / lock for lock in LOCKS)):
            if entry.name != "module":
                shutil.rmtree(entry, ignore_errors=True)
        for truth in (self.root / "lab/tools").glob("*/truth"):
            truth.unlink()
        self._restore_kernel_files()

    def _restore_kernel_files(self) -> None:
        """What a live patch changed in /proc or /sys is as the kernel booted it."""
        for path, target in self._shared().items():
            link = self.root / path
            if path.startswith(("proc/", "sys/")) and not link.is_symlink():
                link.unlink(missing_ok=True)
                self._link(path, target)

    def run_agents(self) -> None:
        """The tools' own agents have their turn: each applies what is offered, unless it is pinned."""
        for tool in self.machine.tools:
            self._call(f"_agent_{tool}")

    def install_package(self, name: str, version: str) -> None:
        """An administrator installs it, in place of another version of it. It is its own source package."""
        self._call("_install_package", name, version)

    def _call(self, program: str, *arguments: str) -> None:
        """Run a stand-in as the machine itself, if the host has it."""
        file = self.root / "stand-ins" / program
        if file.exists():
            subprocess.run(
                [file, *arguments],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

    def set_uptime(self, seconds: float) -> None:
        """What /proc/uptime says from now on."""
        self.write("lab/uptime", f"{seconds:.2f} {seconds * 0.9:.2f}\n")
        # Another command may be reading it.
        (self.root / "lab/uptime").replace(self.root / "proc/uptime")

    def environment(self, account: Account | None = None) -> dict[str, str]:
        """The environment of a login; without an account that of the machine itself."""
        is_root = account is None or account.is_root
        return {
            MARK: str(self.root),
            "PATCHWAVE_ROOT": str(self.root),
            "SIMULATED_UID": "0" if is_root else "1000",
            "SIMULATED_USER": "root" if account is None else account.user,
            "HOME": str(self.root / "root"),
            "PATH": f"{self.root}/stand-ins:/usr/local/bin:/usr/bin:/bin",
        }

    def truth(self) -> Truth:
        """What is really so."""
        return read_truth(self.root)
