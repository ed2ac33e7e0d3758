"""Facts against the catalogue of kernel modules: one finding per CVE, with the rule that decided it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.core.catalogue import Catalogue, InForce, epoch, fitting_build, in_force
from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState
from orchestrator.core.findings import Finding, worst
from orchestrator.core.patches import Cve, Fix, Patch, Severity

TOOL = "klp"
"""The backend whose patches the catalogue of kernel modules describes."""

_NEEDED = ("kernel", "kernel.running", "kernel.build_id", "boot_id", "live_patches")
"""The facts without which nothing can be told; in `Facts.unknown` they stand with the reason."""

_NEEDED_OF_PATCH = {"state", "enabled", "transition", "build_id"}
"""Of a single live patch (``live_patches.NAME.FIELD``). Its blocking tasks, for one, are not needed."""


def find(facts: Facts, patches: Sequence[Patch], *, removed: Sequence[Patch] = ()) -> tuple[Finding, ...]:
    """One finding for each CVE that an item with a module for exactly this kernel fixes, by CVE.

    ``removed`` are items taken out of the catalogue: their loaded modules still cover what they fix. Where the kernel
    itself could not be told, every CVE that may concern it is unknown; never is one covered that cannot be told.
    """
    fitting = [patch for patch in patches if _may_fit(facts, patch)]
    forced = in_force(facts, (*patches, *removed))
    cves = sorted({fix.cve for patch in fitting for fix in patch.fixes})
    return tuple(_find_one(facts, cve, fixing(cve, fitting), forced) for cve in cves)


def fixing(cve: Cve, patches: Sequence[Patch]) -> tuple[Patch, ...]:
    """The items that fix it."""
    return tuple(patch for patch in patches if any(fix.cve == cve for fix in patch.fixes))


def worst_severity(cve: Cve, patches: Sequence[Patch]) -> Severity:
    """The worst severity that these items give it; unknown when none does."""
    return worst(fix.severity for fix in _fixes(cve, patches))


def first_disclosed(cve: Cve, patches: Sequence[Patch]) -> datetime | None:
    """The earliest disclosure that these items name; None when none does."""
    return min((fix.disclosed for fix in _fixes(cve, patches) if fix.disclosed is not None), default=None)


class CatalogueMatcher:
    """`find` with a memory for what the catalogue held at an instant. Not for use by several threads at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.changes = catalogue.changes()
        self.ever = frozenset(fix.cve for patch in catalogue.patches for fix in patch.fixes)
        self._listed: dict[int, frozenset[Cve]] = {}

    def findings(self, facts: Facts, at: datetime) -> Mapping[Cve, Finding]:
        """The findings by the catalogue as it was at that instant."""
        listed, known = self.catalogue.listed(at), self.catalogue.known(at)
        ids = {patch.id for patch in listed}
        removed = tuple(patch for patch in known if patch.id not in ids)
        return {one.cve: one for one in find(facts, listed, removed=removed)}

    def listed(self, at: datetime) -> frozenset[Cve]:
        """The CVEs that some item in the catalogue fixed at that instant."""
        key = epoch(self.changes, at)
        if key not in self._listed:
            self._listed[key] = frozenset(fix.cve for patch in self.catalogue.listed(at) for fix in patch.fixes)
        return self._listed[key]


def _find_one(facts: Facts, cve: Cve, fitting: Sequence[Patch], forced: Sequence[InForce]) -> Finding:
    covering = next((one for one in forced if any(fix.cve == cve for fix in one.patch.fixes)), None)
    fits = [patch for patch in fitting if fitting_build(facts, patch) is not None]
    verdict = _verdict(facts, fitting, covering)
    return Finding(
        cve=cve,
        severity=worst_severity(cve, fitting),
        disclosed=first_disclosed(cve, fitting),
        fix_available=min((patch.added_at for patch in fits), default=None),
        known_from=min((patch.added_at for patch in fits), default=None),
        **verdict | ({"remedy": Remedy.NONE} if not fits else {}),
    )


def _verdict(facts: Facts, fitting: Sequence[Patch], covering: InForce | None) -> dict[str, Any]:
    unread = _unread(facts)
    if unread is not None:
        return _unknown(unread)
    if covering is not None:
        return {
            "state": ExposureState.COVERED,
            "reason": CoveredBy.LIVE_PATCHED,
            "remedy": Remedy.NONE,
            "rule": _covered_rule(covering),
            "covered_by": covering.patch.id,
            "tool": TOOL,
        }
    unsure = _unsure(facts, fitting)
    if unsure is not None:
        return _unknown(unsure)
    return {"state": ExposureState.EXPOSED, "remedy": Remedy.LIVE_PATCH, "rule": _exposed_rule(facts, fitting)}


def _unknown(rule: str) -> dict[str, Any]:
    return {"state": ExposureState.UNKNOWN, "remedy": Remedy.LIVE_PATCH, "rule": rule}


def _unread(facts: Facts) -> str | None:
    """Why nothing can be told of this host, or None."""
    for name, why in sorted(facts.unknown.items()):
        if _is_needed(name):
            return f"{name} could not be read: {why}"
    if facts.kernel is None:
        return "the running kernel could not be read"
    if facts.kernel.build_id is None:
        return f"the build id of the running kernel {facts.kernel.running} could not be read"
    return None


def _is_needed(name: str) -> bool:
    if name in _NEEDED:
        return True
    parts = name.split(".")
    return len(parts) > 2 and parts[0] == "live_patches" and parts[-1] in _NEEDED_OF_PATCH


def _unsure(facts: Facts, fitting: Sequence[Patch]) -> str | None:
    """A live patch that may be one of those that fix it, or None."""
    ours = {build.module_build_id for patch in fitting for build in patch.builds}
    for live in facts.live_patches:
        if live.build_id is None and live.state in {PatchState.APPLIED, PatchState.FAILED}:
            return f"the live patch {live.name} is {live.state}, but its build id could not be read: it may be any"
        # sysfs has no word for "failed": there it means that the state could not be told.
        if live.build_id in ours and live.state is PatchState.FAILED:
            return f"the state of the live patch {live.name} cannot be told"
    return None


def _covered_rule(covering: InForce) -> str:
    live, build = covering.live_patch, covering.build
    return (
        f"{covering.patch.id} fixes it and is in force: module {live.name} with build id {build.module_build_id} is "
        f"{live.state} on {build.kernel} ({build.build_id})"
    )


def _exposed_rule(facts: Facts, fitting: Sequence[Patch]) -> str:
    kernel = facts.kernel
    named = ", ".join(patch.id for patch in fitting)
    where = f"{kernel.running} ({kernel.build_id})" if kernel is not None else "this kernel"
    loaded = [live for patch in fitting if (live := _loaded(facts, patch)) is not None]
    seen = "; ".join(f"module {live.name} is {live.state}" for live in loaded) or "no module that fixes it is loaded"
    return f"{named} fixes it on {where} and is not in force: {seen}"


def _loaded(facts: Facts, patch: Patch) -> LivePatch | None:
    build = fitting_build(facts, patch)
    return None if build is None else facts.patch_with_build(build.module_build_id)


def _may_fit(facts: Facts, patch: Patch) -> bool:
    """Whether it has a module for the running kernel, or may have one as far as that could be read."""
    kernel: Kernel | None = facts.kernel
    if kernel is None:
        return True
    if kernel.build_id is None:
        return any(build.kernel == kernel.running for build in patch.builds)
    return fitting_build(facts, patch) is not None


def _fixes(cve: Cve, patches: Sequence[Patch]) -> list[Fix]:
    return [fix for patch in patches for fix in patch.fixes if fix.cve == cve]
