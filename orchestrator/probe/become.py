"""Whether the root part ran, and if not, why."""

from orchestrator.errors import RootUnavailable, SudoMissing, SudoPasswordMissing, SudoPasswordWrong, SudoRefused
from orchestrator.probe.answer import INCOMPLETE, Answer
from orchestrator.probe.fields import Fields

NEEDS_ROOT = "needs_root"
"""Why something is unknown: the login is not root, and root was not asked for."""

_SAYINGS: tuple[tuple[str, type[RootUnavailable]], ...] = (
    ("a password is required", SudoPasswordMissing),
    ("a terminal is required", SudoPasswordMissing),
    ("interactive authentication is required", SudoPasswordMissing),
    ("incorrect password attempt", SudoPasswordWrong),
    ("no password was provided", SudoPasswordWrong),
    ("not in the sudoers file", SudoRefused),
    ("may not run sudo", SudoRefused),
    ("is not allowed to", SudoRefused),
    ("must have a tty", SudoRefused),
    ("i'm afraid i can't do that", SudoRefused),
    ("command not found", SudoMissing),
)
"""What sudo (and sudo-rs) says under LC_ALL=C, in lower case."""


def root_lacks(answer: Answer, account: Fields) -> str | None:
    """Why nothing was read as root; None when the root part began."""
    if answer.root:
        return None
    if account.lacks:
        return INCOMPLETE
    how, said = account.get("how"), answer.stderr.lower()
    if how == "none":
        return NEEDS_ROOT
    if how == "missing":
        return SudoMissing.code
    return next((error.code for saying, error in _SAYINGS if saying in said), RootUnavailable.code)
