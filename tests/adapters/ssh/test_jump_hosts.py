"""Hosts behind a jump host, which is one sshd more."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.errors import HostKeyUnknown, JumpFailed
from orchestrator.services.trust_hosts import KeyStatus, TrustHosts
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.ssh.known_hosts import key_of
from tests.adapters.ssh.conftest import host_of, pinned, shell
from tests.adapters.sshd import Sshd, User, kill
from tests.fakes.dispatchers import InlineDispatcher
from tests.services.fleets import Checked

pytestmark = pytest.mark.sshd


@pytest.fixture(scope="module")
def bastion() -> Iterator[Sshd]:
    with Sshd() as server:
        server.add_user()
        yield server


@pytest.fixture
def gate(bastion: Sshd, host_keys: HomeHostKeys) -> Host:
    """The jump host as the inventory names it."""
    return pinned(host_of(bastion, bastion.users[0], name="gate"), bastion, host_keys)


@pytest.fixture
def through(host_keys: HomeHostKeys, no_config: str, gate: Host) -> Iterator[SshTransport]:
    """A transport that knows the jump host by its inventory name."""
    made = SshTransport(
        host_keys, ssh_config_path=no_config, connect_timeout=10, banner_timeout=20, resolve_host={"gate": gate}.get
    )
    yield made
    made.close()


def test_many_hosts_share_one_connection_to_the_jump_host(
    sshd: Sshd, user: User, bastion: Sshd, through: SshTransport, host_keys: HomeHostKeys
) -> None:
    """Thirty hosts behind it, one connection on it, and the hosts see the jump host's address."""
    before = bastion.logins()
    hosts = [host_of(sshd, user, name=f"inner{n}", address=f"127.0.4.{n}", jump="gate") for n in range(1, 31)]
    for host in hosts:
        pinned(host, sshd, host_keys)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda host: through.run(host, shell("echo ok")).stdout, hosts))
    assert answers == [b"ok\n"] * 30
    assert (bastion.connections(), bastion.logins() - before) == (1, 1)


def test_same_address_behind_two_jump_hosts(
    sshd: Sshd, user: User, through: SshTransport, host_keys: HomeHostKeys
) -> None:
    """Keys are pinned per name: one host's pin says nothing of another at the same address."""
    pinned(host_of(sshd, user, name="here", jump="gate"), sshd, host_keys)
    with pytest.raises(HostKeyUnknown, match="there"):
        through.run(host_of(sshd, user, name="there", jump="gate"), shell("true"))


def test_a_destination_instead_of_a_name(
    sshd: Sshd, bastion: Sshd, user: User, host_keys: HomeHostKeys, tmp_path: Path
) -> None:
    """``user@host:port``, its key pinned as OpenSSH writes it, its login from ssh_config."""
    config = tmp_path / "config"
    config.write_text(f"Host 127.0.0.1\n  IdentityFile {bastion.users[0].key}\n")
    transport = SshTransport(host_keys, ssh_config_path=str(config))
    jump = f"{bastion.users[0].name}@127.0.0.1:{bastion.port}"
    host = pinned(host_of(sshd, user, name="inner", jump=jump), sshd, host_keys)
    with pytest.raises(JumpFailed, match="hosts trust inner"):
        transport.run(host, shell("true"))
    (jump_host,) = host_keys.jump_hosts(host)
    host_keys.pin(jump_host.name, [key_of(*bastion.host_key())])
    assert transport.run(host, shell("echo ok")).stdout == b"ok\n"
    transport.close()


def test_a_jump_host_from_ssh_config(
    sshd: Sshd, bastion: Sshd, user: User, gate: Host, host_keys: HomeHostKeys
) -> None:
    """ProxyJump, and ``none`` in the inventory takes it back."""
    config = bastion.folder / "config"
    config.write_text("Host 127.0.5.*\n  ProxyJump gate\n")
    transport = SshTransport(host_keys, ssh_config_path=str(config), resolve_host={"gate": gate}.get)
    host = pinned(host_of(sshd, user, name="inner", address="127.0.5.1"), sshd, host_keys)
    transport.run(host, shell("true"))
    assert transport.kept == 2
    transport.run(host.model_copy(update={"jump": "none", "address": "127.0.5.2"}), shell("true"))
    assert transport.kept == 3
    transport.close()


def test_two_hops(sshd: Sshd, user: User, gate: Host, no_config: str, host_keys: HomeHostKeys) -> None:
    """Comma-separated, nearest first."""
    middle = pinned(host_of(sshd, user, name="middle"), sshd, host_keys)
    known = {"gate": gate, "middle": middle}
    transport = SshTransport(host_keys, ssh_config_path=no_config, resolve_host=known.get)
    host = pinned(host_of(sshd, user, name="inner", address="127.0.6.1", jump="gate,middle"), sshd, host_keys)
    assert transport.run(host, shell("echo ok")).stdout == b"ok\n"
    assert transport.kept == 3
    transport.close()


def test_a_key_is_asked_for_through_the_jump_host(
    sshd: Sshd, user: User, host_keys: HomeHostKeys, gate: Host, tmp_path: Path, no_config: str
) -> None:
    """Trusting a host behind a jump host needs the jump host to be trusted."""
    keys = HomeHostKeys(tmp_path / "known_hosts", ssh_config_path=no_config, resolve_host={"gate": gate}.get)
    host = host_of(sshd, user, name="inner", jump="gate")
    assert keys.present(host) == key_of(*sshd.host_key())
    keys.pin("gate", [])
    keys.close()
    with pytest.raises(JumpFailed, match="hosts trust gate"):
        keys.present(host)


def test_what_the_jump_host_cannot_reach(
    sshd: Sshd, user: User, through: SshTransport, host_keys: HomeHostKeys
) -> None:
    """The jump host answers that it could not connect: it is named, and stays usable."""
    host = pinned(host_of(sshd, user, name="inner", jump="gate"), sshd, host_keys)
    with pytest.raises(JumpFailed, match="gate could not connect"):
        through.run(host.model_copy(update={"port": 1}), shell("true"))
    assert through.run(host, shell("echo ok")).stdout == b"ok\n"


def test_a_jump_host_that_dropped_is_reached_again(
    sshd: Sshd, user: User, bastion: Sshd, through: SshTransport, host_keys: HomeHostKeys
) -> None:
    """With it the hosts behind it were lost; the next commands connect anew."""
    host = pinned(host_of(sshd, user, name="inner", jump="gate"), sshd, host_keys)
    through.run(host, shell("true"))
    kill(bastion.sessions())
    assert through.run(host, shell("echo ok")).stdout == b"ok\n"


@pytest.mark.parametrize(("jump", "why"), [("a b", "not \\[user@\\]host"), ("gate,", "not \\["), ("inner", "loop")])
def test_a_jump_host_that_makes_no_sense(
    sshd: Sshd, user: User, host_keys: HomeHostKeys, no_config: str, jump: str, why: str
) -> None:
    """Neither a destination nor a host of the inventory, or the host itself."""
    host = pinned(host_of(sshd, user, name="inner", jump=jump), sshd, host_keys)
    transport = SshTransport(host_keys, ssh_config_path=no_config, resolve_host={"inner": host}.get)
    with pytest.raises(JumpFailed, match=why):
        transport.run(host, shell("true"))


def test_a_chain_of_new_jump_hosts_is_trusted_from_the_near_end(
    sshd: Sshd, user: User, bastion: Sshd, tmp_path: Path
) -> None:
    """Each hop is asked through those before it, and pinned under its own name: then the host answers commands."""
    config = tmp_path / "config"
    config.write_text(
        f"Host 127.0.7.1\n  IdentityFile {bastion.users[0].key}\nHost 127.0.7.2\n  IdentityFile {user.key}\n"
    )
    gate, middle = f"{bastion.users[0].name}@127.0.7.1:{bastion.port}", f"{user.name}@127.0.7.2:{sshd.port}"
    host = host_of(sshd, user, name="inner", address="127.0.7.3", jump=f"{gate},{middle}")
    fleet = Checked("inner")
    keys = HomeHostKeys(tmp_path / "known_hosts", ssh_config_path=str(config))
    service = TrustHosts(
        host_keys=keys,
        store=fleet.store,
        dispatcher=InlineDispatcher(),
        clock=fleet.clock,
        update_exposures=fleet.update_exposures,
    )
    transport = SshTransport(keys, ssh_config_path=str(config))
    asked = []

    for stage in service.stages([Member(host=host, record=fleet.members[0].record)]):
        presented = service.ask(stage)
        asked += [(one.host.name, one.status) for one in presented]
        service.accept(presented, replace=False)

    names = (f"[127.0.7.1]:{bastion.port}", f"[127.0.7.2]:{sshd.port}", "inner")
    assert [(name, KeyStatus.NEW) for name in names] == asked
    assert transport.run(host, shell("echo ok")).stdout == b"ok\n"
    keys.close()
    transport.close()
