"""The pinned host keys in ``home/known_hosts``."""

import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.hosts import Host
from orchestrator.errors import InvalidInput, NotAvailable
from orchestrator.ports.ssh import PresentedKey
from orchestrator.ssh.connections import Connections
from orchestrator.ssh.destinations import Destinations, ResolveHost
from orchestrator.ssh.dialing import Dialer, Timeouts
from orchestrator.ssh.known_hosts import CERT_AUTHORITY, REVOKED, Entry, check_name, parse, with_pins
from orchestrator.ssh.ssh_config import SshConfig
from orchestrator.ssh.wire import quiet_library_logging

JUMPS_KEPT = 32


@dataclass(frozen=True, kw_only=True)
class _Pinned:
    """What the file says, looked up by name."""

    stamp: tuple[int, ...]
    by_name: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    others: tuple[Entry, ...] = ()


class HomeHostKeys:
    """Host keys pinned in a file of OpenSSH's format, by inventory name. Implements `HostKeys`. Thread-safe.

    The user's own ``~/.ssh/known_hosts`` is not read: whom a person once trusted for a shell is not who may be patched.
    """

    def __init__(
        self,
        path: Path,
        *,
        connect_timeout: float = 10,
        banner_timeout: float = 15,
        auth_timeout: float = 20,
        forks: int = 64,
        ssh_config_path: str | None = None,
        resolve_host: ResolveHost = lambda _: None,
    ) -> None:
        quiet_library_logging()
        self._path = path
        self._lock = threading.Lock()
        self._read = _Pinned(stamp=())
        timeouts = Timeouts(connect=connect_timeout, banner=banner_timeout, login=auth_timeout)
        self._connections = Connections(Dialer(self, timeouts, forks), JUMPS_KEPT)
        self._ssh_config_path, self._resolve_host = ssh_config_path, resolve_host
        self._known_destinations: Destinations | None = None

    def pinned(self, name: str) -> tuple[PresentedKey, ...]:
        """The keys pinned for that name; lines that name it go before patterns that match it.

        Raises `InvalidInput` naming file and line, `NotAvailable` when the file cannot be read.
        """
        entries = self._entries(name)
        revoked = {entry.key for entry in entries if entry.marker == REVOKED}
        keys = [entry.key for entry in entries if entry.marker is None and entry.key not in revoked]
        return tuple(dict.fromkeys(keys))

    def has_only_authority(self, name: str) -> bool:
        """Does nothing but a certificate authority stand for that name?"""
        return not self.pinned(name) and any(entry.marker == CERT_AUTHORITY for entry in self._entries(name))

    def present(self, host: Host) -> PresentedKey:
        """The key that the host presents, asked through its jump hosts, which must be trusted. Raises `Unreachable`."""
        return self._connections.ask_key(self._destinations().route(host))

    def pin(self, name: str, keys: Sequence[PresentedKey]) -> None:
        """Pin exactly these keys, durably. Raises `InvalidInput`, `NotAvailable`."""
        check_name(name)
        try:
            with _locked(self._path):
                text = self._path.read_text() if self._path.exists() else ""
                _replace(self._path, with_pins(text, name, keys, self._path))
        except OSError as exc:
            raise NotAvailable(
                f"{self._path} cannot be written ({exc.strerror}); check the folder and its disk"
            ) from exc

    def jump_hosts(self, host: Host) -> tuple[Host, ...]:
        """The jump hosts that lead to it, nearest to us first, each named as its key is pinned; or `Unreachable`."""
        return self._destinations().jump_hosts(host)

    def close(self) -> None:
        """Close the connections to jump hosts."""
        self._connections.close()

    def _destinations(self) -> Destinations:
        if self._known_destinations is None:
            self._known_destinations = Destinations(SshConfig(self._ssh_config_path), self._resolve_host)
        return self._known_destinations

    def _entries(self, name: str) -> tuple[Entry, ...]:
        pinned = self._current()
        exact = [*pinned.by_name.get(name, ()), *(entry for entry in pinned.others if entry.names_exactly(name))]
        if any(entry.marker is None for entry in exact):
            return (*exact, *(entry for entry in pinned.others if entry.marker == REVOKED and entry.covers(name)))
        return (*exact, *(entry for entry in pinned.others if entry not in exact and entry.covers(name)))

    def _current(self) -> _Pinned:
        """What the file says now: read again only when it changed."""
        with self._lock:
            try:
                stamp = _stamp(self._path)
                if stamp != self._read.stamp:
                    self._read = (
                        _indexed(parse(self._path.read_text(), self._path), stamp) if stamp else _Pinned(stamp=())
                    )
            except UnicodeDecodeError as exc:
                raise InvalidInput(
                    "this is not a text file; restore it or pin the hosts again", file=str(self._path)
                ) from exc
            except OSError as exc:
                raise NotAvailable(f"{self._path} cannot be read ({exc.strerror})") from exc
            return self._read


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ()
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _indexed(entries: Sequence[Entry], stamp: tuple[int, ...]) -> _Pinned:
    by_name: dict[str, tuple[Entry, ...]] = {}
    others = []
    for entry in entries:
        if any(mark in written for written in entry.names for mark in "*?!|"):
            others.append(entry)
        else:
            for written in entry.names:
                by_name[written] = (*by_name.get(written, ()), entry)
    return _Pinned(stamp=stamp, by_name=by_name, others=tuple(others))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among all processes and threads. A file of its own is locked, since the pins' file is replaced."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, text: str) -> None:
    """The whole file or the old one, never a part; mode 0600 (mkstemp's)."""
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
