"""Debian's security tracker as JSON: every CVE of every source package, in every supported release.

Format: ``{package: {CVE: {releases: {codename: {status, fixed_version, urgency, nodsa, nodsa_reason}}}}}``, from
https://security-tracker.debian.org/tracker/data/json. It has no dates and no CVSS. One file, over 60 MB.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.core.advisories import Claim, Entry, Statement
from orchestrator.core.patches import Severity
from orchestrator.feeds.base import whole_file
from orchestrator.feeds.json_stream import members
from orchestrator.feeds.opening import beginning, opened
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node, cve_of, is_printable, prose
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

URL = "https://security-tracker.debian.org/tracker/data/json"

RELEASES: Mapping[str, str] = {
    "wheezy": "debian:7",
    "jessie": "debian:8",
    "stretch": "debian:9",
    "buster": "debian:10",
    "bullseye": "debian:11",
    "bookworm": "debian:12",
    "trixie": "debian:13",
    "forky": "debian:14",
    "duke": "debian:15",
    "sid": "debian:sid",
}
"""Codenames and numbers: https://www.debian.org/releases/."""

_SEVERITIES: Mapping[str, Severity] = {"low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH}
"""The security team's urgencies; ``not yet assigned`` and ``end-of-life`` say nothing of how bad it is."""

_START = re.compile(r'\s*\{\s*"[^"\\]{1,200}"\s*:\s*\{\s*"(?:CVE|TEMP)-[^"\\]{1,40}"\s*:\s*\{')


class Debian:
    """The whole tracker. Every file is a full copy of it."""

    name = "debian"

    def recognise(self, path: Path) -> FeedFile | None:
        start = beginning(path, 4096).decode("utf-8", "replace")
        return FeedFile(path=path, feed=self.name, source=str(path)) if _START.match(start) else None

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        skipped = Skipped()
        with opened(file.path, name=file.source) as tracker:
            for package in members(tracker, file.source):
                yield from entries_of(package, skipped)
        skipped.tell(self.name, file.source)

    def parts(self, known: Known) -> Sequence[str]:
        return (self.name,) if known.runs("debian") else ()

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        return whole_file(self, part, known.url(self.name, URL), known, fetch)


def entries_of(package: Node, skipped: Skipped) -> Iterator[Entry]:
    """What the tracker says of one source package, by the year of its CVEs: ``linux/2099``.

    The kernel alone has more than ten thousand of them, and changes every day.
    """
    if not package.key or len(package.key) > 190 or not is_printable(package.key):
        raise package.invalid("is no name of a package")
    years: defaultdict[str, list[tuple[str, Node]]] = defaultdict(list)
    for name, vulnerability in package.members():
        cve = cve_of(name)
        if cve is None:
            skipped.add("no CVE id")
        else:
            years[cve.split("-")[1]].append((cve, vulnerability))
    for year in sorted(years):
        yield _entry(package, year, years[year], skipped)


def _entry(package: Node, year: str, vulnerabilities: Iterable[tuple[str, Node]], skipped: Skipped) -> Entry:
    return package.make(
        Entry,
        id=f"{package.key}/{year}",
        title=f"{package.key}, CVEs of {year}",
        url=f"https://security-tracker.debian.org/tracker/source-package/{package.key}",
        statements=tuple(
            statement
            for cve, vulnerability in vulnerabilities
            for statement in _statements(package.key, cve, vulnerability.child("releases"), skipped)
        ),
    )


def _statements(package: str, cve: str, releases: Node, skipped: Skipped) -> Iterator[Statement]:
    for codename, release in releases.members():
        distribution = RELEASES.get(codename)
        if distribution is None:
            skipped.add("unknown release", prose(codename, 40) or "")
        else:
            yield _statement(package, cve, distribution, release)


def _statement(package: str, cve: str, distribution: str, release: Node) -> Statement:
    status, urgency = release.text("status", 40), (release.maybe_text("urgency", 40) or "").rstrip("*")
    fixed = release.maybe_text("fixed_version", 200)
    claim = _claim(status, urgency, fixed)
    return release.make(
        Statement,
        cve=cve,
        distribution=distribution,
        package=package,
        claim=claim,
        fixed=None if claim is Claim.NOT_AFFECTED or status == "open" else fixed,
        severity=_SEVERITIES.get(urgency, Severity.UNKNOWN),
        note=_note(release, status, urgency, fixed),
        where=release.where,
    )


def _claim(status: str, urgency: str, fixed: str | None) -> Claim:
    """``fixed_version`` 0: no version ever had it. A status without what belongs to it cannot be told."""
    if status == "resolved" and fixed == "0":
        return Claim.NOT_AFFECTED
    if urgency == "unimportant":
        return Claim.IGNORED
    if status == "open" or (status == "resolved" and fixed is not None):
        return Claim.AFFECTED
    return Claim.UNDETERMINED


def _note(release: Node, status: str, urgency: str, fixed: str | None) -> str | None:
    """Why there is no fix: the security team's words, and whether it is postponed or ignored for good."""
    if status == "resolved" and fixed is None:
        return "resolved, but in which version is not said"
    if status != "open":
        return None if status in {"resolved", "undetermined"} else prose(f"unknown status: {status}")
    parts = (
        release.maybe_prose("nodsa_reason", 40),
        release.maybe_prose("nodsa", 200),
        "end of life" if urgency == "end-of-life" else None,
    )
    return ": ".join(part for part in parts if part) or None
