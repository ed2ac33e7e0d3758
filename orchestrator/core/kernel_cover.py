"""What live patches do about a CVE in the running kernel: which one covers it, and what would."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache

from orchestrator.core.advisories import ModuleFix, Told
from orchestrator.core.assessments import Assessment, Ruling
from orchestrator.core.bounded_regex import compile_bounded
from orchestrator.core.exposure_states import Remedy
from orchestrator.core.facts import Facts, LivePatch, PatchState, ToolState, Update
from orchestrator.core.model import Frozen
from orchestrator.core.patches import Cve
from orchestrator.core.versions import without_epoch
from orchestrator.errors import PatternInvalid

OUT_OF_SIGHT = frozenset({"kernelcare", "ksplice"})
"""Tools whose patches the kernel's own sysfs does not show: nobody else can tell what they did."""

NOTICED_BY = "canonical"
"""The tool that Ubuntu's live patch notices are about."""


class Cover(Frozen):
    """A live patch in force that fixes the CVE: whose, which, and how that is known."""

    tool: str
    name: str
    rule: str


def cover(facts: Facts, cve: Cve, notices: Iterable[Told[ModuleFix]], packages: Iterable[Assessment]) -> Cover | None:
    """The live patch that covers it by what its tool says, by a notice about its module, or by its package's version.

    ``notices`` are those of this CVE and this kernel, ``packages`` the rulings on installed live-patch packages. Only
    patches that are in force count.
    """
    applied = [live for live in facts.live_patches if live.state is PatchState.APPLIED]
    for live in applied:
        if cve in live.cves:
            return _cover(live, f"{live.tool} says that it fixes {cve}")
    for live in applied:
        for notice in notices:
            if notified(live.name, notice.said):
                what = f"{notice.entry} says that it fixes {cve} from version {notice.said.version} on"
                return _cover(live, f"{what} ({notice.feed}, {notice.said.where})", tool=NOTICED_BY)
        for one in packages:
            if one.ruling is Ruling.FIXED and _is_of(live, one):
                said = one.told.said
                what = f"its package {one.component.name} {one.component.version} has the fix of {said.fixed}"
                return _cover(live, f"{what} ({one.told.feed}, {one.told.entry}, {said.where})")
    return None


def notified(module: str, notice: ModuleFix) -> bool:
    """Whether a module of that name fixes what the notice says: its name has the pattern's form, and its version, the
    pattern's first group, is the notice's or a later one."""
    pattern = _compiled(notice.pattern)
    found = None if pattern is None else pattern(module)
    return found is not None and found >= notice.version


def unsure(facts: Facts) -> str | None:
    """Why it cannot be told which live patches are in force, or None."""
    if "live_patches" in facts.unknown:
        return f"the live patches could not be read: {facts.unknown['live_patches']}"
    applied = [live for live in facts.live_patches if live.state is PatchState.APPLIED]
    for tool in facts.tools:
        may_own_one = any(live.tool == tool.name or not live.cves for live in applied)
        if tool.state is ToolState.ERROR and (may_own_one or tool.name in OUT_OF_SIGHT):
            return f"what {tool.name} has in force cannot be told: its answer was not understood"
    return None


def offered(facts: Facts, cve: Cve) -> tuple[str, Update] | None:
    """A tool that can be used and the update that it offers against this CVE, live patches before reboots; or None."""
    found = [
        (tool.name, update)
        for tool in facts.tools
        if tool.deep is not None and tool.state is ToolState.READY
        for update in tool.deep.updates or ()
        if cve in update.cves
    ]
    return min(found, key=lambda one: one[1].needs_reboot, default=None)


def remedy(
    facts: Facts,
    cve: Cve,
    *,
    notices: Sequence[Told[ModuleFix]],
    packages: Iterable[Assessment],
    is_on_disk: bool,
    has_fix: bool,
) -> Remedy:
    """What would close it: a live patch that is to be had, a reboot into an image with the fix, or nothing.

    ``is_on_disk``: an installed kernel that does not run has the fix; ``has_fix``: there is one at all.
    """
    offer = offered(facts, cve)
    canonical = facts.tool(NOTICED_BY)
    is_noticed = bool(notices) and canonical is not None and canonical.state is ToolState.READY
    is_packaged = any(one.ruling is Ruling.AFFECTED and one.has_fix for one in packages)
    if (offer is not None and not offer[1].needs_reboot) or is_noticed or is_packaged:
        return Remedy.LIVE_PATCH
    return Remedy.REBOOT if is_on_disk or has_fix or offer is not None else Remedy.NONE


def holding(notices: Iterable[Told[ModuleFix]], at: datetime) -> list[Told[ModuleFix]]:
    """Those that we knew at that instant."""
    return [one for one in notices if one.holds(at)]


def _cover(live: LivePatch, why: str, tool: str | None = None) -> Cover:
    version = f" {live.version}" if live.version else ""
    return Cover(
        tool=tool or live.tool, name=live.name, rule=f"the live patch {live.name}{version} is {live.state}, and {why}"
    )


def _is_of(live: LivePatch, package: Assessment) -> bool:
    """Whether the live patch came from that package: its tool gives it the package's version."""
    return live.version is not None and without_epoch(live.version) == without_epoch(package.component.version)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> Callable[[str], int | None] | None:
    """From a module's name to its version; None for a pattern that is none, or is not bounded."""
    try:
        compiled = compile_bounded(pattern)
    except PatternInvalid:
        return None
    if compiled.groups < 1:
        return None

    def version(name: str) -> int | None:
        found = compiled.fullmatch(name)
        digits = found[1] if found else None
        return int(digits) if digits is not None and digits.isdecimal() and len(digits) < 10 else None

    return version
