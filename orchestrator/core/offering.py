"""Which tool patches a host, and what it offers there; or the named reason why nothing is."""

from collections.abc import Sequence

from pydantic import ValidationError

from orchestrator.core.facts import Facts, Kernel, Tool, ToolState, Update
from orchestrator.core.model import Frozen
from orchestrator.core.offers import Offer
from orchestrator.core.plans import LeftOutReason

_NOT_READY = {
    ToolState.ABSENT: LeftOutReason.NO_TOOL,
    ToolState.UNLICENSED: LeftOutReason.UNLICENSED,
    ToolState.DISABLED: LeftOutReason.TOOL_DISABLED,
    ToolState.UNSUPPORTED_KERNEL: LeftOutReason.UNSUPPORTED,
    ToolState.COVERAGE_EXPIRED: LeftOutReason.COVERAGE_EXPIRED,
    ToolState.LOCKED: LeftOutReason.TOOL_LOCKED,
    ToolState.CONFLICT: LeftOutReason.TOOL_CONFLICT,
    ToolState.CONTAINER: LeftOutReason.CONTAINER,
    ToolState.ERROR: LeftOutReason.TOOL_ERROR,
}


class NoOffer(Frozen):
    """Why a host gets nothing from its tool. ``detail`` is for a person."""

    reason: LeftOutReason
    detail: str = ""


def offered(facts: Facts, tools: Sequence[str], *, only: str | None = None) -> Offer | NoOffer:
    """What the host's own tool is to put in force.

    ``tools``: the names of those that bring their own patches, in the order in which they are chosen when several are
    ready; ``only``: the one that the playbook or the inventory names.
    """
    tool = _chosen(facts, [name for name in tools if only in (None, name)])
    if tool is None:
        return NoOffer(reason=LeftOutReason.NO_TOOL, detail=only or "")
    if tool.state is not ToolState.READY:
        detail = f"{tool.name}: {tool.detail}" if tool.detail else tool.name
        return NoOffer(reason=_NOT_READY[tool.state], detail=detail)
    if tool.disagrees:
        return NoOffer(reason=LeftOutReason.TOOL_ERROR, detail=f"{tool.name} {tool.disagrees[0]}")
    if facts.kernel is None or tool.deep is None or tool.deep.updates is None:
        return NoOffer(reason=LeftOutReason.UNKNOWN_UPDATES, detail=f"{tool.name}: run `patchwave scan --deep`")
    return _newest(tool, facts.kernel, tool.deep.updates)


def _chosen(facts: Facts, names: Sequence[str]) -> Tool | None:
    """The first that is ready; else the first that is there, whose state is the reason."""
    tools = [tool for name in names if (tool := facts.tool(name)) is not None and tool.state is not ToolState.ABSENT]
    return next((tool for tool in tools if tool.state is ToolState.READY), tools[0] if tools else None)


def _newest(tool: Tool, kernel: Kernel, updates: Sequence[Update]) -> Offer | NoOffer:
    """Updates of one package stand oldest first: its last is what is to be in force. Several make one patch set."""
    live = [update for update in updates if not update.needs_reboot]
    if not live:
        names = ", ".join(update.name for update in updates)
        reason = LeftOutReason.REBOOT_ONLY if updates else LeftOutReason.ALREADY_PATCHED
        return NoOffer(reason=reason, detail=names or f"{tool.name} offers nothing newer")
    is_one = len({update.name for update in live}) == 1
    try:
        return Offer(
            tool=tool.name,
            kernel=kernel.running,
            build_id=kernel.build_id,
            package=live[-1].name if is_one else None,
            level=live[-1].version if is_one else None,
            cves=tuple(sorted({cve for update in live for cve in update.cves})),
        )
    except ValidationError as exc:
        field = ".".join(map(str, exc.errors()[0]["loc"]))
        return NoOffer(reason=LeftOutReason.TOOL_ERROR, detail=f"{tool.name} offers a {field} that is no name")
