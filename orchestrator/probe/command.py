"""The command of a check: the constant script on stdin, everything that varies as arguments."""

import re
from collections.abc import Sequence

from pydantic import SecretBytes

from orchestrator.core.hosts import Become
from orchestrator.ports.ssh import Command, Reply
from orchestrator.probe.script import ProbePart, compose

CHECK_DEADLINE = 60.0
"""Seconds a check may take."""


def check_command(
    *, nonce: str, become: Become, known_packages: str | None, extra: Sequence[ProbePart] = ()
) -> Command:
    """One check of one host, over one channel.

    ``nonce``: 16 to 64 letters and digits, new for each check. ``known_packages``: the fingerprint of the package list
    that we already have, so that it is not sent again. The password of sudo waits for its prompt: see DESIGN, sudo.
    """
    if not re.fullmatch(r"[A-Za-z0-9]{16,64}", nonce):
        raise ValueError("the nonce of a check is 16 to 64 letters and digits")
    mode = _mode(become)
    return Command(
        argv=("sh", "-s", "--", nonce, mode, known_packages or "-"),
        stdin=compose(extra).encode(),
        replies=(_password(nonce, become),) if mode == "password" else (),
        deadline=CHECK_DEADLINE,
    )


def _mode(become: Become) -> str:
    """``none``: only a login as root reads what needs root; ``nopass``: sudo, without a password; ``password``."""
    if become.enabled is False or become.method != "sudo" or become.user != "root":
        return "none"
    return "nopass" if become.password is None else "password"


def _password(nonce: str, become: Become) -> Reply:
    secret = "" if become.password is None else become.password.get_secret_value()
    return Reply(
        marker=b"[patchwave %s] password: " % nonce.encode(),
        data=SecretBytes(secret.encode() + b"\n"),
        on_repeat="SudoPasswordWrong",
    )
