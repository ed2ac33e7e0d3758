"""``scan --json`` over a fleet in which everything goes wrong that an SSH server can do wrong: one document, and each
host with an error of its own."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.adapters.ssh.test_failures import blackhole
from tests.adapters.sshd import Sshd, User, make_key
from tests.cli.terminal import Printed, Terminal

pytestmark = pytest.mark.sshd
__all__ = ["blackhole"]

LIMITS = {
    "PATCHWAVE_CONNECT_TIMEOUT": "1",
    "PATCHWAVE_BANNER_TIMEOUT": "1",
    "PATCHWAVE_AUTH_TIMEOUT": "5",
    "PATCHWAVE_CHECK_TIMEOUT": "10",
}
EXPECTED = {
    "good": None,
    "wants-sudo-password": None,
    "no-sudo": None,
    "cut-off": None,
    "name": "name_unresolved",
    "refused": "connection_refused",
    "closes": "connection_refused",
    "dark": "connect_timed_out",
    "silent": "banner_timed_out",
    "dribbles": "banner_timed_out",
    "babbles": "unreachable",
    "stops-after-banner": "unreachable",
    "unknown-key": "host_key_unknown",
    "changed-key": "host_key_changed",
    "other-type-of-key": "host_key_changed",
    "certificate-authority": "host_certificate_unsupported",
    "wrong-user": "authentication_failed",
    "wrong-key": "authentication_failed",
    "wrong-password": "authentication_failed",
    "no-login": "authentication_failed",
    "key-missing": "key_unusable",
    "key-junk": "key_unusable",
    "behind-nothing": "jump_failed",
    "no-session": "shell_unusable",
    "nologin": "shell_unusable",
    "forced-command": "answer_garbled",
    "silent-shell": "shell_unusable",
    "garbage": "answer_garbled",
    "flood": "output_too_large",
    "drops": "connection_dropped",
    "hangs": "command_timed_out",
}
"""Each host's error code; None where it was checked."""

REASONS = {
    "good": None,
    "wants-sudo-password": "sudo_password_missing",
    "no-sudo": "sudo_refused",
    "cut-off": "answer_incomplete",
}
"""Of those that were checked: why something is unknown all the same."""


@contextlib.contextmanager
def servers(*serve: Callable[[socket.socket], None]) -> Iterator[list[int]]:
    """Ports, each of which answers one connection so."""
    with contextlib.ExitStack() as stack:
        ports = []
        for one in serve:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server.settimeout(60)
            threading.Thread(target=_answer, args=(server, one), daemon=True).start()
            ports.append(server.getsockname()[1])
        yield ports


def _answer(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    connection, _ = server.accept()
    with connection, contextlib.suppress(OSError):
        serve(connection)


def _close(connection: socket.socket) -> None:
    connection.recv(10)


def _say_nothing(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def _dribble(connection: socket.socket) -> None:
    connection.settimeout(0.1)
    for _ in range(100):
        connection.sendall(b"wait\r\n")
        with contextlib.suppress(TimeoutError):
            connection.recv(1000)


def _babble(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-x\r\n" + bytes(range(256)) * 100)
    _say_nothing(connection)


def _greet(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    _say_nothing(connection)


class Fleet:
    """An inventory that is written host by host, and the pins of those whose key is known."""

    def __init__(self, home: Path, sshd: Sshd, user: User) -> None:
        self.home, self.sshd, self.user = home, sshd, user
        self.hosts: dict[str, dict[str, Any]] = {}
        self.pins: list[str] = []

    def add(self, name: str, *, server: Sshd | None = None, user: User | None = None, **variables: object) -> None:
        """A host at that server, with these variables instead; its key is pinned."""
        at, who = server or self.sshd, user or self.user
        self.hosts[name] = {
            "ansible_host": "127.0.0.1" if "ansible_port" in variables else f"127.0.1.{len(self.hosts) + 1}",
            "ansible_port": at.port,
            "ansible_user": who.name,
            "ansible_ssh_private_key_file": str(who.key),
        } | variables
        self.pin(name, " ".join(at.host_key()))

    def forced(self, name: str, command: str) -> None:
        """A host whose account runs that, whatever it is told to run."""
        user = self.sshd.add_user()
        public = user.key.with_name(user.key.name + ".pub").read_text()
        self.sshd.authorize(user.name, f'command="{command}" {public}')
        self.add(name, user=user)

    def pin(self, name: str, key: str) -> None:
        """This key, and no other."""
        self.pins = [line for line in self.pins if line.split()[0] != name] + [f"{name} {key}"]

    def write(self) -> None:
        """The files of the home."""
        hosts = {
            name: {key: value for key, value in given.items() if value is not None}
            for name, given in self.hosts.items()
        }
        (self.home / "inventory").mkdir()
        (self.home / "inventory" / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        (self.home / "known_hosts").write_text("".join(f"{line}\n" for line in self.pins))


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A shell in an empty folder."""
    return Terminal(tmp_path, capsys, monkeypatch)


@pytest.fixture
def fleet(terminal: Terminal, sshd: Sshd, user: User) -> Fleet:
    """A fresh home, and an inventory to be."""
    assert 0 == terminal.run("init").code
    return Fleet(terminal.home, sshd, user)


def _add_whose_keys_differ(fleet: Fleet, folder: Path) -> None:
    make_key(folder / "other")
    make_key(folder / "ecdsa", kind="ecdsa")
    for name in ("unknown-key", "changed-key", "other-type-of-key", "certificate-authority"):
        fleet.add(name)
    fleet.pin("changed-key", (folder / "other.pub").read_text().strip())
    fleet.pin("other-type-of-key", (folder / "ecdsa.pub").read_text().strip())
    fleet.pins = [line for line in fleet.pins if line.split()[0] not in {"unknown-key", "certificate-authority"}]
    fleet.pins.append(f"@cert-authority certificate-authority {' '.join(fleet.sshd.host_key())}")


def _add_who_cannot_log_in(fleet: Fleet, folder: Path) -> None:
    make_key(folder / "wrong")
    (folder / "junk").write_text("hello")
    fleet.add("wrong-user", ansible_user="nobody-here")
    fleet.add("wrong-key", ansible_ssh_private_key_file=str(folder / "wrong"))
    fleet.add("wrong-password", ansible_ssh_private_key_file=None, ansible_password="guess-42")
    fleet.add("no-login", ansible_ssh_private_key_file=None)
    fleet.add("key-missing", ansible_ssh_private_key_file=str(folder / "absent"))
    fleet.add("key-junk", ansible_ssh_private_key_file=str(folder / "junk"))


def _add_whose_session_is_no_good(fleet: Fleet, refusing: Sshd) -> None:
    fleet.add("no-session", server=refusing, user=refusing.add_user())
    fleet.add("nologin", user=fleet.sshd.add_user(shell="/usr/sbin/nologin"))
    fleet.add("silent-shell", user=fleet.sshd.add_user(shell="/bin/false"))
    fleet.forced("forced-command", "echo only this; exit 4")
    fleet.forced("garbage", "head -c 50000 /dev/urandom")
    fleet.forced("cut-off", r"eval \"$SSH_ORIGINAL_COMMAND\" | head -c 900")
    fleet.forced("flood", "yes garbage")
    fleet.forced("drops", "head -c 100; kill -9 $PPID")
    fleet.forced("hangs", "sleep 60")


def test_every_failure_is_one_hosts_own(
    terminal: Terminal,
    fleet: Fleet,
    blackhole: int,
    tmp_path: Path,
) -> None:
    """Exactly one JSON document, each host with the code of what is wrong with it, those that work checked; exit 1."""
    fleet.add("good")
    fleet.add("wants-sudo-password", user=fleet.sshd.add_user(sudo="password"), ansible_become=True)
    fleet.add("no-sudo", ansible_become=True, ansible_become_password=fleet.user.password)
    fleet.add("name", ansible_host="no-such-host.invalid")
    fleet.add("dark", ansible_port=blackhole)
    _add_whose_keys_differ(fleet, tmp_path)
    _add_who_cannot_log_in(fleet, tmp_path)
    ports = ("closes", "silent", "dribbles", "babbles", "stops-after-banner")
    acts = (_close, _say_nothing, _dribble, _babble, _greet)
    with socket.socket() as unused, servers(*acts) as found, Sshd(options={"MaxSessions": "0"}) as refusing:
        unused.bind(("127.0.0.1", 0))
        fleet.add("refused", ansible_port=unused.getsockname()[1])
        fleet.add("behind-nothing", patchwave_jump="refused")
        for name, port in zip(ports, found, strict=True):
            fleet.add(name, ansible_port=port)
        _add_whose_session_is_no_good(fleet, refusing)
        fleet.write()
        done = terminal.run("scan", "--json", environ=LIMITS)

    assert EXPECTED == errors(done)
    assert REASONS == {name: reason if reason in unknown(done, name) else None for name, reason in REASONS.items()}
    assert (1, len(EXPECTED), len(REASONS)) == (done.code, done.json["checked"], done.json["reachable"])
    assert [] == [secret for secret in ("guess-42", fleet.user.password) if secret in done.out + done.err]


def errors(done: Printed) -> dict[str, str | None]:
    """Each host's error code."""
    hosts = done.json["hosts"]
    assert all((one["error"] is None) == one["reachable"] for one in hosts)
    return {one["name"]: one["error"] and one["error"]["code"] for one in hosts}


def unknown(done: Printed, name: str) -> set[str]:
    """Why something is unknown of that host."""
    (host,) = (one for one in done.json["hosts"] if one["name"] == name)
    return set(host["unknown"].values())
