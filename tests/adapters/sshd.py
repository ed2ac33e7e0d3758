"""A real OpenSSH server for tests and benchmarks, with accounts made for the occasion.

Runs as root only: it adds Unix accounts (all begin with ``pwt``) and sudoers files, and removes them in `close`. The
server answers on every address of 127.0.0.0/8 at one port, so that one of them can play a whole fleet, and lets in
nobody from elsewhere.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.needs import require

type_and_blob = tuple[str, str]
Sudo = Literal["none", "nopasswd", "password"]

CONFIG = """\
ListenAddress 0.0.0.0:{port}
ListenAddress [::1]:{port}
PidFile none
UsePAM no
StrictModes no
UseDNS no
LogLevel VERBOSE
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication no
AllowUsers *@127.0.0.0/8 *@::1
AuthorizedKeysFile {folder}/authorized/%u
MaxStartups 1000:30:2000
MaxSessions 64
LoginGraceTime 30
PrintMotd no
"""


@dataclass(frozen=True, kw_only=True)
class User:
    """An account made for a test. ``key`` is the file of a private key it accepts."""

    name: str
    password: str
    home: Path
    key: Path
    uid: int


@dataclass(kw_only=True)
class Sshd:
    """The server. ``options`` are further lines of sshd_config; ``keys`` the types of host key it has."""

    keys: tuple[str, ...] = ("ed25519",)
    options: Mapping[str, str] = field(default_factory=dict)
    trailer: str = ""
    folder: Path = field(init=False)
    port: int = field(init=False)
    users: list[User] = field(default_factory=list, init=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pwt-sshd-"))
        self.folder.chmod(0o755)
        (self.folder / "authorized").mkdir()
        self.port = _free_port()
        for kind in self.keys:
            make_key(self.folder / f"host_{kind}", kind=kind)
        self._write_config()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process id of the listener."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server said on stderr so far."""
        return (self.folder / "log").read_text()

    def host_key(self, kind: str | None = None) -> type_and_blob:
        """OpenSSH type and base64 blob of one of its host keys."""
        words = (self.folder / f"host_{kind or self.keys[0]}.pub").read_text().split()
        return words[0], words[1]

    def start(self) -> None:
        """Start it and wait until it answers."""
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (require("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")),
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        _wait_for_port(self.port, self._process, self.folder / "log")

    def stop(self) -> None:
        """End the listener and all its sessions."""
        if self._process is None:
            return
        family = self.sessions()
        self._process.terminate()
        self._process.wait(10)
        self._process = None
        kill(family)

    def close(self) -> None:
        """Stop, remove the accounts and all files."""
        self.stop()
        for user in self.users:
            self._remove(user)
        shutil.rmtree(self.folder, ignore_errors=True)

    def logins(self) -> int:
        """How many logins succeeded so far."""
        return self.log.count("Accepted publickey for") + self.log.count("Accepted password for")

    def sessions(self) -> list[int]:
        """Process ids of the server's children and their children, connections first."""
        return descendants(self.pid)

    def connections(self) -> int:
        """How many connections it has open."""
        return sum(1 for pid in descendants(self.pid) if _parent(pid) == self.pid)

    def add_user(self, *, shell: str = "/bin/sh", sudo: Sudo = "none") -> User:
        """A new account with a password and a key, and the sudo rights asked for."""
        name = f"pwt{secrets.token_hex(4)}"
        password = secrets.token_hex(8)
        _retrying(("useradd", "-m", "-s", shell, name))
        subprocess.run(("chpasswd",), input=f"{name}:{password}\n".encode(), check=True)
        uid = int(subprocess.run(("id", "-u", name), check=True, capture_output=True).stdout)
        key = self.folder / f"id_{name}"
        make_key(key)
        user = User(name=name, password=password, home=Path("/home") / name, key=key, uid=uid)
        self.users.append(user)
        self.authorize(name, key.with_name(key.name + ".pub").read_text())
        if sudo != "none":
            self._allow_sudo(name, sudo)
        return user

    def authorize(self, user: str, line: str) -> None:
        """Make this the one authorized_keys line of an account."""
        path = self.folder / "authorized" / user
        path.write_text(line)
        path.chmod(0o644)

    def _write_config(self) -> None:
        given = {option.lower() for option in self.options}
        base = CONFIG.format(port=self.port, folder=self.folder).splitlines()
        lines = [line for line in base if line.split()[0].lower() not in given]
        lines += [f"HostKey {self.folder}/host_{kind}" for kind in self.keys]
        lines += [f"{option} {value}" for option, value in self.options.items()]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n" + self.trailer)

    @staticmethod
    def _allow_sudo(name: str, sudo: Sudo) -> None:
        require("sudo")
        tag = "NOPASSWD: " if sudo == "nopasswd" else ""
        path = Path("/etc/sudoers.d") / name
        path.write_text(f"Defaults:{name} !lecture\n{name} ALL=(ALL:ALL) {tag}ALL\n")
        path.chmod(0o440)

    @staticmethod
    def _remove(user: User) -> None:
        kill(_processes_of(user.uid))
        (Path("/etc/sudoers.d") / user.name).unlink(missing_ok=True)
        _retrying(("userdel", "-r", user.name))


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "", comment: str = "test") -> None:
    """A new key pair: ``path`` and ``path.pub``."""
    sizes = {"rsa": ("-b", "2048"), "ecdsa": ("-b", "256")}.get(kind, ())
    argv = ("ssh-keygen", "-q", "-t", kind, *sizes, "-N", passphrase, "-C", comment, "-f", str(path))
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def descendants(pid: int) -> list[int]:
    """Children of a process, their children, and so on; parents first."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(int(entry.name))) is not None:
            parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(0), [])
        found += children
        todo += children
    return found


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to processes, by id; those that ended already are left out."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _parent(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[1])


def _processes_of(uid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                found.append(int(entry.name))
    return found


def _retrying(argv: tuple[str, ...]) -> None:
    """useradd and userdel fail while another one holds /etc/passwd's lock."""
    for _ in range(40):
        done = subprocess.run(argv, capture_output=True, check=False, text=True)
        # 6: userdel knows no such user; 12: it could not remove the mail spool's folder (userdel(8)).
        if done.returncode in {0, 12} or (argv[0] == "userdel" and done.returncode == 6):
            return
        time.sleep(0.1)
    raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.recv(4)
            return
        time.sleep(0.02)
    raise RuntimeError(f"sshd did not start: {log.read_text()}")
