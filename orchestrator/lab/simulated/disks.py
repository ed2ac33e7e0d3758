"""The root folder of a simulated host: made once, booted as often as wanted, looked into for the truth."""

import shutil
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.kernels import shared_files, write_shared
from orchestrator.lab.simulated.machines import Account, Machine
from orchestrator.lab.simulated.processes import MARK

TASKS = {1: "systemd", 57: "kswapd0"}
"""The processes that a host is seen to have. The second one blocks a transition that stalls."""

STACK = "[<0>] kswapd_try_to_sleep+0x14c/0x2c0\n[<0>] kswapd+0x1b3/0x430\n[<0>] kthread+0xdd/0x100\n"
EMPTY_FOLDERS = ("run", "tmp", "root", "sys/kernel/livepatch", "etc/modules-load.d", "lab/faults", "lab/modules")


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a host is really like. ``in_force``: names of the modules whose code runs; ``enabled_count``: how often
    the kernel ever said "enabling patch", by module; ``disabled_count``: "unpatching complete", likewise."""

    in_force: tuple[str, ...]
    in_transition: str | None
    boot_id: str
    enabled_count: Mapping[str, int]
    disabled_count: Mapping[str, int]


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

    def prepare(self, tool_sets: Sequence[tuple[str, ...]]) -> None:
        """Write what hosts share: the files of each kernel, the stand-ins of each set of tools."""
        write_shared(self.folder / "kernels")
        for tools in sorted(set(tool_sets)):
            _write_stand_ins(self.stand_ins(tools), tools)

    def stand_ins(self, tools: tuple[str, ...]) -> Path:
        """Where the stand-ins of a set of tools are."""
        return self.folder / "stand-ins" / "-".join(tools)


def _tool(name: str) -> Traversable:
    return resources.files(__package__).joinpath("tools", name)


def _write_stand_ins(folder: Path, tools: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for tool in tools:
        for script in _tool(tool).iterdir():
            if script.name.endswith(".sh"):
                file = folder / script.name.removesuffix(".sh")
                file.write_text(script.read_text(encoding="utf-8"))
                file.chmod(0o755)


@dataclass(frozen=True, kw_only=True)
class Disk:
    """One host's root folder."""

    site: Site
    machine: Machine
    root: Path

    def write(self, path: str, text: str) -> None:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        """Read one; nothing where there is none."""
        try:
            return (self.root / path).read_text()
        except FileNotFoundError:
            return ""

    def install(self) -> None:
        """Make it, unless it is there already."""
        if (self.root / "lab").exists():
            return
        for folder in EMPTY_FOLDERS:
            (self.root / folder).mkdir(parents=True)
        self._link_shared()
        machine = self.machine
        self.write("etc/machine-id", f"{machine.machine_id}\n")
        self.write("etc/hostname", f"{machine.name}\n")
        self.write("sys/class/dmi/id/product_uuid", f"{machine.product_uuid}\n")
        self.write("lab/attributes", f"{' '.join(machine.kernel.attributes)}\n")
        self.write("lab/transition", f"{machine.transition_seconds}\n")
        self._write_account(machine.account)
        (self.root / f"lib/modules/{machine.kernel.release}/kernel").mkdir(parents=True)
        for tool in machine.tools:
            self._copy_state(_tool(tool).joinpath("state"), self.root)

    def _link_shared(self) -> None:
        shared = self.site.folder / "kernels" / self.machine.kernel.release
        links = {path: shared / path for path, _ in shared_files(self.machine.kernel)}
        links["stand-ins"] = self.site.stand_ins(self.machine.tools)
        links["lab/control"] = self.site.control
        for path, target in links.items():
            link = self.root / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)

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
        wanted = faults.files()
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
        """Everything in memory goes, /run too (it is a tmpfs); modules that are named to be loaded come back.

        Its processes have ended before.
        """
        for folder in ("run", "sys/kernel/livepatch", "lab/modules"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
            (self.root / folder).mkdir(parents=True)
        for entry in (*(self.root / "sys/module").iterdir(), self.root / "lab/lock", self.root / "lab/making"):
            if entry.name != "module":
                shutil.rmtree(entry, ignore_errors=True)
        self.write("proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
        self.write("proc/sys/kernel/tainted", "0\n")
        self.write("proc/modules", "ext4 1130496 1 - Live 0x0000000000000000\n")
        self.write("lab/dmesg", f"[    0.000000] Linux version {self.machine.kernel.release}\n")
        for pid, name in TASKS.items():
            self.write(f"proc/{pid}/task/{pid}/comm", f"{name}\n")
            self.write(f"proc/{pid}/task/{pid}/patch_state", "-1\n")
        self.write("proc/57/task/57/stack", STACK)
        self.set_uptime(0)
        self._load_persisted()

    def _load_persisted(self) -> None:
        """As systemd-modules-load(8) does."""
        for file in sorted((self.root / "etc/modules-load.d").glob("*.conf")):
            names = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
            for name in names:
                for module in (self.root / "lib/modules" / self.machine.kernel.release).rglob(f"{name}.ko"):
                    subprocess.run([self.root / "stand-ins/insmod", module], env=self.environment(), check=False)

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
        """What is really so, by the files that stand for the kernel."""
        states = {
            folder.name: tuple(self.read(f"sys/kernel/livepatch/{folder.name}/{name}").strip() for name in _STATE)
            for folder in sorted((self.root / "sys/kernel/livepatch").iterdir())
        }
        journal = self.read("lab/journal").splitlines()
        return Truth(
            in_force=tuple(name for name, state in states.items() if state == ("1", "0")),
            in_transition=next((name for name, state in states.items() if state[1] == "1"), None),
            boot_id=self.read("proc/sys/kernel/random/boot_id").strip(),
            enabled_count=_counted(journal, "livepatch: enabling patch '", "'"),
            disabled_count=_counted(journal, "livepatch: '", "': unpatching complete"),
        )


_STATE = ("enabled", "transition")


def _counted(journal: Sequence[str], before: str, after: str) -> Mapping[str, int]:
    return dict(
        Counter(
            line.removeprefix(before).removesuffix(after)
            for line in journal
            if line.startswith(before) and line.endswith(after)
        )
    )
