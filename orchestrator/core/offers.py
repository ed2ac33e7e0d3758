"""What a host's own live-patch tool puts in force there: no module of ours."""

from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from orchestrator.core.model import Frozen
from orchestrator.core.patches import Build, BuildId, KernelRelease

TOOL_WORD = r"^[A-Za-z0-9][A-Za-z0-9._+~:@-]{0,199}$"
ToolWord = Annotated[str, StringConstraints(pattern=TOOL_WORD)]
"""A package, version or patch level as it may stand in a command: whatever a host calls otherwise is not sent back."""


class Offer(Frozen):
    """What a tool offers for one kernel: ``kernel`` is its ``uname -r``, ``build_id`` its build id, where it was read.

    ``package``: the package or patch set, in the tool's own terms. ``level``: what `Tool.level` is to say afterwards;
    None: the newest that the tool offers, until a canary has shown which that is.
    """

    tool: str
    kernel: KernelRelease
    build_id: BuildId | None = None
    package: ToolWord | None = None
    level: ToolWord | None = None
    cves: tuple[str, ...] = ()


Payload: TypeAlias = Build | Offer
"""What an attempt is to put in force: a module of the catalogue, or what the host's own tool offers."""
