"""Becoming root through sudo: the one contract between the scripts on the host and what is sent and understood here.

``sudo.sh`` beside this module is the host's half. Checks and the guard of the backends both use it.
"""

from enum import StrEnum

from pydantic import SecretBytes

from orchestrator.core.hosts import Become
from orchestrator.errors import RootUnavailable, SudoPasswordMissing, SudoPasswordWrong, SudoRefused
from orchestrator.ports.ssh import Reply


class SudoMode(StrEnum):
    """How the host may use sudo where the login is not root: the first argument of ``run_as_root``."""

    PASSWORD = "password"  # noqa: S105 (the name of a mode)
    """Asking for the password, which is sent when the prompt appears, and else never."""
    NOPASSWORD = "nopassword"
    """Without a password, or not at all."""
    NEVER = "never"
    """Root comes from the login alone."""


_SAYINGS: tuple[tuple[str, type[RootUnavailable]], ...] = (
    # Before "a password is required": where a wrong password was the last try, sudo says both.
    ("incorrect password", SudoPasswordWrong),
    ("sorry, try again", SudoPasswordWrong),
    ("no password was provided", SudoPasswordWrong),
    ("a password is required", SudoPasswordMissing),
    ("a terminal is required", SudoPasswordMissing),
    ("interactive authentication is required", SudoPasswordMissing),
    ("not in the sudoers", SudoRefused),
    ("may not run sudo", SudoRefused),
    ("not allowed to", SudoRefused),
    ("must have a tty", SudoRefused),
    ("i'm afraid i can't do that", SudoRefused),
)
"""What sudo 1.8, sudo 1.9 and sudo-rs say under LC_ALL=C, in lower case. That there is no sudo, the script says."""


def sudo_mode(become: Become) -> SudoMode:
    """The mode for a host: sudo to root, or nothing."""
    if become.enabled is False or become.method != "sudo" or become.user != "root":
        return SudoMode.NEVER
    return SudoMode.NOPASSWORD if become.password is None else SudoMode.PASSWORD


def sudo_replies(become: Become, nonce: str) -> tuple[Reply, ...]:
    """The password, for when the prompt with that nonce appears; empty where none may be sent."""
    if become.password is None or sudo_mode(become) is not SudoMode.PASSWORD:
        return ()
    line = SecretBytes(become.password.get_secret_value().encode() + b"\n")
    return (Reply(marker=_prompt(nonce), data=line, on_repeat=SudoPasswordWrong.__name__),)


def sudo_complaint(stderr: str) -> type[RootUnavailable] | None:
    """The error that sudo's own words stand for; None when they are no words that we know."""
    said = stderr.lower()
    return next((error for saying, error in _SAYINGS if saying in said), None)


def _prompt(nonce: str) -> bytes:
    """As ``run_as_root`` puts it together. It holds no ``%``, which sudo would expand."""
    return b"[patchwave %s] password: " % nonce.encode()
