"""Statements held against one component: what each source says of the version that is there, and who decides."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from orchestrator.core.advisories import Claim, Statement, Told
from orchestrator.core.distributions import Ordering
from orchestrator.core.images import Component, Role
from orchestrator.core.patches import Severity
from orchestrator.core.versions import compare


class Ruling(StrEnum):
    """What a statement comes to for a version."""

    AFFECTED = "affected"
    """The version has the flaw."""
    FIXED = "fixed"
    """The version has the fix."""
    NOT_AFFECTED = "not_affected"
    """The version never had the flaw."""
    UNDETERMINED = "undetermined"
    """Nobody has found out yet, or the versions cannot be compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """What was decided of a component, and by which statement.

    ``severity`` is the distribution's: that statement's, or else another's of those that hold. ``fix_known``: when its
    fix was published, or else first told of, however often it was restated since; None where that cannot be known.
    """

    ruling: Ruling
    component: Component
    told: Told[Statement]
    severity: Severity = Severity.UNKNOWN
    fix_known: datetime | None = None

    @property
    def has_fix(self) -> bool:
        """Whether there is a version with the fix, installed or not."""
        return self.told.said.fixed is not None or self.told.said.last_affected is not None


Change = tuple[datetime, Assessment | None]
"""From when on it was decided so; None: nothing is told any more."""

ARCHES: Mapping[str, frozenset[str]] = {
    "x86_64": frozenset({"x86_64", "amd64"}),
    "aarch64": frozenset({"aarch64", "arm64"}),
}
"""The names of one architecture."""


def assessed(
    component: Component, ordering: Ordering, told: Iterable[Told[Statement]], arch: str | None
) -> tuple[Change, ...]:
    """How one CVE was decided over time by all that was ever told of it there, the oldest decision first; nothing where
    none of that is about this component."""
    about = [one for one in told if _is_about(component, one.said, arch)]
    return _changes(component, ordering, about) if about else ()


def may_be_open(component: Component, ordering: Ordering, told: Sequence[Told[Statement]], arch: str | None) -> bool:
    """Whether one CVE may ever have been more than fixed by that: False saves the time to find out when."""
    return any(
        _is_about(component, one.said, arch)
        and one.said.claim is not Claim.IGNORED
        and rule_on(one.said, component, ordering) in _MORE_THAN_FIXED
        for one in told
    )


_MORE_THAN_FIXED = frozenset({Ruling.AFFECTED, Ruling.UNDETERMINED})


def _is_about(component: Component, said: Statement, arch: str | None) -> bool:
    return said.is_source is component.is_source and _concerns(said, component, arch)


def _concerns(said: Statement, component: Component, arch: str | None) -> bool:
    is_for_arch = not said.arches or arch is None or not ARCHES.get(arch, frozenset({arch})).isdisjoint(said.arches)
    return is_for_arch and not _is_of_another_series(said, component)


def _is_of_another_series(said: Statement, component: Component) -> bool:
    """Whether it is about another kernel of the same name: Amazon Linux has several series at a time, each with
    bulletins of its own, all called ``kernel``. A newer series does not have an older one's fixes."""
    if component.role is not Role.KERNEL or not component.distribution.startswith("amzn:") or said.fixed is None:
        return False
    return _series(said.fixed) != _series(component.version)


def _series(version: str) -> str:
    """``5.10`` of ``0:5.10.236-228.935.amzn2``."""
    return ".".join(version.rpartition(":")[2].split(".")[:2])


def _changes(component: Component, ordering: Ordering, told: Sequence[Told[Statement]]) -> tuple[Change, ...]:
    if len(told) == 1 and told[0].until is None:
        return ((told[0].since, assess(component, ordering, told)),)
    instants = sorted({one.since for one in told} | {one.until for one in told if one.until is not None})
    found: list[Change] = []
    for at in instants:
        decided = assess(component, ordering, [one for one in told if one.holds(at)], told)
        if not found or found[-1][1] != decided:
            found.append((at, decided))
    return tuple(found)


def assess(
    component: Component, ordering: Ordering, told: Sequence[Told[Statement]], ever: Sequence[Told[Statement]] = ()
) -> Assessment | None:
    """What these statements, all of one CVE, come to. None where none of them counts. ``ever``: all
    that there were, where those are more.

    The ranges of one entry are one claim: in any of them is affected. Between entries the one decides that says most
    against the host: a version with the fix is known and not there; then that the fix is there; then that there is no
    fix. A source that only says that it does not know gives way to one that does.
    """
    entries: defaultdict[tuple[str, str], list[Assessment]] = defaultdict(list)
    for one in told:
        if one.said.claim is not Claim.IGNORED:
            ruling = rule_on(one.said, component, ordering)
            entries[one.feed, one.entry].append(Assessment(ruling=ruling, component=component, told=one))
    decided = [min(entries[key], key=lambda one: _WITHIN[one.ruling]) for key in sorted(entries)]
    if not decided:
        return None
    found = min(decided, key=_between)
    graded = (one.told.said.severity for one in (found, *decided))
    severity = next((one for one in graded if one is not Severity.UNKNOWN), Severity.UNKNOWN)
    return replace(found, severity=severity, fix_known=_fix_known(found.told.said, ever or told))


def _fix_known(said: Statement, ever: Sequence[Told[Statement]]) -> datetime | None:
    """What came with the first import of its feed had reached the world at some time before: that cannot be told."""
    if said.fixed is None or said.published is not None:
        return said.published if said.fixed is not None else None
    first = min((one for one in ever if one.said.fixed == said.fixed), key=lambda one: (one.since, not one.is_baseline))
    return None if first.is_baseline else first.since


def rule_on(said: Statement, component: Component, ordering: Ordering) -> Ruling:
    """What one statement says of one component's version."""
    if said.claim is Claim.NOT_AFFECTED:
        return Ruling.NOT_AFFECTED
    if said.claim is not Claim.AFFECTED:
        return Ruling.UNDETERMINED
    bounds = [_against(bound, component, ordering) for bound in (said.introduced, said.fixed, said.last_affected)]
    introduced, fixed, last = bounds
    if "?" in bounds:
        return Ruling.UNDETERMINED
    if introduced == "older":
        return Ruling.NOT_AFFECTED
    if fixed in {"same", "newer"} or last == "newer":
        return Ruling.FIXED
    return Ruling.AFFECTED


def _against(bound: str | None, component: Component, ordering: Ordering) -> str:
    """Whether the version is older or newer than the bound; empty where there is none, ``?`` where it is no version."""
    if bound is None:
        return ""
    bound = bound if component.has_epoch else bound.rpartition(":")[2]
    order = compare(ordering, component.version, bound)
    if order is None:
        return "?"
    return "same" if order == 0 else "older" if order < 0 else "newer"


_WITHIN = {
    ruling: rank
    for rank, ruling in enumerate((Ruling.AFFECTED, Ruling.UNDETERMINED, Ruling.FIXED, Ruling.NOT_AFFECTED))
}


def _between(one: Assessment) -> tuple[int, bool]:
    ranks = {
        Ruling.AFFECTED: 0 if one.has_fix else 2,
        Ruling.FIXED: 1,
        Ruling.NOT_AFFECTED: 3,
        Ruling.UNDETERMINED: 4,
    }
    # Of two that say the same, the one that dates its fix.
    return ranks[one.ruling], one.told.said.published is None
