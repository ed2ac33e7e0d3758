"""Kept connections: reused, replaced, evicted, closed."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import paramiko
import pytest

from orchestrator.core.hosts import Host
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.ssh.wire import Wire
from tests.adapters.ssh.conftest import host_of, pinned, shell
from tests.adapters.sshd import Sshd, User, kill

pytestmark = pytest.mark.sshd


def test_one_connection_serves_all_commands(sshd: Sshd, transport: SshTransport, host: Host) -> None:
    """One login, also when several commands come at once."""
    before = sshd.logins()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: transport.run(host, shell(f"echo {n}")).stdout, range(12)))
    assert answers == [f"{n}\n".encode() for n in range(12)]
    assert sshd.logins() - before == 1


def test_packets_are_authenticated_by_their_cipher_and_keys_change_under_way(sshd: Sshd, user: User) -> None:
    """AES-GCM, which a server of OpenSSH's defaults agrees to, before and after new keys were agreed on."""
    sock = socket.create_connection(("127.0.0.1", sshd.port), 5)
    wire = Wire(sock, pinned_types=("ssh-ed25519",))
    try:
        wire.start_client(timeout=5)
        wire.allow_for_login(5)
        assert wire.auth_publickey(user.name, paramiko.PKey.from_path(str(user.key))) == []
        wire.renegotiate_keys()
        channel = wire.open_session(timeout=5)
        channel.exec_command("head -c 100000 /dev/zero")
        with channel.makefile("rb") as output:
            assert output.read() == bytes(100000)
        assert wire.get_security_options().ciphers[0] == wire.local_cipher == "aes128-gcm@openssh.com"
    finally:
        wire.close()


def test_a_kept_connection_that_broke_is_replaced(sshd: Sshd, transport: SshTransport, host: Host) -> None:
    """Nothing of the command was sent, so it runs, once, over a fresh connection."""
    transport.run(host, shell("true"))
    kill(sshd.sessions())
    before = sshd.logins()
    assert transport.run(host, shell("echo on")).stdout == b"on\n"
    assert sshd.logins() - before == 1


def test_the_least_recently_used_go_first(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys
) -> None:
    """Eight are kept; the ninth takes the place of the one used longest ago."""
    hosts = [pinned(host_of(sshd, user, name=f"h{n}"), sshd, host_keys) for n in range(9)]
    for host in (*hosts[:8], hosts[0], hosts[8]):
        transport.run(host, shell("true"))
    assert transport.kept == 8
    before = sshd.logins()
    transport.run(hosts[0], shell("true"))
    assert sshd.logins() - before == 0
    transport.run(hosts[1], shell("true"))
    assert sshd.logins() - before == 1


def test_what_is_in_use_is_not_evicted(
    sshd: Sshd, user: User, transport: SshTransport, host_keys: HomeHostKeys
) -> None:
    """More commands at once than connections are kept: all of them end well, and eight are kept after."""
    hosts = [pinned(host_of(sshd, user, name=f"h{n}"), sshd, host_keys) for n in range(14)]
    with ThreadPoolExecutor(14) as pool:
        answers = list(pool.map(lambda host: transport.run(host, shell("sleep 1; echo ok")).stdout, hosts))
    assert answers == [b"ok\n"] * 14
    assert transport.kept <= 8


def test_a_forgotten_host_is_reached_anew(sshd: Sshd, transport: SshTransport, host: Host) -> None:
    """Its connection is closed, here and there."""
    transport.run(host, shell("true"))
    transport.forget(host)
    assert transport.kept == 0
    before = sshd.logins()
    transport.run(host, shell("true"))
    assert sshd.logins() - before == 1


def test_a_host_that_changed_in_the_inventory_is_reached_anew(
    sshd: Sshd, user: User, transport: SshTransport, host: Host
) -> None:
    """The kept connection belongs to the address it was made to."""
    transport.run(host, shell("true"))
    moved = host.model_copy(update={"address": "127.0.7.7"})
    assert b"127.0.7.7" in transport.run(moved, shell("echo $SSH_CONNECTION")).stdout


def test_closing_leaves_no_thread_behind(sshd: Sshd, user: User, host_keys: HomeHostKeys, no_config: str) -> None:
    """Each connection's reading thread ends at once."""
    transport = SshTransport(host_keys, ssh_config_path=no_config)
    before = threading.active_count()
    for n in range(5):
        transport.run(pinned(host_of(sshd, user, name=f"h{n}"), sshd, host_keys), shell("true"))
    assert threading.active_count() == before + 5
    transport.close()
    assert threading.active_count() == before
