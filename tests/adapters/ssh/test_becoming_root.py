"""The contract with sudo on a real one: checks and the guard become root the same way, and fail by the same names."""

import pytest
from pydantic import SecretStr

from orchestrator.backends.guard import GuardState
from orchestrator.backends.klp import Klp
from orchestrator.core.hosts import Become, Host
from orchestrator.errors import HostError
from orchestrator.probe import check_command, read_answer
from orchestrator.probe.account import root_lacks
from orchestrator.probe.fields import read_fields
from orchestrator.ssh import HomeHostKeys, SshTransport
from tests.adapters.ssh.conftest import host_of, pinned
from tests.adapters.sshd import Sshd, Sudo

pytestmark = pytest.mark.sshd

NONCE = "0123456789abcdef01234567"
KLP = Klp()


def check(transport: SshTransport, host: Host) -> str:
    """How a check got root, or the code of why it did not."""
    try:
        completed = transport.run(host, check_command(nonce=NONCE, become=host.become, known_packages=None))
    except HostError as exc:
        return exc.code
    answer = read_answer(completed, nonce=NONCE)
    return root_lacks(answer, read_fields(answer, "account")) or "root"


def guard(transport: SshTransport, host: Host) -> str:
    """The same of the guard, asked about an attempt that it never heard of."""
    try:
        answer = KLP.answer(host, transport.run(host, KLP.status(host, "A1", NONCE)), NONCE)
    except HostError as exc:
        return exc.code
    return "root" if answer.state is GuardState.ABSENT else answer.state


@pytest.mark.parametrize(
    ("sudo", "given", "enabled", "expected"),
    [
        ("nopasswd", None, None, "root"),
        ("nopasswd", "right", None, "root"),
        ("nopasswd", None, False, "needs_root"),
        ("password", None, None, "sudo_password_missing"),
        ("password", "right", None, "root"),
        ("password", "wrong", None, "sudo_password_wrong"),
        ("none", "right", None, "sudo_refused"),
    ],
)
def test_a_check_and_the_guard_become_root_alike(
    sshd: Sshd,
    transport: SshTransport,
    host_keys: HomeHostKeys,
    sudo: Sudo,
    given: str | None,
    enabled: bool | None,
    expected: str,
) -> None:
    """Whatever sudoers and the inventory say."""
    user = sshd.add_user(sudo=sudo)
    password = {"right": user.password, "wrong": "wrong"}.get(given or "")
    become = Become(enabled=enabled, password=SecretStr(password) if password else None)
    host = pinned(host_of(sshd, user).model_copy(update={"become": become}), sshd, host_keys)

    assert (expected, expected) == (check(transport, host), guard(transport, host))
