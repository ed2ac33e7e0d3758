"""The one state model over all live-patch tools: what each tells, settled against the kernel and against each other.

A tool is believed about what it did, the kernel about what is in force: a patch that a tool calls applied and that
sysfs does not show as applied is no success, and `Tool.disagrees` names it.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime

from orchestrator.core.facts import (
    Deep,
    Facts,
    Kernel,
    LivePatch,
    PatchState,
    Tool,
    ToolState,
    Update,
    UserspacePatch,
)
from orchestrator.core.model import Frozen
from orchestrator.core.offers import TOOL_WORD

MODULE_TOOLS = frozenset({"klp", "kpatch"})
"""Tools that load modules of the catalogue, by different means: they do not exclude each other."""

AS_OF_DEEP = "so the last deep check: `patchwave scan --deep` asks again"

LEAST_FIRST = (
    PatchState.FAILED,
    PatchState.STALLED,
    PatchState.REVERTING,
    PatchState.TRANSITIONING,
    PatchState.DISABLED,
    PatchState.APPLIED,
)
"""Where two sources tell of the same patch, the one that says less is believed."""


class Told(Frozen):
    """One live patch of the kernel, as its tool tells of it. ``name`` is the module's where ``in_sysfs``.

    ``state`` None: the tool tells none, and the kernel alone counts; then one that the kernel does not list is not
    live. ``in_sysfs`` False: the tool's patches never show in /sys/kernel/livepatch.
    """

    name: str
    version: str | None = None
    state: PatchState | None = None
    cves: tuple[str, ...] = ()
    in_sysfs: bool = True


class ToolReport(Frozen):
    """What one backend read from one check. ``is_in_use``: its agent is switched on, or it has something in force,
    so that no other vendor's tool may patch this kernel. ``excludes``: whether it patches the kernel at all."""

    tool: Tool
    told: tuple[Told, ...] = ()
    is_in_use: bool = False
    excludes: bool = True
    userspace_patches: tuple[UserspacePatch, ...] = ()


def settle_tools(facts: Facts, reports: Sequence[ToolReport]) -> Facts:
    """The facts with every tool in it. ``facts.live_patches`` are the kernel's own until then; the reports stand in
    the order in which they may claim a patch of the kernel's: whoever installed it before whoever loads anything."""
    patches, disagreements = _claimed(facts, reports)
    in_use = _in_use(reports, patches)
    tools = tuple(_settled(report, in_use, disagreements.get(report.tool.name, ())) for report in reports)
    return facts.model_copy(
        update={
            "live_patches": tuple(sorted(patches, key=lambda patch: (patch.name, patch.tool))),
            "tools": tuple(sorted(tools, key=lambda tool: tool.name)),
            "kernel": _with_effective(facts, tools),
            "userspace_patches": tuple(patch for report in reports for patch in report.userspace_patches),
        }
    )


def _claimed(facts: Facts, reports: Sequence[ToolReport]) -> tuple[list[LivePatch], dict[str, tuple[str, ...]]]:
    """Every patch once, under the tool that claims it; and by tool, where it says more than the kernel."""
    unclaimed = {_module(patch.name): patch for patch in facts.live_patches}
    is_readable = "live_patches" not in facts.unknown
    claimed: dict[str, LivePatch] = {}
    patches, disagreements = list[LivePatch](), dict[str, tuple[str, ...]]()
    for report in reports:
        name = report.tool.name
        for told in report.told:
            if not told.in_sysfs:
                patches.append(_by_word(name, told, told.state or PatchState.FAILED))
            elif (seen := unclaimed.pop(_module(told.name), None)) is not None:
                claimed[_module(told.name)] = _merged(name, told, seen)
                disagreements[name] = (*disagreements.get(name, ()), *_overstates(told, seen))
            elif _module(told.name) not in claimed and told.state is not None:
                patches.append(_by_word(name, told, _unlisted(told.state)))
                if told.state is PatchState.APPLIED and is_readable:
                    line = f"says that {told.name} is applied, and the kernel lists no such patch"
                    disagreements[name] = (*disagreements.get(name, ()), line)
    return [*patches, *claimed.values(), *unclaimed.values()], disagreements


def _module(name: str) -> str:
    """Modules have underscores where files and packages have dashes (modprobe(8))."""
    return name.replace("-", "_")


def _by_word(tool: str, told: Told, state: PatchState) -> LivePatch:
    return LivePatch(tool=tool, name=told.name, version=told.version, state=state, cves=told.cves)


def _unlisted(state: PatchState) -> PatchState:
    """Of a patch that the kernel does not show: since 5.1 a disabled one vanishes, any other cannot be told."""
    return state if state is PatchState.DISABLED else PatchState.FAILED


def _merged(tool: str, told: Told, seen: LivePatch) -> LivePatch:
    state = seen.state if told.state is None else min(told.state, seen.state, key=LEAST_FIRST.index)
    cves = tuple(sorted({*seen.cves, *told.cves}))
    return seen.model_copy(update={"tool": tool, "version": told.version or seen.version, "state": state, "cves": cves})


def _overstates(told: Told, seen: LivePatch) -> tuple[str, ...]:
    if told.state is not PatchState.APPLIED or seen.state is PatchState.APPLIED:
        return ()
    return (f"says that {told.name} is applied, and the kernel says {seen.state}",)


def _in_use(reports: Sequence[ToolReport], patches: Iterable[LivePatch]) -> dict[str, str]:
    """The tools that keep others out, and why. One that cannot be understood may have anything in force: it keeps
    others out as well, and a patch that nobody claims may be its own."""
    unreadable = {one.tool.name for one in reports if one.excludes and one.tool.state is ToolState.ERROR}
    loaded = {patch.tool for patch in patches if patch.state is not PatchState.DISABLED}
    loaded -= MODULE_TOOLS if unreadable else frozenset()
    using = {one.tool.name for one in reports if one.excludes and (one.is_in_use or one.tool.name in loaded)}
    return dict.fromkeys(unreadable, "cannot be understood") | dict.fromkeys(using, "patches this kernel")


def _settled(report: ToolReport, in_use: Mapping[str, str], disagrees: tuple[str, ...]) -> Tool:
    tool = _named(report.tool)
    if disagrees:
        tool = tool.model_copy(update={"disagrees": (*tool.disagrees, *disagrees)})
    rivals = _rivals(tool.name, in_use) if report.excludes else []
    if not rivals or tool.state in (ToolState.ABSENT, ToolState.CONTAINER, ToolState.ERROR):
        return tool
    detail = " and ".join(f"{name} {in_use[name]}" for name in rivals)
    return tool.model_copy(update={"state": ToolState.CONFLICT, "detail": detail})


def _rivals(name: str, in_use: Collection[str]) -> list[str]:
    """The tools in use that `name` must not share a kernel with (KernelCare's, Canonical's and Red Hat's manuals)."""
    own = MODULE_TOOLS if name in MODULE_TOOLS else {name}
    return sorted(set(in_use) - own)


def _named(tool: Tool) -> Tool:
    """A level goes into commands on other hosts, as what they are to have: what is no word of one is not believed."""
    if tool.level is None or re.fullmatch(TOOL_WORD, tool.level):
        return tool
    detail = f"it calls what is in force {tool.level[:100]!r}"
    return tool.model_copy(update={"level": None, "state": ToolState.ERROR, "detail": detail})


def _with_effective(facts: Facts, tools: Iterable[Tool]) -> Kernel | None:
    effective = next((tool.effective_kernel for tool in tools if tool.effective_kernel), None)
    if facts.kernel is None or effective is None:
        return facts.kernel
    return facts.kernel.model_copy(update={"effective": effective})


def with_deep(before: Facts | None, facts: Facts, *, at: datetime, is_deep: bool) -> Facts:
    """The facts of a check at that moment with what deep checks found: its own, or the last one's of this boot.

    An ordinary check keeps the last deep one's findings, unless they have been overtaken: once a tool has something
    else in force than then, and not just the last that it offered, what it offers is unknown. What they say against a
    tool counts until the next deep check.
    """
    deep_at, old = (at if is_deep else None), dict[str, Tool]()
    if not is_deep and before is not None and facts.boot_id is not None and before.boot_id == facts.boot_id:
        deep_at, old = before.volatile.deep_observed_at, {tool.name: tool for tool in before.tools}
    tools = (_carried(tool, old.get(tool.name)) for tool in facts.tools)
    return facts.model_copy(
        update={
            "tools": tuple(_against(tool, at.date()) for tool in tools),
            "volatile": facts.volatile.model_copy(update={"deep_observed_at": deep_at}),
        }
    )


def _carried(tool: Tool, old: Tool | None) -> Tool:
    if old is None or old.deep is None:
        return tool
    deep = old.deep if old.level == tool.level else old.deep.model_copy(update={"updates": _left(tool, old.deep)})
    return tool.model_copy(update={"deep": deep})


def _left(tool: Tool, deep: Deep) -> tuple[Update, ...] | None:
    """What is still offered now that the level is another one; None: nobody knows."""
    live = [update for update in deep.updates or () if not update.needs_reboot]
    if tool.level is None or not live or live[-1].version != tool.level:
        return None
    return tuple(update for update in deep.updates or () if update.needs_reboot)


def _against(tool: Tool, today: date) -> Tool:
    """A tool that looks ready and was found not to be when the vendor was asked, or whose coverage has ended since."""
    deep = tool.deep
    if tool.state is not ToolState.READY or deep is None:
        return tool
    if deep.state is not None:
        detail = "; ".join(filter(None, (deep.detail or tool.detail, AS_OF_DEEP)))
        return tool.model_copy(update={"state": deep.state, "detail": detail})
    if deep.coverage_until is not None and deep.coverage_until < today:
        detail = f"the running kernel was covered until {deep.coverage_until}"
        return tool.model_copy(update={"state": ToolState.COVERAGE_EXPIRED, "detail": detail})
    return tool
