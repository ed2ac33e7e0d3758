"""One OSV record and what it says of the distributions that we follow.

Format: the OSV schema (ossf/osv-schema, docs/schema.md), 1.6 and 1.7. A record is either that of one CVE
(``UBUNTU-CVE-…``, ``DEBIAN-CVE-…``, ``ALPINE-CVE-…``, ``CVE-…``), published when the world knew, or an advisory
(``USN-…``, ``DSA-…``, ``ALSA-…``, ``RLSA-…``, ``RHSA-…``, ``SUSE-SU-…``), published when its fixes came out.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrator.core.advisories import Claim, Entry, Statement
from orchestrator.core.distributions import Ordering, ordering_of
from orchestrator.core.patches import Severity
from orchestrator.feeds.osv_ecosystems import Release, family_of, release_of
from orchestrator.feeds.osv_live_patches import is_live_patch_notice, module_fixes
from orchestrator.feeds.osv_ranges import Event, Range, Unordered, ranges_of, single
from orchestrator.feeds.osv_severity import heading, score, word
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node, cve_of, prose

MOST_AFFECTED = 20_000
MOST_STATEMENTS = 200_000
"""Of one record. The kernel's advisories come to some ten thousand: each CVE in each binary package."""
MOST_VERSIONS = 5_000
"""Of a package whose versions are listed one by one."""

_CVE_RECORD = re.compile(r"(?:UBUNTU-|DEBIAN-|ALPINE-)?(CVE-[0-9]{4}-[0-9]{4,19})")
_EVENTS = frozenset({"introduced", "fixed", "last_affected", "limit"})
_SEVERITY_WORDS = ("ubuntu_priority", "severity", "urgency")


class Record(NamedTuple):
    """What holds for all that a record says. ``is_cve``: it is about one CVE, else an advisory about its fixes."""

    node: Node
    cves: tuple[str, ...]
    is_cve: bool
    at: datetime | None
    severity: Severity


class Affected(NamedTuple):
    """One package of one release that a record is about."""

    node: Node
    package: str
    release: Release


def entry_of(node: Node, skipped: Skipped, family: str | None = None) -> Entry | None:
    """The record as an entry. ``family``: what it says of that ecosystem alone, and None where that is nothing.

    Raises `FeedInvalid` with the place of what is of the wrong kind.
    """
    name = node.text("id", 200)
    affected = tuple(_affected(node, skipped, family))
    if not affected and family is not None:
        return None
    record, withdrawn = _record(node, name), node.moment("withdrawn")
    if not record.cves:
        skipped.add("no CVE")
    is_notice = is_live_patch_notice(name)
    spoken = withdrawn is None
    return node.make(
        Entry,
        id=name,
        title=node.maybe_prose("summary") or node.maybe_prose("details"),
        url=_url(node),
        published=node.moment("published"),
        modified=node.moment("modified"),
        withdrawn=withdrawn,
        statements=_statements(record, affected, skipped) if spoken and not is_notice else (),
        module_fixes=module_fixes(record.cves, record.at, affected, skipped) if spoken and is_notice else (),
    )


def _record(node: Node, name: str) -> Record:
    is_cve = _CVE_RECORD.fullmatch(name) is not None
    cves = _cves((name, *node.texts("aliases", 10_000), *node.texts("upstream", 10_000)))
    database = node.child("database_specific")
    told = (
        heading(node.maybe_prose("summary")) if not is_cve else Severity.UNKNOWN,
        Severity.UNKNOWN if database.is_missing else word(database.child("severity").value),
        _score(node),
    )
    return Record(
        node=node,
        # AlmaLinux, and older records of SUSE and Ubuntu, name their CVEs under "related" alone; in others that is
        # something else.
        cves=cves or _cves(node.texts("related", 10_000)),
        is_cve=is_cve,
        at=node.moment("published"),
        severity=_first(told),
    )


def _cves(names: Iterable[str]) -> tuple[str, ...]:
    found = (_CVE_RECORD.fullmatch(name) for name in names)
    return tuple(dict.fromkeys(match[1] for match in found if match))


def _affected(node: Node, skipped: Skipped, family: str | None) -> Iterator[Affected]:
    for one in node.each("affected", MOST_AFFECTED):
        package = one.child("package")
        if package.is_missing:
            skipped.add("no package")
            continue
        ecosystem, name = package.text("ecosystem", 200), package.text("name", 200)
        if family is not None and family_of(ecosystem) != family:
            continue
        release = release_of(ecosystem)
        if release is None:
            skipped.add("other ecosystem", prose(ecosystem, 60) or "")
        elif release.kernels_only and not name.startswith("linux"):
            skipped.add("variant", prose(ecosystem, 60) or "")
        else:
            yield Affected(one, name, release)


def _statements(record: Record, affected: Sequence[Affected], skipped: Skipped) -> tuple[Statement, ...]:
    """Everything that is said, once. What is said of all hosts wins over what is said of those with a subscription."""
    plain = {
        (distribution, one.package)
        for one in affected
        if one.release.fixes is None
        for distribution in one.release.distributions
    }
    if len(record.cves) * len(affected) > MOST_STATEMENTS:
        raise record.node.invalid(f"says more than {MOST_STATEMENTS} things")
    found: dict[tuple[object, ...], Statement] = {}
    for one in affected:
        for distribution in one.release.distributions:
            if one.release.fixes is not None and (distribution, one.package) in plain:
                continue
            for statement in _of_package(record, one, distribution, skipped):
                found.setdefault(_said(statement), statement)
                if len(found) > MOST_STATEMENTS:
                    raise record.node.invalid(f"says more than {MOST_STATEMENTS} things")
    return tuple(found.values())


def _said(statement: Statement) -> tuple[object, ...]:
    """A statement without its place: Red Hat lists a package once for each repository."""
    return (
        statement.cve,
        statement.distribution,
        statement.package,
        statement.claim,
        statement.introduced,
        statement.fixed,
        statement.last_affected,
    )


def _of_package(record: Record, one: Affected, distribution: str, skipped: Skipped) -> Iterator[Statement]:
    ordering = ordering_of(distribution)
    if ordering is None:
        return
    try:
        claim, ranges, why = Claim.AFFECTED, _ranges(one.node, ordering, skipped), None
    except Unordered as exc:
        claim, ranges, why = Claim.UNDETERMINED, (Range(),), prose(f"its ranges cannot be read: {exc}")
    urgency, severity = _words(one.node)
    if urgency == "unimportant" and claim is Claim.AFFECTED:
        claim = Claim.IGNORED
    where, severity = one.node.where, _first((severity, _score(one.node), record.severity))
    for cve, own in _graded(record, one.node):
        for span in ranges:
            yield one.node.make(
                Statement,
                cve=cve,
                distribution=distribution,
                package=one.package,
                is_source=one.release.is_source,
                claim=claim,
                introduced=span.introduced,
                fixed=span.fixed,
                last_affected=span.last_affected,
                severity=_first((own, severity)),
                disclosed=record.at if record.is_cve else None,
                published=None if record.is_cve or span.fixed is None else record.at,
                note=why or _note(one, span, urgency),
                where=where,
            )


def _ranges(node: Node, ordering: Ordering, skipped: Skipped) -> tuple[Range, ...]:
    """Ranges in the distribution's order, else the versions that are listed one by one."""
    found: list[Range] = []
    is_ranged = False
    for one in node.each("ranges", 1_000):
        kind = one.text("type", 40)
        if kind != "ECOSYSTEM":
            skipped.add("range", prose(kind, 40) or "")
            continue
        is_ranged = True
        found.extend(ranges_of(_events(one), ordering))
    return tuple(found) if is_ranged else single(node.texts("versions", MOST_VERSIONS, 200))


def _events(node: Node) -> tuple[Event, ...]:
    events = tuple(Event(*_event(one)) for one in node.each("events", 10_000))
    if all(event.kind != "introduced" for event in events):
        raise node.invalid("has no event that says since when versions are affected")
    return events


def _event(node: Node) -> tuple[str, str]:
    found = [(kind, version) for kind, version in node.members(100) if kind in _EVENTS and not version.is_missing]
    if len(found) != 1 or not (version := found[0][1].as_text(200)):
        raise node.invalid("is not exactly one of introduced, fixed, last_affected and limit")
    return found[0][0], version


def _graded(record: Record, node: Node) -> Iterator[tuple[str, Severity]]:
    """The CVEs of this package with their severities: Ubuntu's notices say which of theirs concern which package."""
    database = node.child("database_specific")
    own = database if database.is_missing else database.child("cves_map")
    if not own.is_missing and own.child("cves").value:
        for one in own.each("cves", 10_000):
            if (cve := cve_of(one.text("id", 200))) is not None:
                yield cve, _score(one)
    else:
        for cve in record.cves:
            yield cve, Severity.UNKNOWN


def _words(node: Node) -> tuple[str, Severity]:
    """Debian's urgency, and the first severity that the distribution has a word for."""
    urgency = ""
    told: list[Severity] = []
    for name in ("ecosystem_specific", "database_specific"):
        specific = node.child(name)
        if specific.is_missing:
            continue
        said = {key: one.value for key, one in specific.members() if key in _SEVERITY_WORDS}
        told.extend(word(said.get(key)) for key in _SEVERITY_WORDS)
        urgency = urgency or str(said.get("urgency") or "")
    return urgency, _first(told)


def _score(node: Node) -> Severity:
    items = node.each("severity", 100)
    return score((one.text("type", 40), one.text("score", 1_000)) for one in items)


def _first(told: Iterable[Severity]) -> Severity:
    return next((one for one in told if one is not Severity.UNKNOWN), Severity.UNKNOWN)


def _note(one: Affected, span: Range, urgency: str) -> str | None:
    """Whose fix it is where not every host gets it, and why there is none."""
    if span.fixed is None:
        return "end of life" if urgency == "end-of-life" else None
    if one.release.fixes != "Ubuntu Pro" or one.release.kernels_only:
        return one.release.fixes
    specific = one.node.child("ecosystem_specific")
    availability = None if specific.is_missing else specific.maybe_text("availability")
    # Ubuntu lists releases after their standard support as Pro's, with the fixes that all hosts got before.
    needs_pro = "esm" in span.fixed if availability is None else "Ubuntu Pro" in availability
    return one.release.fixes if needs_pro else None


def _url(node: Node) -> str | None:
    """The advisory's own page, else the first reference."""
    urls = [(one.maybe_prose("type", 40), one.maybe_prose("url", 500) or "") for one in node.each("references", 10_000)]
    urls = [(kind, url) for kind, url in urls if url.startswith(("https://", "http://"))]
    return next((url for kind, url in urls if kind == "ADVISORY"), urls[0][1] if urls else None)
