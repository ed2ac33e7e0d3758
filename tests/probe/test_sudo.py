"""The contract with sudo: modes, the password's reply, and what sudo's words mean."""

import pytest
from pydantic import SecretBytes, SecretStr

from orchestrator.core.hosts import Become
from orchestrator.errors import RootUnavailable, SudoPasswordMissing, SudoPasswordWrong, SudoRefused
from orchestrator.ports.ssh import Reply
from orchestrator.probe.sudo import SudoMode, sudo_complaint, sudo_mode, sudo_replies

NONCE = "0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("become", "mode"),
    [
        (Become(), SudoMode.NOPASSWORD),
        (Become(enabled=True), SudoMode.NOPASSWORD),
        (Become(enabled=False), SudoMode.NEVER),
        (Become(password=SecretStr("x")), SudoMode.PASSWORD),
        (Become(enabled=False, password=SecretStr("x")), SudoMode.NEVER),
        (Become(method="doas", password=SecretStr("x")), SudoMode.NEVER),
        (Become(user="postgres", password=SecretStr("x")), SudoMode.NEVER),
    ],
)
def test_the_mode_and_the_reply(become: Become, mode: SudoMode) -> None:
    """sudo to root, or nothing; the password is ready in the one mode that may ask for it."""
    reply = Reply(
        marker=f"[patchwave {NONCE}] password: ".encode(), data=SecretBytes(b"x\n"), on_repeat="SudoPasswordWrong"
    )
    assert mode == sudo_mode(become)
    assert ((reply,) if mode is SudoMode.PASSWORD else ()) == sudo_replies(become, NONCE)


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("sudo: a password is required", SudoPasswordMissing),
        ("sudo: a terminal is required to read the password", SudoPasswordMissing),
        ("sudo: interactive authentication is required", SudoPasswordMissing),
        ("Sorry, try again.", SudoPasswordWrong),
        ("sudo: 1 incorrect password attempt", SudoPasswordWrong),
        ("sudo: 3 incorrect password attempts", SudoPasswordWrong),
        ("sudo: no password was provided\nsudo: a password is required", SudoPasswordWrong),
        ("ops is not in the sudoers file.  This incident will be reported.", SudoRefused),
        ("ops is not in the sudoers file.\nThis incident has been reported to the administrator.", SudoRefused),
        ("Sorry, user ops may not run sudo on web1.", SudoRefused),
        ("Sorry, user ops is not allowed to execute '/usr/bin/sh -c ...' as root on web1.", SudoRefused),
        ("sudo: sorry, you must have a tty to run sudo", SudoRefused),
        ("sudo-rs: I'm sorry ops. I'm afraid I can't do that", SudoRefused),
        ("sudo: unable to resolve host web1", None),
        ("", None),
    ],
)
def test_what_sudo_says(stderr: str, expected: type[RootUnavailable] | None) -> None:
    """sudo's own words, under LC_ALL=C, name the error; words that mean nothing to us name none."""
    assert expected == sudo_complaint(stderr)
