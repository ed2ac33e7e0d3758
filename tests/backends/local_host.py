"""One host of files: the real guard scripts run below a folder, with stand-ins for what would change a kernel."""

import hashlib
import os
import shutil
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from orchestrator.backends.base import Work
from orchestrator.core.attempts import Action, Attempt
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, PatchState
from orchestrator.core.hosts import Host
from orchestrator.core.patches import Build, Fix, Patch
from orchestrator.ports.ssh import Command, Completed, Reply

RELEASE = "6.1.0-test"
KERNEL_BUILD = "ab" * 20
BOOT_ID = "11111111-2222-3333-4444-555555555555"
SHELLS = ("dash", "busybox", "bash")
STAND_INS = Path(__file__).parent / "stand_ins"
APPLETS = ("head", "od", "tr", "sha256sum", "mv", "ln", "readlink", "wc", "tail", "cut", "sed", "sleep", "mkdir", "rm")
MORE_APPLETS = ("cp", "chmod", "sync", "setsid", "rmdir", "cat")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def note(build_id: str) -> bytes:
    """A GNU build id note (elf(5)), little-endian."""
    raw = bytes.fromhex(build_id)
    return b"\x04\0\0\0" + len(raw).to_bytes(4, "little") + b"\x03\0\0\0GNU\0" + raw


def module_bytes(name: str, module_build: str, padding: int = 100_000) -> bytes:
    """A module as the stand-in of insmod reads it, as large as a small real one."""
    return f"NAME={name}\nBUILD={module_build}\n".encode() + b"\n" * padding


def make_build(name: str, module_build: str, *, padding: int = 100_000) -> Build:
    """The catalogue's record of such a module."""
    module = module_bytes(name, module_build, padding)
    return Build(
        module=f"{name}.ko",
        kernel=RELEASE,
        build_id=KERNEL_BUILD,
        sha256=hashlib.sha256(module).hexdigest(),
        name=name,
        module_build_id=module_build,
        size=len(module),
    )


BUILD = make_build("lab_0001", "01" * 20)
PATCH = Patch(id="LAB-0001", summary="one", fixes=(Fix(cve="CVE-2099-0001"),), builds=(BUILD,), added_at=NOW)


def make_work(action: Action = Action.APPLY, attempt: str = "A1", **changes: object) -> Work:
    """One attempt, ready to be sent."""
    values: dict[str, object] = {
        "attempt": make_attempt(action, attempt),
        "controller": "controller-1",
        "patch": PATCH,
        "payload": BUILD,
        "module": b"" if action is Action.REVERT else module_bytes("lab_0001", "01" * 20),
        "ours": (),
        "limit_seconds": 2,
    }
    return Work.model_validate(values | changes)


def make_attempt(action: Action = Action.APPLY, attempt: str = "A1") -> Attempt:
    """An intent for the fake host's boot."""
    return Attempt(
        id=attempt,
        rollout_id="R1",
        host_id="H1",
        host="web1",
        action=action,
        patch_id="LAB-0001",
        build_sha256=BUILD.sha256,
        boot_id=BOOT_ID,
        intent_at=NOW,
    )


class LocalHost:
    """A folder that is a host. ``run`` is `Transport.run` with a real shell on this machine."""

    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.host = Host(name="web1", address="web1")
        self.shell = shell
        self._prepare()

    def _prepare(self) -> None:
        shutil.copytree(STAND_INS, self.root / "stand-ins")
        for folder in ("sys/kernel/livepatch", "sys/module", "proc/sys/kernel/random", "run", "faults", "etc"):
            (self.root / folder).mkdir(parents=True)
        self.write("proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
        self.write("proc/sys/kernel/osrelease", RELEASE + "\n")
        (self.root / "sys/kernel/notes").write_bytes(b"\x04\0\0\0\x04\0\0\0\x01\0\0\0Xen\0abcd" + note(KERNEL_BUILD))
        program = shutil.which(self.shell)
        assert program is not None
        (self.root / "stand-ins/sh").symlink_to(program)
        if self.shell == "busybox":
            for applet in (*APPLETS, *MORE_APPLETS):
                (self.root / "stand-ins" / applet).symlink_to(program)

    def write(self, path: str, text: str) -> None:
        """Write a file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path: str) -> str:
        """Read one; nothing where there is none."""
        file = self.root / path
        return file.read_text() if file.is_file() else ""

    def fault(self, name: str, text: str) -> None:
        """Ask a stand-in for a fault."""
        self.write(f"faults/{name}", text)

    def load(self, name: str, module_build: str, *, transition: str = "0") -> None:
        """Put a live patch there that somebody else loaded."""
        self.write(f"sys/kernel/livepatch/{name}/enabled", "1\n")
        self.write(f"sys/kernel/livepatch/{name}/transition", f"{transition}\n")
        self.load_module(name, module_build)

    def load_module(self, name: str, module_build: str) -> None:
        """Put a module there, without a live patch in force."""
        self.write(f"sys/module/{name}/notes/x", "")
        (self.root / f"sys/module/{name}/notes/.note.gnu.build-id").write_bytes(note(module_build))

    def enabling_lines(self) -> int:
        """How often the kernel enabled a patch, by its log."""
        return self.read("kernel.log").count("livepatch: enabling patch")

    def worker_pid(self, attempt: str = "A1") -> int | None:
        """The worker's pid, once it has claimed the attempt."""
        text = self.read(f"run/patchwave/{attempt}/pid").strip()
        return int(text) if text else None

    def kill_worker(self, attempt: str = "A1") -> None:
        """SIGKILL, and wait until it is gone."""
        pid = self.worker_pid(attempt)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not lives(pid))

    def reboot(self) -> None:
        """Everything in memory goes; /run is a tmpfs."""
        for file in (self.root / "run").glob("patchwave/*/pid"):
            pid = int(file.read_text())
            if lives(pid):
                os.killpg(pid, signal.SIGKILL)
                eventually(lambda pid=pid: not lives(pid))
        for folder in ("run/patchwave", "sys/kernel/livepatch", "sys/module"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
        (self.root / "sys/kernel/livepatch").mkdir()
        (self.root / "sys/module").mkdir()
        self.write("proc/sys/kernel/random/boot_id", "99999999-2222-3333-4444-555555555555\n")

    def run(self, host: Host, command: Command) -> Completed:
        """Run it with this host's shell."""
        return complete(self._popen(command), command)

    def _popen(self, command: Command) -> "subprocess.Popen[bytes]":
        environment = {"PATCHWAVE_ROOT": str(self.root), "PATH": f"{self.root}/stand-ins:/usr/bin:/bin"}
        assert command.argv[0] == "sh"
        return subprocess.Popen(
            [str(self.root / "stand-ins/sh"), *command.argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def run_cut(self, command: Command, sent: int) -> Completed:
        """Run it, but let the connection end after so many bytes of the upload."""
        cut = tuple(
            reply.model_copy(update={"data": type(reply.data)(reply.data.get_secret_value()[:sent])})
            for reply in command.replies
        )
        return self.run(self.host, command.model_copy(update={"replies": cut}))

    def forget(self, host: Host) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""

    def facts(self) -> Facts:
        """What a check would see."""
        return Facts(
            kernel=Kernel(running=RELEASE, build_id=KERNEL_BUILD),
            boot_id=self.read("proc/sys/kernel/random/boot_id").strip(),
            is_root=True,
            lockdown="none",
            module_signatures_enforced=False,
            secure_boot=False,
            livepatch_supported=True,
            live_patches=tuple(map(self._live_patch, sorted((self.root / "sys/kernel/livepatch").iterdir()))),
        )

    def _live_patch(self, folder: Path) -> LivePatch:
        enabled = (folder / "enabled").read_text().strip() == "1"
        moving = (folder / "transition").read_text().strip() == "1"
        states = {
            (True, False): PatchState.APPLIED,
            (True, True): PatchState.TRANSITIONING,
            (False, True): PatchState.REVERTING,
            (False, False): PatchState.DISABLED,
        }
        raw = (self.root / f"sys/module/{folder.name}/notes/.note.gnu.build-id").read_bytes()
        return LivePatch(tool="klp", name=folder.name, state=states[enabled, moving], build_id=raw[16:].hex())

    def check(self, host: Host) -> Observation:
        """One check, as the runner is given it."""
        return Observation(started_at=NOW, observed_at=NOW, facts=self.facts())


def complete(process: "subprocess.Popen[bytes]", command: Command) -> Completed:
    """See a started command with its replies to its end."""
    return _Run(process, command).complete()


class _Run:
    """One command with its replies: what a transport does, on pipes."""

    def __init__(self, process: "subprocess.Popen[bytes]", command: Command) -> None:
        self._process, self._command = process, command
        self._said = {"stdout": b"", "stderr": b""}
        self._left = list(command.replies)
        self._lock = threading.Lock()

    def complete(self) -> Completed:
        assert self._process.stdin is not None
        self._send(self._command.stdin)
        if not self._left:
            self._process.stdin.close()
        readers = [threading.Thread(target=self._read, args=(name,)) for name in self._said]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        status = self._process.wait(timeout=60)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            _close(pipe)
        return Completed(exit_status=status, stdout=self._said["stdout"], stderr=self._said["stderr"])

    def _read(self, name: str) -> None:
        pipe: IO[bytes] = getattr(self._process, name)
        while chunk := os.read(pipe.fileno(), 65536):
            with self._lock:
                self._said[name] += chunk
                for reply in [reply for reply in self._left if reply.marker in self._said[name]]:
                    self._left.remove(reply)
                    self._reply(reply)

    def _reply(self, reply: Reply) -> None:
        self._send(reply.data.get_secret_value())
        if reply.then_eof:
            _close(self._process.stdin)

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            return


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        return


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


def eventually(condition: object, seconds: float = 20.0) -> None:
    """Wait until it holds."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.02)
