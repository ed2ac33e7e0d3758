"""A server for each module, a transport for each test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.hosts import Host
from orchestrator.ports.ssh import Command
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.ssh.known_hosts import key_of
from tests.adapters.sshd import Sshd, User
from tests.needs import require


@pytest.fixture(autouse=True)
def _no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    require("sshd")
    if os.geteuid() != 0:
        pytest.skip("needs root, to add accounts")
    with Sshd(keys=("ed25519", "rsa")) as server:
        yield server


@pytest.fixture(scope="module")
def user(sshd: Sshd) -> User:
    return sshd.add_user()


@pytest.fixture
def no_config(tmp_path: Path) -> str:
    """An empty ssh_config, so that the machine's own does not take part."""
    path = tmp_path / "ssh_config"
    path.write_text("")
    return str(path)


@pytest.fixture
def host_keys(tmp_path: Path, no_config: str) -> Iterator[HomeHostKeys]:
    keys = HomeHostKeys(tmp_path / "known_hosts", ssh_config_path=no_config, connect_timeout=10)
    yield keys
    keys.close()


@pytest.fixture
def transport(host_keys: HomeHostKeys, no_config: str) -> Iterator[SshTransport]:
    """Patient: a machine that is busy otherwise answers late."""
    made = SshTransport(
        host_keys, ssh_config_path=no_config, connect_timeout=10, banner_timeout=20, auth_timeout=20, max_connections=8
    )
    yield made
    made.close()


@pytest.fixture
def hasty(host_keys: HomeHostKeys, no_config: str) -> Iterator[SshTransport]:
    """For servers that never answer."""
    made = SshTransport(host_keys, ssh_config_path=no_config, connect_timeout=1, banner_timeout=1, auth_timeout=5)
    yield made
    made.close()


@pytest.fixture
def host(sshd: Sshd, user: User, host_keys: HomeHostKeys) -> Host:
    """A host that works."""
    return pinned(host_of(sshd, user), sshd, host_keys)


def host_of(server: Sshd, user: User, *, name: str = "web1", address: str = "127.0.0.1", **more: object) -> Host:
    """The server as a host of the inventory, at one of its addresses."""
    given = {"port": server.port, "user": user.name, "identity_file": str(user.key), **more}
    return Host.model_validate({"name": name, "address": address, **given})


def pinned(host: Host, server: Sshd, keys: HomeHostKeys, kind: str | None = None) -> Host:
    """The same host, its key pinned."""
    keys.pin(host.name, [key_of(*server.host_key(kind))])
    return host


def shell(text: str, **more: object) -> Command:
    """Run a script with sh, from stdin."""
    return Command.model_validate({"argv": ("sh", "-s"), "stdin": text.encode(), **more})
