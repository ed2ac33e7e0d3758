"""Everything that keeps us from a session has its own error, in time, and says what to do."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.errors import (
    AuthenticationFailed,
    BannerTimedOut,
    ConnectionRefused,
    ConnectTimedOut,
    HostCertificateUnsupported,
    HostError,
    HostKeyChanged,
    HostKeyUnknown,
    KeyUnusable,
    NameUnresolved,
    ShellUnusable,
    Unreachable,
)
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.ssh.known_hosts import key_of
from tests.adapters.ssh.conftest import host_of, pinned, shell
from tests.adapters.sshd import Sshd, User, make_key

pytestmark = pytest.mark.sshd


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port whose SYNs are dropped: a listener that accepts nothing and whose backlog is full."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = open_sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield listener.getsockname()[1]


@contextlib.contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port that answers its first connection so."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


def test_an_unpinned_key_is_refused_and_shown(sshd: Sshd, user: User, transport: SshTransport) -> None:
    """The message shows the fingerprint and says how to trust it; nobody logs in."""
    before = sshd.logins()
    with pytest.raises(HostKeyUnknown, match=r"SHA256:.*patchwave hosts trust web1"):
        transport.run(host_of(sshd, user), shell("true"))
    assert sshd.logins() == before


def test_another_key_is_refused_and_both_are_shown(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys, tmp_path: Path
) -> None:
    """The pinned and the presented fingerprint stand in the message."""
    make_key(tmp_path / "other")
    kind, blob = (tmp_path / "other.pub").read_text().split()[:2]
    other = key_of(kind, blob)
    host_keys.pin("web1", [other])
    shown = key_of(*sshd.host_key()).fingerprint
    with pytest.raises(HostKeyChanged) as caught:
        transport.run(host_of(sshd, user), shell("true"))
    assert (other.fingerprint in str(caught.value), shown in str(caught.value)) == (True, True)


def test_another_type_of_key_is_a_change(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys, tmp_path: Path
) -> None:
    """A host that lost the pinned type and shows another one is not who it was."""
    make_key(tmp_path / "other", kind="ecdsa")
    kind, blob = (tmp_path / "other.pub").read_text().split()[:2]
    host_keys.pin("web1", [key_of(kind, blob)])
    with pytest.raises(HostKeyChanged):
        transport.run(host_of(sshd, user), shell("true"))


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_pinned_type_is_asked_for(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys, kind: str
) -> None:
    """A host with several keys is known by whichever was pinned."""
    host = pinned(host_of(sshd, user), sshd, host_keys, kind)
    assert transport.run(host, shell("true")).exit_status == 0
    assert host_keys.present(host) == key_of(*sshd.host_key(kind))


def test_a_certificate_authority_alone_is_no_pin(
    sshd: Sshd, user: User, transport: SshTransport, tmp_path: Path
) -> None:
    """What cannot be verified is refused by name."""
    kind, blob = sshd.host_key()
    (tmp_path / "known_hosts").write_text(f"@cert-authority web* {kind} {blob}\n")
    with pytest.raises(HostCertificateUnsupported, match="hosts trust web1"):
        transport.run(host_of(sshd, user), shell("true"))


def test_a_broken_file_of_pins_is_a_refusal(sshd: Sshd, user: User, transport: SshTransport, tmp_path: Path) -> None:
    """Nothing is trusted while the pins cannot be read, and the line is named."""
    (tmp_path / "known_hosts").write_text("# mine\nweb1 ssh-ed25519 broken!\n")
    with pytest.raises(HostKeyUnknown, match=r"known_hosts:2"):
        transport.run(host_of(sshd, user), shell("true"))


def test_a_wrong_user(transport: SshTransport, host: Host) -> None:
    """The account and what was tried are named."""
    with pytest.raises(AuthenticationFailed, match=r"nobody-here .*tried: key"):
        transport.run(host.model_copy(update={"user": "nobody-here"}), shell("true"))


def test_a_wrong_key(transport: SshTransport, host: Host, tmp_path: Path) -> None:
    """A key that the account does not accept."""
    make_key(tmp_path / "wrong")
    with pytest.raises(AuthenticationFailed, match="authorized_keys"):
        transport.run(host.model_copy(update={"identity_file": str(tmp_path / "wrong")}), shell("true"))


def test_a_wrong_password(sshd: Sshd, user: User, transport: SshTransport, host: Host) -> None:
    """It is refused and does not show up in the message."""
    wrong = host_of(sshd, user, identity_file=None, password="guess-42")
    with pytest.raises(AuthenticationFailed) as caught:
        transport.run(wrong, shell("true"))
    assert "guess-42" not in str(caught.value)


def test_nothing_to_log_in_with(
    sshd: Sshd, user: User, transport: SshTransport, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key, no agent, no password."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(AuthenticationFailed, match="no key and no password"):
        transport.run(host_of(sshd, user, identity_file=None), shell("true"))


def test_a_key_file_that_is_missing_or_is_none(transport: SshTransport, host: Host, tmp_path: Path) -> None:
    """Both say which file."""
    (tmp_path / "junk").write_text("hello")
    for name, why in (("absent", "no key file"), ("junk", "cannot be used")):
        with pytest.raises(KeyUnusable, match=why):
            transport.run(host.model_copy(update={"identity_file": str(tmp_path / name)}), shell("true"))


def test_a_closed_port(transport: SshTransport, host: Host) -> None:
    """Nothing listens there."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = host.model_copy(update={"port": unused.getsockname()[1]})
        with pytest.raises(ConnectionRefused, match="ansible_port"):
            transport.run(closed, shell("true"))


def test_a_name_that_does_not_resolve(transport: SshTransport, host: Host) -> None:
    """DNS knows nothing of it."""
    for address in ("no-such-host.invalid", "a" * 70 + ".example"):
        with pytest.raises(NameUnresolved, match="web1"):
            transport.run(host.model_copy(update={"address": address}), shell("true"))


def test_a_blackholed_address(hasty: SshTransport, host: Host, blackhole: int) -> None:
    """Nothing answers at all: the connect deadline ends it, and the host may have its own."""
    for limit, update in ((1.0, {}), (0.3, {"connect_timeout": 0.3})):
        started = time.monotonic()
        with pytest.raises(ConnectTimedOut, match=f"within {limit:g} s"):
            hasty.run(host.model_copy(update={"port": blackhole, **update}), shell("true"))
        assert time.monotonic() - started < limit + 5


def test_a_port_that_says_nothing(hasty: SshTransport, host: Host) -> None:
    """Open, but no SSH server speaks."""

    def wait_for_end(connection: socket.socket) -> None:
        while connection.recv(1000):
            pass

    with listener(wait_for_end) as port, pytest.raises(BannerTimedOut, match="no SSH server"):
        hasty.run(host.model_copy(update={"port": port}), shell("true"))


def test_a_port_that_dribbles(hasty: SshTransport, host: Host) -> None:
    """A line now and then does not extend the deadline."""

    def dribble(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(100):
                connection.sendall(b"wait\r\n")
                time.sleep(0.1)

    started = time.monotonic()
    with listener(dribble) as port, pytest.raises(BannerTimedOut):
        hasty.run(host.model_copy(update={"port": port}), shell("true"))
    assert time.monotonic() - started < 8  # it dribbles for ten


def test_a_port_that_stops_after_its_banner(hasty: SshTransport, host: Host) -> None:
    """The key exchange has its deadline too."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        while connection.recv(1000):
            pass

    with listener(greet) as port, pytest.raises(Unreachable, match=r"keys were exchanged|key exchange"):
        hasty.run(host.model_copy(update={"port": port}), shell("true"))


def test_a_port_that_closes_at_once(transport: SshTransport, host: Host) -> None:
    """What sshd does beyond MaxStartups."""

    def close(connection: socket.socket) -> None:
        connection.recv(10)

    with listener(close) as port, pytest.raises(ConnectionRefused, match="MaxStartups"):
        transport.run(host.model_copy(update={"port": port}), shell("true"))


def test_a_port_that_speaks_something_else(transport: SshTransport, host: Host) -> None:
    """Garbage instead of SSH is one host's trouble."""

    def babble(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"SSH-2.0-x\r\n" + bytes(range(256)) * 100)
            while connection.recv(1000):
                pass

    with listener(babble) as port, pytest.raises(Unreachable, match="web1"):
        transport.run(host.model_copy(update={"port": port}), shell("true"))


def test_a_proxy_command_is_refused(sshd: Sshd, host_keys: HomeHostKeys, host: Host, tmp_path: Path) -> None:
    """It is named, not ignored: going around it could reach another machine."""
    (tmp_path / "config").write_text("Host *\n  ProxyCommand nc %h %p\n")
    transport = SshTransport(host_keys, ssh_config_path=str(tmp_path / "config"))
    with pytest.raises(Unreachable, match="ProxyCommand"):
        transport.run(host, shell("true"))


def test_bad_hosts_do_not_hurt_the_others(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys, blackhole: int
) -> None:
    """Of forty at once, those that work answer, each of the others has its own error, in the time of one deadline."""
    good = [host_of(sshd, user, name=f"good{n}", address=f"127.0.2.{n}") for n in range(1, 37)]
    for host in good:
        pinned(host, sshd, host_keys)
    bad = [
        host_of(sshd, user, name="unknown"),
        good[0].model_copy(update={"name": "dark", "address": "127.0.0.1", "port": blackhole, "connect_timeout": 1}),
        good[1].model_copy(update={"user": "nobody-here"}),
        good[2].model_copy(update={"address": "no-such-host.invalid"}),
    ]
    started = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(lambda host: _outcome(transport, host), [*bad, *good]))
    expected = ["host_key_unknown", "connect_timed_out", "authentication_failed", "name_unresolved", *["ok"] * 36]
    assert expected == outcomes
    assert time.monotonic() - started < 30


def _outcome(transport: SshTransport, host: Host) -> str:
    try:
        return transport.run(host, shell("printf ok")).stdout.decode()
    except HostError as exc:
        return exc.code


def test_a_key_with_a_passphrase(sshd: Sshd, user: User, transport: SshTransport, host: Host, tmp_path: Path) -> None:
    """It opens with its passphrase, from an agent, and says what is missing otherwise."""
    locked = tmp_path / "locked"
    locked.write_bytes(user.key.read_bytes())
    locked.chmod(0o600)
    subprocess.run(("ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", str(locked)), check=True)
    host = host.model_copy(update={"identity_file": str(locked)})
    with pytest.raises(KeyUnusable, match="ansible_ssh_private_key_passphrase"):
        transport.run(host, shell("true"))
    opened = host_of(sshd, user, identity_file=str(locked), identity_passphrase="open sesame")
    assert transport.run(opened, shell("true")).exit_status == 0
    wrong = host_of(sshd, user, identity_file=str(locked), identity_passphrase="open barley")
    with pytest.raises(KeyUnusable, match="passphrase given"):
        transport.run(wrong, shell("true"))


def test_a_host_that_opens_no_session(transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """The login is good, but no command may run: that is said of the shell, not of the key."""
    with Sshd(options={"MaxSessions": "0"}) as server:
        host = pinned(host_of(server, server.add_user()), server, host_keys)
        with pytest.raises(ShellUnusable, match="web1"):
            transport.run(host, shell("true"))


def test_a_forced_command_answers_for_itself(transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """Its words and status are the caller's to judge."""
    with Sshd(options={"ForceCommand": "echo only this; exit 4"}) as server:
        host = pinned(host_of(server, server.add_user()), server, host_keys)
        done = transport.run(host, shell("echo mine"))
        assert (done.exit_status, done.stdout) == (4, b"only this\n")


def test_a_port_of_ssh_config_that_is_no_number(host_keys: HomeHostKeys, host: Host, tmp_path: Path) -> None:
    """What ssh_config says wrongly is the trouble of the hosts it says it of."""
    (tmp_path / "config").write_text("Host *\n  Port ssh\n")
    transport = SshTransport(host_keys, ssh_config_path=str(tmp_path / "config"))
    with pytest.raises(Unreachable, match="ssh_config"):
        transport.run(host.model_copy(update={"port": None}), shell("true"))
