"""What is wrong with a host, step by step from its name to its ability to be live-patched. Pure."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from enum import StrEnum

from orchestrator.core.facts import Facts, Tool, ToolState, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.tools import MODULE_TOOLS
from orchestrator.errors import (
    AuthenticationFailed,
    BannerTimedOut,
    ConnectionRefused,
    ConnectTimedOut,
    HostCertificateUnsupported,
    HostError,
    HostKeyChanged,
    HostKeyUnknown,
    JumpFailed,
    KeyUnusable,
    NameUnresolved,
    NeedsRoot,
    PatchRefused,
    RootUnavailable,
    SessionBroken,
    SudoMissing,
    SudoPasswordMissing,
    SudoPasswordWrong,
    SudoRefused,
)

MOST_SKEW = timedelta(seconds=30)
"""A host's clock further off than this is warned about."""


class Step(StrEnum):
    """What is looked at, in this order; each needs the ones before it."""

    NAME = "name"
    """The address resolves."""
    PORT = "port"
    """An SSH server answers there."""
    KEY = "key"
    """Its host key is the pinned one."""
    LOGIN = "login"
    """The account is let in."""
    SHELL = "shell"
    """Its shell runs our script whole."""
    SUDO = "sudo"
    """Root is to be had where it is needed."""
    CLOCK = "clock"
    """Its clock agrees with ours."""
    LIVE_PATCH = "live_patch"
    """Its kernel can be live-patched."""


class Health(StrEnum):
    """How a step went."""

    OK = "ok"
    """As it should be."""
    WARN = "warn"
    """Works, with a limit worth knowing."""
    FAIL = "fail"
    """Does not work; the detail says what to do."""
    NOT_TRIED = "not_tried"
    """Another step failed before it came to this one, or nothing tells whether it did."""


class Result(Frozen):
    """One step's result; ``detail`` is for a person."""

    step: Step
    health: Health
    detail: str = ""


_FAILS_AT: dict[type[HostError], Step] = {
    NameUnresolved: Step.NAME,
    ConnectionRefused: Step.PORT,
    ConnectTimedOut: Step.PORT,
    BannerTimedOut: Step.PORT,
    JumpFailed: Step.PORT,
    HostKeyUnknown: Step.KEY,
    HostKeyChanged: Step.KEY,
    HostCertificateUnsupported: Step.KEY,
    AuthenticationFailed: Step.LOGIN,
    KeyUnusable: Step.LOGIN,
    SessionBroken: Step.SHELL,
    RootUnavailable: Step.SUDO,
    PatchRefused: Step.LIVE_PATCH,
}


def diagnose_error(error: HostError) -> tuple[Result, ...]:
    """The results of a check that failed with that error.

    The steps before the failing one went well, but for two: a jump host that failed looked up no name, and an error
    that is none of the above does not say how far it came.
    """
    failing = next((step for kind, step in _FAILS_AT.items() if isinstance(error, kind)), None)
    proved = failing is not None and not isinstance(error, JumpFailed)
    failing = failing or Step.PORT
    order = list(Step)
    at = order.index(failing)
    return (
        *(Result(step=step, health=Health.OK if proved else Health.NOT_TRIED) for step in order[:at]),
        Result(step=failing, health=Health.FAIL, detail=str(error)),
        *(Result(step=step, health=Health.NOT_TRIED) for step in order[at + 1 :]),
    )


def diagnose_facts(facts: Facts, patching: Collection[str]) -> tuple[Result, ...]:
    """The results of a check that came back. ``patching``: the tools that patch kernels."""
    reached = [Result(step=step, health=Health.OK) for step in (Step.NAME, Step.PORT, Step.KEY, Step.LOGIN)]
    tools = [tool for tool in facts.tools if tool.name in patching]
    return (*reached, _shell(facts), _sudo(facts), _clock(facts), _live_patch(facts, tools))


def _shell(facts: Facts) -> Result:
    broken = sorted(name for name, why in facts.unknown.items() if name != "root" and why not in _ROOT_CODES)
    if broken:
        return Result(step=Step.SHELL, health=Health.WARN, detail=f"could not be read: {', '.join(broken)}")
    return Result(step=Step.SHELL, health=Health.OK)


_ROOT_CODES = frozenset(
    kind.code for kind in (NeedsRoot, RootUnavailable, SudoPasswordMissing, SudoPasswordWrong, SudoRefused, SudoMissing)
)
"""Why something is unknown that only root can read: the next step tells of it."""


def _sudo(facts: Facts) -> Result:
    reason = facts.unknown.get("root")
    if reason is None:
        return Result(step=Step.SUDO, health=Health.OK, detail="is root" if facts.is_root else "")
    detail = f"{reason}: checks work without root, patching does not; see the sudoers lines in the README"
    return Result(step=Step.SUDO, health=Health.WARN, detail=detail)


def _clock(facts: Facts) -> Result:
    skew = facts.volatile.clock_skew
    if skew is None:
        return Result(step=Step.CLOCK, health=Health.WARN, detail="could not be read")
    if abs(skew) > MOST_SKEW:
        detail = f"{skew.total_seconds():+.0f} s off; stored times are the controller's, so nothing is lost"
        return Result(step=Step.CLOCK, health=Health.WARN, detail=detail)
    return Result(step=Step.CLOCK, health=Health.OK)


def _live_patch(facts: Facts, tools: Sequence[Tool]) -> Result:
    """A tool that is ready is enough; one that is there and is not, or that the kernel contradicts, is worth a look."""
    if facts.virtualization is Virtualization.CONTAINER:
        return Result(step=Step.LIVE_PATCH, health=Health.FAIL, detail="a container: patch the machine it runs on")
    ready = [tool.name for tool in tools if tool.state is ToolState.READY]
    amiss = [line for tool in tools for line in _amiss(tool) if not _gives_way(tool, ready)]
    health = Health.FAIL if not ready else Health.WARN if amiss else Health.OK
    return Result(step=Step.LIVE_PATCH, health=health, detail="; ".join([*ready, *amiss]) or _without_tool(tools))


def _gives_way(tool: Tool, ready: Sequence[str]) -> bool:
    """Modules of the catalogue stay out of a kernel that a vendor's tool patches: nothing is amiss with that."""
    return tool.name in MODULE_TOOLS and tool.state is ToolState.CONFLICT and bool(ready)


def _amiss(tool: Tool) -> list[str]:
    lines = [f"{tool.name} {line}" for line in tool.disagrees]
    if tool.state in (ToolState.READY, ToolState.ABSENT):
        return lines
    return [f"{tool.name} is {tool.state}: {tool.detail}" if tool.detail else f"{tool.name} is {tool.state}", *lines]


def _without_tool(tools: Sequence[Tool]) -> str:
    """Why the kernel itself cannot be patched, where that is known: no tool of a vendor's is there."""
    why = [tool.detail for tool in tools if tool.name in MODULE_TOOLS and tool.detail]
    return "; ".join(["no live-patch tool", *sorted(set(why))])
