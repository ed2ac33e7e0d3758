"""The command of a check: the constant script on stdin, everything that varies as arguments."""

import re
from collections.abc import Sequence

from orchestrator.core.hosts import Become
from orchestrator.ports.ssh import Command
from orchestrator.probe.packages import host_part
from orchestrator.probe.script import ProbePart, compose
from orchestrator.probe.sudo import sudo_mode, sudo_replies

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
    return Command(
        argv=("sh", "-s", "--", nonce, sudo_mode(become), host_part(known_packages or "-")),
        stdin=compose(extra).encode(),
        replies=sudo_replies(become, nonce),
        deadline=CHECK_DEADLINE,
    )
