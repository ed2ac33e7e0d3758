"""What all backends of vendors' tools share where they change a host: their actions run under the guard, as klp's do.

The contract of an actions file stands at the head of ``guard_worker.sh``. Status and answer are the guard's own:
`guard.status_command`, `guard.parse_answer`.
"""

import re

from orchestrator.backends.become import pieces
from orchestrator.backends.guard import ToolOrder, start_worker
from orchestrator.core.hosts import Host
from orchestrator.ports.ssh import Command

_SUFFIX = "_actions"


def start_tool(host: Host, order: ToolOrder, actions: str, nonce: str, *, more: tuple[str, ...] = ()) -> Command:
    """Start an attempt, detached. ``actions``: the name of the tool's file of actions without its ``.sh``,
    ``NAME_actions``; NAME is what the tool's pin is called on the host. ``more``: other files that it needs."""
    words = (*order.arguments(), f"tool={tool_of(actions)}", "size=0")
    return start_worker(host, words, b"", nonce, pieces(tool_parts(actions, *more)))


def tool_parts(actions: str, *more: str) -> tuple[str, ...]:
    """The `.sh` files that a tool's worker is put together from. ``more``: others that its actions need."""
    return ("guard_common", "guard_actions", "guard_tool", "guard_pins", *more, actions, "guard_worker")


def tool_of(actions: str) -> str:
    """The tool whose actions these are."""
    if re.fullmatch(r"[a-z][a-z0-9_]*" + _SUFFIX, actions) is None:
        raise ValueError(f"{actions!r} is no name of actions: they are called NAME{_SUFFIX}")
    return actions.removesuffix(_SUFFIX)
