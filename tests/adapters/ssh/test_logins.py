"""Ways in: password, agent, certificate, ssh_config."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.errors import InvalidInput
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.ssh.ssh_config import SshConfig
from tests.adapters.ssh.conftest import host_of, pinned, shell
from tests.adapters.sshd import Sshd, User, kill, make_key

pytestmark = pytest.mark.sshd


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An agent of our own."""
    said = subprocess.run(
        ("ssh-agent", "-s", "-a", str(tmp_path / "agent")), check=True, capture_output=True, text=True
    ).stdout
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    yield
    found = re.search(r"SSH_AGENT_PID=(\d+)", said)
    assert found is not None
    kill([int(found[1])])


def test_a_password(sshd: Sshd, user: User, transport: SshTransport, host: Host) -> None:
    """Without a key file the inventory's password is what is tried, and no key beside it."""
    assert host.name == "web1"
    log = sshd.log
    opened = host_of(sshd, user, identity_file=None, password=user.password)
    assert transport.run(opened, shell("id -un")).stdout.decode() == f"{user.name}\n"
    assert "Accepted publickey" not in sshd.log.removeprefix(log)


def test_a_key_of_the_agent(sshd: Sshd, user: User, transport: SshTransport, host: Host, agent: None) -> None:
    """Where nothing is named, the agent's keys are tried."""
    subprocess.run(("ssh-add", "-q", str(user.key)), check=True)
    opened = host_of(sshd, user, identity_file=None)
    assert transport.run(opened, shell("true")).exit_status == 0


def test_an_encrypted_key_that_the_agent_holds(
    sshd: Sshd, user: User, transport: SshTransport, host: Host, agent: None, tmp_path: Path
) -> None:
    """The file's public half says which of the agent's keys it is."""
    subprocess.run(("ssh-add", "-q", str(user.key)), check=True)
    locked = tmp_path / "locked"
    locked.write_bytes(user.key.read_bytes())
    locked.chmod(0o600)
    subprocess.run(("ssh-keygen", "-q", "-p", "-P", "", "-N", "sesame", "-f", str(locked)), check=True)
    (tmp_path / "locked.pub").write_text(user.key.with_name(user.key.name + ".pub").read_text())
    opened = host_of(sshd, user, identity_file=str(locked))
    assert transport.run(opened, shell("true")).exit_status == 0


def test_a_user_certificate(tmp_path: Path, transport: SshTransport, host_keys: HomeHostKeys) -> None:
    """A certificate beside the key logs in where the key alone would not."""
    make_key(tmp_path / "ca")
    with Sshd(options={"TrustedUserCAKeys": str(tmp_path / "ca.pub")}) as server:
        user = server.add_user()
        server.authorize(user.name, "# nobody\n")
        argv = ("ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "test", "-n", user.name, str(user.key) + ".pub")
        subprocess.run(argv, check=True)
        host = pinned(host_of(server, user), server, host_keys)
        assert transport.run(host, shell("true")).exit_status == 0
        assert "ED25519-CERT" in server.log


def test_ssh_config_fills_what_the_inventory_leaves_open(
    sshd: Sshd, user: User, host_keys: HomeHostKeys, tmp_path: Path
) -> None:
    """HostName, Port, User and IdentityFile, from an included file too; the inventory goes first."""
    (tmp_path / "more").write_text(f"Host alias\n  HostName 127.0.3.3\n  IdentityFile {user.key}\n  Port 1\n")
    (tmp_path / "config").write_text(f"Include more\nUser {user.name}\n")
    transport = SshTransport(host_keys, ssh_config_path=str(tmp_path / "config"))
    host = pinned(Host(name="web9", address="alias", port=sshd.port), sshd, host_keys)
    assert b"127.0.3.3" in transport.run(host, shell("echo $SSH_CONNECTION")).stdout
    transport.close()


def test_an_ipv6_address(sshd: Sshd, user: User, transport: SshTransport, host: Host) -> None:
    """A literal without brackets, as Ansible has it."""
    opened = host.model_copy(update={"address": "::1"})
    assert transport.run(opened, shell("true")).exit_status == 0


def test_an_ssh_config_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing or broken file is named."""
    (tmp_path / "broken").write_text("nonsense\n")
    for name in ("absent", "broken"):
        with pytest.raises(InvalidInput, match=name):
            SshConfig(str(tmp_path / name))


def test_an_included_block_ends_with_its_file(tmp_path: Path) -> None:
    """What follows the Include belongs to the block it stands in, as for ssh(1)."""
    (tmp_path / "inner").write_text("Host b\n  Port 2\n")
    (tmp_path / "config").write_text("Host a\n  Include inner\n  Port 1\n")
    config = SshConfig(str(tmp_path / "config"))
    assert ("1", None) == (config.about("a").get("port"), config.about("c").get("port"))
