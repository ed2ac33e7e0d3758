"""The commands that start an attempt under the guard, or ask what became of one.

What runs on the host is put together from the ``.sh`` files of this package and the tool's ``actions.sh``;
``worker.sh`` says at its head what that may do. docs/adr/0003 says why it is built this way.
"""

import hashlib
import re

from pydantic import SecretBytes

from orchestrator.backends.guard.become import root_script
from orchestrator.backends.guard.orders import Order, ToolOrder
from orchestrator.backends.pieces import pieces
from orchestrator.core.hosts import Host
from orchestrator.errors import ModuleInvalid
from orchestrator.ports.ssh import Command, Reply
from orchestrator.probe.sudo import sudo_mode, sudo_replies

START_SECONDS = 180.0
"""Deadline of a start: the upload of a module over a slow line. The attempt itself runs detached."""

STATUS_SECONDS = 30.0
MAX_ANSWER = 256 * 1024
"""Bytes: the guard sends at most 60,000 of an attempt's output."""

_ACTIONS = re.compile(r"([a-z][a-z0-9_]*)/([a-z]+_)?actions")


def start_command(host: Host, order: Order, module: bytes, nonce: str, *, parts: tuple[str, ...]) -> Command:
    """Start it, detached. ``module`` is sent when the host says that it is ready for it; empty: none is sent.

    ``parts``: the worker's `.sh` files. Raises `ModuleInvalid` when the module is not the one that was ordered.
    """
    if module and hashlib.sha256(module).hexdigest() != order.sha256:
        raise ModuleInvalid(f"{host.name}: the module {order.name} is not the one that the catalogue recorded")
    return start_worker(host, (*order.arguments(), f"size={len(module)}"), module, nonce, pieces(parts))


def start_tool(host: Host, order: ToolOrder, actions: str, nonce: str, *, more: tuple[str, ...] = ()) -> Command:
    """Start an attempt, detached. ``actions``: the tool's file of actions, ``TOOL/actions``; TOOL is what
    the tool's pin is called on the host. ``more``: other files that it needs."""
    words = (*order.arguments(), f"tool={tool_of(actions)}", "size=0")
    return start_worker(host, words, b"", nonce, pieces(tool_parts(actions, *more)))


def tool_parts(actions: str, *more: str) -> tuple[str, ...]:
    """The `.sh` files that a tool's worker is put together from. ``more``: others that its actions need."""
    return ("guard/common", "guard/actions", "guard/tool", "guard/pins", *more, actions, "guard/worker")


def tool_of(actions: str) -> str:
    """The tool whose actions these are."""
    named = _ACTIONS.fullmatch(actions)
    if named is None:
        raise ValueError(f"{actions!r} is no name of actions: they are called TOOL/actions or TOOL/WHAT_actions")
    return named[1]


def start_worker(host: Host, arguments: tuple[str, ...], module: bytes, nonce: str, worker: str) -> Command:
    """Start a worker whose text this is. ``arguments``: KEY=VALUE, validated by an order."""
    upload = Reply(marker=f"\n{nonce} ready\n".encode(), data=SecretBytes(module), then_eof=True)
    return Command(
        argv=_argv(host, nonce, arguments),
        stdin=root_script(("guard/common", "guard/start"), worker),
        replies=(*sudo_replies(host.become, nonce), *((upload,) if module else ())),
        deadline=START_SECONDS,
        max_output=MAX_ANSWER,
    )


def status_command(host: Host, attempt_id: str, nonce: str) -> Command:
    """Ask what became of it."""
    return Command(
        argv=_argv(host, nonce, (f"attempt={attempt_id}",)),
        stdin=root_script(("guard/common", "guard/status")),
        replies=sudo_replies(host.become, nonce),
        deadline=STATUS_SECONDS,
        max_output=MAX_ANSWER,
    )


def _argv(host: Host, nonce: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    return ("sh", "-s", "--", sudo_mode(host.become), f"nonce={nonce}", *arguments)
