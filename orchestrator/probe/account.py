"""Whether the root part ran, and if not, why."""

from orchestrator.errors import RootUnavailable, SudoMissing
from orchestrator.probe.answer import INCOMPLETE, Answer
from orchestrator.probe.fields import Fields
from orchestrator.probe.sudo import sudo_complaint

NEEDS_ROOT = "needs_root"
"""Why something is unknown: the login is not root, and root was not asked for."""


def root_lacks(answer: Answer, account: Fields) -> str | None:
    """Why nothing was read as root; None when the root part began."""
    if answer.root:
        return None
    if account.lacks:
        return INCOMPLETE
    match account.get("how"):
        case "none":
            return NEEDS_ROOT
        case "missing":
            return SudoMissing.code
        case _:
            return (sudo_complaint(answer.stderr) or RootUnavailable).code
