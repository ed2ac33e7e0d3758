"""One host's facts as findings are made of them. Hosts whose facts agree in all that matters share one view."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestrator.core.advisories import ModuleFix, Told
from orchestrator.core.assessments import Assessment, Change, Ruling
from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Facts
from orchestrator.core.findings import Finding
from orchestrator.core.grades import GradeNow
from orchestrator.core.images import Image
from orchestrator.core.kernel_cover import cover, holding, offered, remedy, unsure
from orchestrator.core.patches import Cve, Severity


def view_key(facts: Facts) -> Hashable:
    """What of the facts findings depend on: nothing else is looked at."""
    tools = tuple((tool.name, tool.state, tool.deep and tool.deep.updates) for tool in facts.tools)
    live = tuple((one.tool, one.name, one.version, one.state, one.build_id, one.cves) for one in facts.live_patches)
    fingerprint = facts.packages and facts.packages.fingerprint
    unknown = tuple(sorted(facts.unknown.items()))
    return facts.os, facts.arch, facts.kernel, facts.virtualization, fingerprint, live, tools, unknown


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What is told of one CVE over time, of the components of one image."""

    kernel: Sequence[Sequence[Change]] = ()
    other_kernels: Sequence[Sequence[Change]] = ()
    live_patches: Sequence[Sequence[Change]] = ()
    packages: Sequence[Sequence[Change]] = ()
    notices: Sequence[Told[ModuleFix]] = ()

    def instants(self) -> Iterator[datetime]:
        """Whenever something of it changed."""
        for group in (self.kernel, self.other_kernels, self.live_patches, self.packages):
            yield from (at for changes in group for at, _ in changes)
        for notice in self.notices:
            yield notice.since
            if notice.until is not None:
                yield notice.until


def kernel_finding(facts: Facts, cve: Cve, decided: Decided, grade: GradeNow, at: datetime) -> Finding | None:
    """What is told of it in the running kernel at that instant, live patches included; None where nothing is."""
    found = _worst(_holding(decided.kernel, at))
    packages, notices = _holding(decided.live_patches, at), holding(decided.notices, at)
    covered = cover(facts, cve, notices, packages)
    if covered is not None and (found is None or found.ruling in {Ruling.AFFECTED, Ruling.UNDETERMINED}):
        return _finding(
            cve,
            grade,
            found,
            state=ExposureState.COVERED,
            reason=CoveredBy.LIVE_PATCHED,
            remedy=Remedy.NONE,
            rule=covered.rule if found is None else f"{_says(found)}; {covered.rule}",
            covered_by=covered.name,
            tool=covered.tool,
        )
    if found is None:
        return _offered_finding(facts, cve, grade)
    if found.ruling is not Ruling.AFFECTED:
        return _finding(cve, grade, found, **_SETTLED[found.ruling], rule=_says(found))
    others = [one for one in _holding(decided.other_kernels, at) if one.ruling in {Ruling.FIXED, Ruling.NOT_AFFECTED}]
    closes = remedy(facts, cve, notices=notices, packages=packages, is_on_disk=bool(others), has_fix=found.has_fix)
    doubt = unsure(facts)
    if doubt is not None:
        state, rule = ExposureState.UNKNOWN, f"{_says(found)}; {doubt}"
    else:
        state, rule = ExposureState.EXPOSED, _says(found) + _on_disk(others)
    return _finding(cve, grade, found, state=state, remedy=closes, rule=rule)


def package_finding(found: Assessment, grade: GradeNow) -> Finding:
    """What one ruling on an installed package comes to."""
    if found.ruling is Ruling.AFFECTED:
        closes = Remedy.PACKAGE if found.has_fix else Remedy.NONE
        state = ExposureState.EXPOSED
        return _finding(
            found.told.said.cve, grade, found, state=state, remedy=closes, rule=_says(found), is_kernel=False
        )
    settled = _SETTLED[found.ruling]
    return _finding(found.told.said.cve, grade, found, **settled, rule=_says(found), is_kernel=False)


def not_there(image: Image, cve: Cve, grade: GradeNow, *, was_kernel: bool, is_ignored: bool) -> Finding:
    """Of a CVE that is told of the distribution, but of nothing that is on the host, or as no vulnerability of it.

    A package that is gone is no vulnerability. A kernel that nobody speaks of is no fix: nothing can be told of it.
    """
    lacks = None if is_ignored else image.kernel_lacks or _OTHER_KERNEL if was_kernel else image.lacks
    if lacks is not None:
        state, reason, rule = ExposureState.UNKNOWN, None, lacks
    else:
        state, reason, rule = ExposureState.COVERED, CoveredBy.NOT_AFFECTED, _IGNORED if is_ignored else _GONE
    return _finding(cve, grade, None, state=state, reason=reason, remedy=Remedy.NONE, rule=rule, is_kernel=was_kernel)


_IGNORED = "what is said of it is not about this architecture, or does not count it as a vulnerability"
_GONE = "nothing is installed that it is told of as a vulnerability"
_OTHER_KERNEL = "the running kernel is none of those that it is told of"


def _offered_finding(facts: Facts, cve: Cve, grade: GradeNow) -> Finding | None:
    """A CVE that no source tells of this kernel, but a tool on the host does: it has something against it to offer."""
    offer = offered(facts, cve)
    if offer is None:
        return None
    tool, update = offer
    version = f" {update.version}" if update.version else ""
    rule = f"{tool} offers {update.name}{version}, which fixes it, and it is not in force"
    doubt = unsure(facts)
    return _finding(
        cve,
        grade,
        None,
        state=ExposureState.EXPOSED if doubt is None else ExposureState.UNKNOWN,
        remedy=Remedy.REBOOT if update.needs_reboot else Remedy.LIVE_PATCH,
        rule=rule if doubt is None else f"{rule}; {doubt}",
    )


def _holding(group: Sequence[Sequence[Change]], at: datetime) -> list[Assessment]:
    found = (now_of(changes, at) for changes in group)
    return [one for one in found if one is not None]


def now_of(changes: Sequence[Change], at: datetime) -> Assessment | None:
    """What was decided at that instant."""
    return next((decided for since, decided in reversed(changes) if since <= at), None)


def _worst(found: Sequence[Assessment]) -> Assessment | None:
    return min(found, key=lambda one: (_ORDER[one.ruling], not one.has_fix), default=None)


_ORDER = {
    Ruling.AFFECTED: 0,
    Ruling.UNDETERMINED: 1,
    Ruling.FIXED: 2,
    Ruling.NOT_AFFECTED: 3,
}

_SETTLED: Mapping[Ruling, dict[str, object]] = {
    Ruling.FIXED: {"state": ExposureState.COVERED, "reason": CoveredBy.FIXED, "remedy": Remedy.NONE},
    Ruling.NOT_AFFECTED: {"state": ExposureState.COVERED, "reason": CoveredBy.NOT_AFFECTED, "remedy": Remedy.NONE},
    Ruling.UNDETERMINED: {"state": ExposureState.UNKNOWN, "remedy": Remedy.NONE},
}


def _finding(cve: Cve, grade: GradeNow, found: Assessment | None, **decided: object) -> Finding:
    said = None if found is None else found.told.said
    own = Severity.UNKNOWN if found is None else found.severity
    return Finding.model_validate(
        {
            "cve": cve,
            "severity": grade.severity if own is Severity.UNKNOWN else own,
            "disclosed": (said and said.disclosed) or grade.disclosed,
            "fix_available": None if found is None else found.fix_known,
            "kev_due": grade.kev_due,
            "kev_since": grade.kev_since,
            "packages": found.component.binaries if found is not None else (),
            **decided,
        }
    )


def _says(found: Assessment) -> str:
    """The fact, the rule, the source."""
    component, said = found.component, found.told.said
    kind = "source package" if component.is_source else "package"
    binaries = ", ".join(f"{name} {version}" for name, version in component.binaries[:3])
    more = f" and {len(component.binaries) - 3} more" if len(component.binaries) > 3 else ""
    have = f"{kind} {component.name} {component.version}" + (f" ({binaries}{more})" if binaries else "")
    note = f", {said.note}" if said.note else ""
    return f"{have} {_words(found)}{note}, says {found.told.feed} ({found.told.entry}, {said.where})"


def _words(found: Assessment) -> str:
    said = found.told.said
    if found.ruling is Ruling.AFFECTED:
        if said.fixed is not None:
            return f"is older than {said.fixed}, which has the fix"
        return f"is affected up to {said.last_affected}" if said.last_affected else "is affected, and there is no fix"
    if found.ruling is Ruling.FIXED:
        return (
            f"has the fix of {said.fixed}" if said.fixed else f"is newer than {said.last_affected}, the last affected"
        )
    if found.ruling is Ruling.NOT_AFFECTED:
        return f"is older than {said.introduced}, the first affected" if said.introduced else "is not affected"
    return (
        "has not been looked at by its distribution" if said.fixed is None else f"cannot be compared with {said.fixed}"
    )


def _on_disk(others: Sequence[Assessment]) -> str:
    if not others:
        return ""
    names = ", ".join(f"{name} {version}" for name, version in others[0].component.binaries)
    return f"; {names} is installed and has the fix, but is not booted"
