"""OpenVEX documents: what this product knows of hosts and CVEs, for scanners that see package versions alone.

Source: https://github.com/openvex/spec, version 0.2.0, and how go-vex, which Trivy and Grype use, matches statements.
docs/reference/vex.md says which choices were made, and why.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Os
from orchestrator.core.host_view import moment
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve
from orchestrator.core.purls import Component, host_purl, package_components

Json = dict[str, Any]

CONTEXT = "https://openvex.dev/ns/v0.2.0"
_IDS = "https://openvex.dev/docs/public/vex-"
"""The shared namespace of the spec, as vexctl uses it."""


class Status(StrEnum):
    """What a statement says."""

    NOT_AFFECTED = "not_affected"
    """Nothing needs to be done."""
    AFFECTED = "affected"
    """Something should be done."""
    FIXED = "fixed"
    """What is installed and runs has the fix."""
    UNDER_INVESTIGATION = "under_investigation"
    """Nobody can tell for now."""


class VexFinding(Frozen):
    """What is known of one CVE on one host. Of one host and CVE there is one, or each is of other packages.

    ``tool`` and ``live_patch`` say what covers it, where a live patch does. ``packages``: the installed binary packages
    that a scanner would report it for, with their versions in the packager's own form. ``observed_at`` is the last
    check that saw it so, ``expected_by`` when the next one was due: later on, nobody can tell.
    """

    host: str
    os: Os | None = None
    arch: str | None = None
    cve: Cve
    state: ExposureState
    reason: CoveredBy | None = None
    rule: str = ""
    remedy: Remedy = Remedy.NONE
    tool: str | None = None
    live_patch: str | None = None
    packages: tuple[tuple[str, str], ...] = ()
    observed_at: Moment
    expected_by: Moment
    boot_id: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether nobody saw it in time."""
        return now > self.expected_by


class VexAuthor(Frozen):
    """Who states it: an individual or organisation; ``tooling`` is what wrote the document."""

    name: str
    tooling: str


class _Said(NamedTuple):
    """What a statement says, apart from whom it says it of: hosts of which the same is said share a statement."""

    cve: str
    status: Status
    justification: str = ""
    impact: str = ""
    action: str = ""
    notes: str = ""


def vex_document(
    findings: Iterable[VexFinding],
    author: VexAuthor,
    now: datetime,
    *,
    is_of_one_host: bool,
    states_fixed: bool = False,
) -> Json:
    """The document, as of ``now``. The same findings give the same statements and the same ``@id``.

    ``is_of_one_host``: it is for scans of that host, so that packages are products of their own; in a document of
    several, a package is only ever named as a part of a host, or one host's live patch would excuse another's.
    ``states_fixed``: also what is fixed, or was never affected. Without anything to state ``statements`` is empty.
    Raises `ValueError` for several hosts in a document of one.
    """
    findings = tuple(findings)
    if is_of_one_host and len({finding.host for finding in findings}) > 1:
        raise ValueError("the findings are of several hosts")
    grouped: defaultdict[_Said, list[VexFinding]] = defaultdict(list)
    for finding in findings:
        said = _said(finding, now)
        if states_fixed or finding.reason not in {CoveredBy.FIXED, CoveredBy.NOT_AFFECTED}:
            grouped[said].append(finding)
    statements = [_statement(said, grouped[said], now, is_of_one_host=is_of_one_host) for said in sorted(grouped)]
    content = {"author": author.name, "role": "Document Creator", "tooling": author.tooling, "statements": statements}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    head = {"@context": CONTEXT, "@id": f"{_IDS}{digest}"}
    return {**head, **content, "timestamp": moment(now), "version": 1, "statements": statements}


def _said(finding: VexFinding, now: datetime) -> _Said:
    if finding.is_overdue(now):
        return _Said(finding.cve, Status.UNDER_INVESTIGATION, notes="No check saw the host in time.")
    if finding.state is ExposureState.EXPOSED:
        return _Said(finding.cve, Status.AFFECTED, action=_ACTIONS[finding.remedy], notes=finding.rule)
    match finding.state, finding.reason:
        case ExposureState.COVERED, CoveredBy.LIVE_PATCHED:
            redirected = "vulnerable_code_not_in_execute_path"
            return _Said(finding.cve, Status.NOT_AFFECTED, redirected, _impact(finding), notes=finding.rule)
        case ExposureState.COVERED, CoveredBy.FIXED:
            return _Said(finding.cve, Status.FIXED, notes=finding.rule)
        case ExposureState.COVERED, CoveredBy.NOT_AFFECTED:
            return _Said(finding.cve, Status.NOT_AFFECTED, "vulnerable_code_not_present", finding.rule)
        case _:
            return _Said(finding.cve, Status.UNDER_INVESTIGATION, notes=finding.rule)


def _impact(finding: VexFinding) -> str:
    patch = f"the live patch {finding.live_patch}" if finding.live_patch else "a live patch"
    whose = f" of {finding.tool}" if finding.tool else ""
    return f"Calls of the vulnerable code are redirected to fixed code by {patch}{whose}, in force in memory."


_ACTIONS = {
    Remedy.LIVE_PATCH: "Apply the live patch that is available for the running kernel.",
    Remedy.PACKAGE: "Upgrade the package.",
    Remedy.REBOOT: "Reboot: only that brings the fix into force.",
    Remedy.NONE: "No fix is known yet; follow the distribution's advisories.",
}


def _statement(said: _Said, findings: Sequence[VexFinding], now: datetime, *, is_of_one_host: bool) -> Json:
    known = [_known_since(finding, now) for finding in findings]
    detail = {"impact_statement": said.impact, "action_statement": said.action, "status_notes": said.notes}
    place = "impact_statement" if said.status is Status.NOT_AFFECTED else "status_notes"
    detail[place] = ". ".join(filter(None, (detail[place].rstrip(". "), _seen(findings))))
    return {
        "vulnerability": {"name": said.cve},
        # Of several observations the oldest: nobody is to take the statement for fresher than any of them.
        "timestamp": moment(min(known)),
        "products": _products(findings, is_of_one_host=is_of_one_host),
        "status": said.status.value,
        **({"justification": said.justification} if said.justification else {}),
        **{name: text for name, text in detail.items() if text},
    }


def _known_since(finding: VexFinding, now: datetime) -> datetime:
    """When it was known to be so: at the observation, or when the next one failed to come."""
    return finding.expected_by if finding.is_overdue(now) else finding.observed_at


def _seen(findings: Sequence[VexFinding]) -> str:
    first, last = min(one.observed_at for one in findings), max(one.observed_at for one in findings)
    boots = {one.boot_id for one in findings}
    boot = "" if len(boots) > 1 or None in boots else f" in boot {boots.pop()}"
    when = f"at {moment(first)}" if first == last else f"between {moment(first)} and {moment(last)}"
    return f"Last seen{boot} {when}."


def _products(findings: Sequence[VexFinding], *, is_of_one_host: bool) -> list[Json]:
    """Hosts with the packages concerned; where the document is of one host, these packages by themselves before it."""
    products: list[Json] = []
    by_host: dict[str, list[VexFinding]] = {}
    for finding in sorted(findings, key=lambda one: (one.host, one.packages)):
        by_host.setdefault(finding.host, []).append(finding)
    for host, ones in by_host.items():
        parts = _parts(ones)
        products += parts if is_of_one_host else []
        named = host_purl(host, ones[0].boot_id)
        product: Json = {"@id": named, "identifiers": {"purl": host_purl(host)}}
        products.append({**product, "subcomponents": parts} if parts else product)
    return products


def _parts(findings: Iterable[VexFinding]) -> list[Json]:
    found: dict[str, Component] = {}
    for finding in findings:
        for name, version in finding.packages:
            for part in package_components(finding.os, finding.arch, name, version):
                found[part.id] = part
    return [{"@id": part.id, "identifiers": {"purl": part.purl}} for _, part in sorted(found.items())]
