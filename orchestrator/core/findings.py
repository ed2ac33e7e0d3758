"""Findings: one CVE against one host's facts, with the rule that decided it, and how findings come together."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import WORST_FIRST, Cve, Severity


class Finding(Frozen):
    """One CVE against one host's facts. ``rule`` says for a person what decided it: which fact, rule and source.

    ``fix_available`` is when a fix for what runs there reached us, as far as that is known. ``covered_by`` and ``tool``
    name the live patch in force, and whose it is. ``known_from``: before that, nothing could be told of this host;
    None: ever. ``is_kernel``: it is in the running kernel. ``packages``: the installed packages it was decided by, with
    versions. ``kev_due``: by when CISA wants it fixed, where it is known to be exploited,
    and ``kev_since`` since when we know that.
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
    tool: str | None = None
    known_from: Moment | None = None
    is_kernel: bool = True
    packages: tuple[tuple[str, str], ...] = ()
    kev_due: date | None = None
    kev_since: Moment | None = None


class Kind(NamedTuple):
    """What of a finding its window depends on: CVEs of one kind at all times share their windows."""

    state: ExposureState
    reason: CoveredBy | None
    remedy: Remedy
    severity: Severity
    tool: str | None
    is_kernel: bool
    known_from: Moment | None
    kev_due: date | None
    kev_since: Moment | None


def kind_of(finding: Finding | None) -> Kind | None:
    """Its kind; None for none."""
    if finding is None:
        return None
    return Kind(
        finding.state,
        finding.reason,
        finding.remedy,
        finding.severity,
        finding.tool,
        finding.is_kernel,
        finding.known_from,
        finding.kev_due,
        finding.kev_since,
    )


def worst(severities: Iterable[Severity]) -> Severity:
    """The worst of these; unknown where none is told."""
    return min(severities, key=WORST_FIRST.index, default=Severity.UNKNOWN)


def combined(findings: Iterable[Finding]) -> Finding | None:
    """One finding of several of one CVE, from different packages or sources: what says most against the host counts.

    Exposed goes before unknown, and that before covered: what is covered in one package may be exposed in another.
    """
    ones = sorted(findings, key=lambda one: _RANK[one.state, one.reason])
    deciding = [one for one in ones if one.state is ones[0].state]
    return merged(deciding, ones) if ones else None


def merged(deciding: Sequence[Finding], others: Iterable[Finding]) -> Finding:
    """The first of those that decide, with what all of them, and the others, tell of the CVE itself."""
    ones = [*deciding, *others]
    if all(one is ones[0] for one in ones):
        return ones[0]
    return deciding[0].model_copy(
        update={
            "severity": worst(one.severity for one in ones),
            "disclosed": min((one.disclosed for one in ones if one.disclosed is not None), default=None),
            "fix_available": min(
                (one.fix_available for one in deciding if one.fix_available is not None), default=None
            ),
            "remedy": min((one.remedy for one in deciding), key=_REMEDIES.index),
            "rule": "; ".join(dict.fromkeys(one.rule for one in deciding)),
            "packages": _packages(deciding) or _packages(ones),
            "kev_due": min((one.kev_due for one in ones if one.kev_due is not None), default=None),
            "kev_since": min((one.kev_since for one in ones if one.kev_since is not None), default=None),
        }
    )


def _packages(findings: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({package for one in findings for package in one.packages}))


_RANK = {
    (ExposureState.EXPOSED, None): 0,
    (ExposureState.UNKNOWN, None): 1,
    (ExposureState.COVERED, CoveredBy.LIVE_PATCHED): 2,
    (ExposureState.COVERED, CoveredBy.FIXED): 3,
    (ExposureState.COVERED, CoveredBy.NOT_AFFECTED): 4,
}

_REMEDIES = (Remedy.LIVE_PATCH, Remedy.PACKAGE, Remedy.REBOOT, Remedy.NONE)
"""What closes it soonest goes first."""
