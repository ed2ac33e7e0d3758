"""One of Red Hat's VEX documents (CSAF 2.0, one for each CVE) as an entry: a grade for the CVE, and statements for Red
Hat Enterprise Linux.

Format: https://redhatproductsecurity.github.io/security-data-guidelines/csaf-vex/. Severity is Red Hat's own impact;
the date of disclosure is ``release_date``, which documents since 2026 do not have: there ``initial_release_date``, when
Red Hat first published it, is the same. A fix came out with its advisory (``date`` of the ``vendor_fix``).
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from orchestrator.core.advisories import Claim, Entry, Grade, Statement
from orchestrator.core.patches import Severity
from orchestrator.feeds.csaf_tree import Placed, ProductTree, texts_of
from orchestrator.feeds.redhat_ranges import Fixed
from orchestrator.feeds.redhat_tally import Open, Tally
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node, cve_of, prose

SEVERITIES: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
}
"""https://access.redhat.com/security/updates/classification/"""

_ADVISORY = re.compile(r".*/(RH[SBE]A-[0-9]{4}:[0-9]{3,6})/?")
_MOST_LISTED = 10_000
"""Vulnerabilities, remediations and threats of one document. Red Hat's have one of the first, some dozens of others."""


def entry_of(document: Node, skipped: Skipped) -> Entry:
    """The whole document. Raises `FeedInvalid` with the JSON pointer where it has another form than that of a VEX."""
    head = document.child("document")
    tracking = head.child("tracking")
    entry_id = tracking.text("id", 40)
    if cve_of(entry_id) is None:
        raise tracking.child("id").invalid(f"{prose(entry_id, 40)!r} is no CVE id")
    if head.maybe_text("category", 80) not in {"csaf_vex", None}:
        raise head.child("category").invalid("is not csaf_vex: this is a document of another kind")
    published, modified = tracking.moment("initial_release_date"), tracking.moment("current_release_date")
    is_deleted = tracking.maybe_text("status", 40) == "deleted"
    graded, said = ([], []) if is_deleted else _said(document, head, published, skipped)
    return document.make(
        Entry,
        id=entry_id,
        title=head.maybe_prose("title"),
        url=f"https://access.redhat.com/security/cve/{entry_id}",
        published=published,
        modified=modified,
        withdrawn=(modified or published) if is_deleted else None,
        statements=tuple(said),
        grades=tuple(graded),
    )


def _said(
    document: Node, head: Node, published: datetime | None, skipped: Skipped
) -> tuple[list[Grade], list[Statement]]:
    tree = ProductTree(document.child("product_tree"), skipped)
    severity = _severity(None if head.child("aggregate_severity").is_missing else head.child("aggregate_severity"))
    grades: list[Grade] = []
    statements: list[Statement] = []
    for vulnerability in document.each("vulnerabilities", _MOST_LISTED):
        cve = cve_of(vulnerability.maybe_text("cve", 40))
        if cve is None:
            skipped.add("vulnerability without a CVE id")
            continue
        impacts = _impacts(vulnerability)
        worst = severity if severity is not Severity.UNKNOWN else _worst(impacts)
        disclosed = vulnerability.moment("release_date") or published
        grades.append(
            vulnerability.make(Grade, cve=cve, severity=worst, disclosed=disclosed, where=vulnerability.where)
        )
        reader = _Reader(vulnerability, tree, worst, impacts, skipped)
        statements.extend(reader.tally().statements(cve, disclosed, vulnerability))
    return grades, statements


class _Remedy(NamedTuple):
    """What a remediation says: when which advisory fixed it, or why there is no fix."""

    published: datetime | None
    said: str | None


class _Reader:
    """Reads the lists of one vulnerability."""

    def __init__(
        self, node: Node, tree: ProductTree, severity: Severity, impacts: Mapping[str, Severity], skipped: Skipped
    ) -> None:
        self._node, self._tree, self._severity, self._skipped = node, tree, severity, skipped
        self._impacts = impacts
        self._fixes, self._reasons = _remedies(node)

    def tally(self) -> Tally:
        """All that the document says of packages in Red Hat Enterprise Linux."""
        found = Tally()
        for place, product_id, placed in self._listed("fixed"):
            self._fixed(found, place, product_id, placed)
        for status, claim in (("known_affected", Claim.AFFECTED), ("under_investigation", Claim.UNDETERMINED)):
            for place, product_id, placed in self._listed(status):
                if placed.stream.is_main:
                    found.open(
                        placed.stream.distribution, placed.component, self._open(claim, place, product_id, placed)
                    )
        for place, product_id, placed in self._listed("known_not_affected"):
            if placed.stream.is_main:
                claimed = self._open(Claim.NOT_AFFECTED, place, product_id, placed)
                found.unaffected(placed.stream.distribution, placed.component, claimed)
        return found

    def _listed(self, status: str) -> Iterator[tuple[str, str, Placed]]:
        product_status = self._node.child("product_status")
        if product_status.is_missing:
            return
        listed = product_status.child(status)
        ids = texts_of(listed)
        base = listed.where
        for index, product_id in enumerate(ids):
            placed = self._tree.placed(product_id)
            if placed is not None:
                yield f"{base}/{index}", product_id, placed

    def _fixed(self, found: Tally, place: str, product_id: str, placed: Placed) -> None:
        stream, component = placed
        if component.version is None:
            self._skipped.add("fix without a version")
            note = "fixed, but in which version is not said"
            claimed = Open(Claim.UNDETERMINED, stream.minor, note, place, self._grade(product_id))
            found.open(stream.distribution, component, claimed)
            return
        published, advisory = self._fixes.get(product_id, _Remedy(None, None))
        support = "" if stream.is_main and not stream.support else _support(placed)
        fix = Fixed(component.version, published, advisory, support, place, self._grade(product_id))
        found.fixed(stream.distribution, component, fix)

    def _open(self, claim: Claim, place: str, product_id: str, placed: Placed) -> Open:
        reason = self._reasons.get(product_id)
        return Open(claim, placed.stream.minor, reason, place, self._grade(product_id))

    def _grade(self, product_id: str) -> Severity:
        return self._impacts.get(product_id, self._severity)


def _support(placed: Placed) -> str:
    minor = "" if placed.stream.minor is None else f".{placed.stream.minor}"
    return f"{placed.stream.support} of {placed.stream.distribution.partition(':')[2]}{minor}"


def _remedies(node: Node) -> tuple[dict[str, _Remedy], dict[str, str | None]]:
    """By product id: the first advisory that fixed it, and the reason why there is no fix."""
    fixes: dict[str, _Remedy] = {}
    reasons: dict[str, str | None] = {}
    for remediation in node.each("remediations", _MOST_LISTED):
        category = remediation.maybe_text("category", 80)
        if category == "vendor_fix":
            advisory = _ADVISORY.fullmatch(remediation.maybe_text("url", 2000) or "")
            remedy = _Remedy(remediation.moment("date"), advisory[1] if advisory else None)
            for product_id in texts_of(remediation.child("product_ids")):
                known = fixes.get(product_id)
                if known is None or _is_earlier(remedy, known):
                    fixes[product_id] = remedy
        elif category in {"no_fix_planned", "none_available"}:
            reason = remediation.maybe_prose("details", 200)
            for product_id in texts_of(remediation.child("product_ids")):
                reasons.setdefault(product_id, reason)
    return fixes, reasons


def _is_earlier(one: _Remedy, other: _Remedy) -> bool:
    return one.published is not None and (other.published is None or one.published < other.published)


def _impacts(node: Node) -> dict[str, Severity]:
    """By product id, where the impact is not the same for all."""
    impacts = [one for one in node.each("threats", _MOST_LISTED) if one.maybe_text("category", 80) == "impact"]
    return {
        product_id: SEVERITIES.get((one.maybe_text("details", 200) or "").lower(), Severity.UNKNOWN)
        for one in impacts
        for product_id in texts_of(one.child("product_ids"))
    }


def _severity(node: Node | None) -> Severity:
    text = None if node is None else node.maybe_text("text", 80)
    return SEVERITIES.get((text or "").lower(), Severity.UNKNOWN)


def _worst(impacts: Mapping[str, Severity]) -> Severity:
    order = list(SEVERITIES.values())
    return min((one for one in impacts.values() if one in order), key=order.index, default=Severity.UNKNOWN)
