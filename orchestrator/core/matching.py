"""Facts against the catalogue: one finding per CVE, with the rule that decided it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.core.catalogue import Catalogue, InForce, epoch, fitting_build, in_force
from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve, Fix, Patch, Severity

_WORST_FIRST = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.UNKNOWN)

_NEEDED = ("kernel", "kernel.running", "kernel.build_id", "boot_id", "live_patches")
"""The facts without which nothing can be told; in `Facts.unknown` they stand with the reason."""

_NEEDED_OF_PATCH = {"state", "enabled", "transition", "build_id"}
"""Of a single live patch (``live_patches.NAME.FIELD``). Its blocking tasks, for one, are not needed."""


class Finding(Frozen):
    """One CVE against one host's facts. ``rule`` says for a person which item, build and fact decided it.

    ``severity`` is the worst that any item gives, ``disclosed`` the earliest date; ``fix_available`` is when the first
    item with a module for this kernel was added: None where none is known to fit. ``covered_by`` is the id of the item
    in force.
    """

    cve: Cve
    state: ExposureState
    reason: CoveredBy | None = None
    remedy: Remedy
    rule: str
    severity: Severity
    disclosed: Moment | None = None
    fix_available: Moment | None = None
    covered_by: str | None = None


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
    given = {fix.severity for fix in _fixes(cve, patches)}
    return next((severity for severity in _WORST_FIRST if severity in given), Severity.UNKNOWN)


def first_disclosed(cve: Cve, patches: Sequence[Patch]) -> datetime | None:
    """The earliest disclosure that these items name; None when none does."""
    return min((fix.disclosed for fix in _fixes(cve, patches) if fix.disclosed is not None), default=None)


def signature(facts: Facts) -> tuple[Any, ...]:
    """What of the facts `find` looks at: hosts with equal signatures have equal findings."""
    kernel = facts.kernel
    return (
        None if kernel is None else (kernel.running, kernel.build_id),
        tuple((live.name, live.build_id, live.state) for live in facts.live_patches),
        tuple(sorted((name, why) for name, why in facts.unknown.items() if _is_needed(name))),
    )


class Matcher:
    """`find` with a memory: hosts with the same signature, and instants with the same catalogue, share their findings.

    Not for use by several threads at once.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.changes = catalogue.changes()
        self._found: dict[tuple[Any, ...], Mapping[Cve, Finding]] = {}
        self._about: dict[tuple[int, Cve], tuple[Patch, ...]] = {}
        self._listed: dict[int, frozenset[Cve]] = {}

    def findings(self, facts: Facts, at: datetime) -> Mapping[Cve, Finding]:
        """The findings by the catalogue as it was at that instant."""
        key = (epoch(self.changes, at), signature(facts))
        found = self._found.get(key)
        if found is None:
            listed, known = self.catalogue.listed(at), self.catalogue.known(at)
            ids = {patch.id for patch in listed}
            removed = tuple(patch for patch in known if patch.id not in ids)
            found = self._found[key] = {one.cve: one for one in find(facts, listed, removed=removed)}
        return found

    def listed(self, at: datetime) -> frozenset[Cve]:
        """The CVEs that some item in the catalogue fixed at that instant."""
        key = epoch(self.changes, at)
        if key not in self._listed:
            self._listed[key] = frozenset(fix.cve for patch in self.catalogue.listed(at) for fix in patch.fixes)
        return self._listed[key]

    def about(self, cve: Cve, at: datetime) -> tuple[Patch, ...]:
        """The items that told of a CVE at that instant: those in the catalogue, or else those that once were."""
        key = (epoch(self.changes, at), cve)
        if key not in self._about:
            listed = fixing(cve, self.catalogue.listed(at))
            self._about[key] = listed or fixing(cve, self.catalogue.known(at))
        return self._about[key]


def _find_one(facts: Facts, cve: Cve, fitting: Sequence[Patch], forced: Sequence[InForce]) -> Finding:
    covering = next((one for one in forced if any(fix.cve == cve for fix in one.patch.fixes)), None)
    fits = [patch for patch in fitting if fitting_build(facts, patch) is not None]
    verdict = _verdict(facts, fitting, covering)
    return Finding(
        cve=cve,
        severity=worst_severity(cve, fitting),
        disclosed=first_disclosed(cve, fitting),
        fix_available=min((patch.added_at for patch in fits), default=None),
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
