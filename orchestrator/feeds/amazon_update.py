"""One bulletin of Amazon Linux (ALAS) as an entry: which CVEs are fixed in which versions of which packages.

A package is named as it is installed. Packages of debug symbols run nowhere and are left out.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from orchestrator.core.advisories import Entry, Statement
from orchestrator.core.patches import Severity
from orchestrator.feeds.dates import moment_of, moment_of_seconds
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import cve_of, prose
from orchestrator.feeds.xml_stream import Element

SEVERITIES: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "important": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
}

LIVE_PATCH = "kernel-livepatch-"

BULLETIN = re.compile(
    r"ALAS(?P<release>2023|2022|2)?(?P<topic>[A-Z][A-Z0-9._]*(?:-[0-9]+\.[0-9]+)?)?-(?P<number>[0-9]{4}-[0-9]{1,6})"
)
"""``ALAS2023-2024-001``, ``ALAS2023LIVEPATCH-2024-001``, ``ALAS2KERNEL-5.15-2022-001``, ``ALAS2PHP8.2-2024-001``."""
DIST_TAG = re.compile(r"\.amzn(?P<release>2023|2022|2|1)\b")

_SERIES = re.compile(r"[A-Z._-]*?(?P<series>[0-9]+(?:\.[0-9]+)*)")
_KERNEL_SERIES = re.compile(r"kernel(?P<series>[0-9]+\.[0-9]+)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_VERSION_PART = re.compile(r"[A-Za-z0-9._+~^]{1,90}")
_DEBUG = re.compile(r".*-debug(?:info|source)(?:-common.*)?")
_SECONDS = re.compile(r"[0-9]{9,11}")
_ENDED = frozenset({"1", "2022"})
"""Releases that are over: Amazon Linux AMI, and the preview of 2023."""

MOST_PACKAGES, MOST_CVES, MOST_STATEMENTS = 20_000, 20_000, 100_000
"""Of one update. A kernel comes with 30 packages and up to some hundred CVEs."""


def entry_of(update: Element, skipped: Skipped) -> Entry | None:
    """One bulletin; None for an update that is none: fixes of other kinds, and drafts. Raises `FeedInvalid`."""
    if update.attribute("type", 40) not in {"security", None}:
        skipped.add("update that is not about security")
        return None
    if update.attribute("status", 40) not in {"final", "stable", None}:
        skipped.add("update that is not final")
        return None
    entry_id = update.content("id", 80)
    if entry_id is None:
        raise update.invalid("has no id")
    severity = SEVERITIES.get((update.content("severity", 80) or "").lower(), Severity.UNKNOWN)
    published = _date(update, "issued")
    try:
        return Entry(
            id=entry_id,
            title=prose(update.content("title", 4000) or ""),
            url=_url(entry_id),
            published=published,
            modified=_date(update, "updated"),
            statements=tuple(_statements(update, severity, published, entry_id, skipped)),
        )
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise update.invalid(f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}") from exc


class _Built(NamedTuple):
    """A package of an update."""

    distribution: str
    name: str
    is_source: bool
    introduced: str | None
    fixed: str


def _statements(
    update: Element, severity: Severity, published: datetime | None, entry_id: str, skipped: Skipped
) -> Iterator[Statement]:
    cves = _cves(update, skipped)
    packages = _packages(update, entry_id, skipped)
    if len(cves) * len(packages) > MOST_STATEMENTS:
        raise update.invalid(f"names {len(cves)} CVEs and {len(packages)} packages: no update does")
    for built, (arches, where) in packages.items():
        for cve in cves:
            yield Statement(
                cve=cve,
                distribution=built.distribution,
                package=built.name,
                is_source=built.is_source,
                introduced=built.introduced,
                fixed=built.fixed,
                severity=severity,
                published=published,
                arches=tuple(sorted(arches)),
                where=where[:400],
            )


def _cves(update: Element, skipped: Skipped) -> list[str]:
    found: dict[str, None] = {}
    for reference in update.each("references", "reference"):
        if (reference.attribute("type", 40) or "").lower() == "cve":
            cve = cve_of((reference.attribute("id", 200) or "").upper())
            if cve is None:
                skipped.add("reference that is no CVE id")
            else:
                found[cve] = None
    if len(found) > MOST_CVES:
        raise update.invalid(f"names more than {MOST_CVES} CVEs")
    return list(found)


def _packages(update: Element, entry_id: str, skipped: Skipped) -> dict[_Built, tuple[frozenset[str], str]]:
    """What the update brings, with the architectures that it is for (none for all) and where it stands.

    A package that has the same version everywhere is named once.
    """
    listed = list(update.each("pkglist", "collection", "package"))
    if len(listed) > MOST_PACKAGES:
        raise update.invalid(f"brings more than {MOST_PACKAGES} packages")
    series = _series(entry_id, listed)
    arches: defaultdict[_Built, set[str]] = defaultdict(set)
    places: dict[_Built, str] = {}
    for package in listed:
        built = _built(package, entry_id, series, skipped)
        if built is not None:
            arches[built].add(package.attribute("arch", 40) or "noarch")
            places.setdefault(built, package.where)
    versions: defaultdict[tuple[str, str, bool], set[_Built]] = defaultdict(set)
    for built in arches:
        versions[built.distribution, built.name, built.is_source].add(built)
    return {
        one: (
            _narrowed(arches[one]) if len(versions[one.distribution, one.name, one.is_source]) > 1 else frozenset(),
            where,
        )
        for one, where in places.items()
    }


def _narrowed(arches: set[str]) -> frozenset[str]:
    return frozenset() if arches & {"noarch", "src"} else frozenset(arches)


def _built(package: Element, entry_id: str, series: Sequence[str], skipped: Skipped) -> _Built | None:
    name, version, release = (package.attribute(key, 300) for key in ("name", "version", "release"))
    epoch = package.attribute("epoch", 20) or "0"
    if name is None or version is None or release is None:
        raise package.invalid("has no name, version or release")
    if not all((_NAME.fullmatch(name), _VERSION_PART.fullmatch(version), _VERSION_PART.fullmatch(release))):
        raise package.invalid("has a name or a version that no package has")
    if not (epoch.isascii() and epoch.isdigit()):
        raise package.invalid("has an epoch that is no number")
    distribution = _distribution(release, entry_id)
    if distribution is None or _DEBUG.fullmatch(name):
        skipped.add("package of debug symbols" if distribution else "package of a release that is not followed")
        return None
    if is_initial(name, version, release):
        skipped.add("initial live patch, which fixes nothing")
        return None
    before = f"{int(epoch)}:" if int(epoch) else ""
    introduced = next((f"{before}{one}" for one in series if version.startswith(f"{one}.")), None)
    is_source = package.attribute("arch", 40) == "src"
    return _Built(distribution, name, is_source, introduced, f"{before}{version}-{release}")


def is_initial(name: str, version: str, release: str) -> bool:
    """Whether it is the empty module (``kernel-livepatch-…-1.0-0``) that comes with every kernel, so that there is
    something to update. The bulletin of a kernel lists it, but it is the kernel that has the fix."""
    return name.startswith(LIVE_PATCH) and version == "1.0" and release.partition(".")[0] == "0"


def _distribution(release: str, entry_id: str) -> str | None:
    tag, bulletin = DIST_TAG.search(release), BULLETIN.fullmatch(entry_id)
    number = tag["release"] if tag else bulletin["release"] if bulletin else None
    return None if number is None or number in _ENDED else f"amzn:{number}"


def _series(entry_id: str, packages: Sequence[Element]) -> list[str]:
    """The series that an update is for: kernels 4.14, 5.10 and 5.15 of Amazon Linux 2 are all called ``kernel``, as are
    versions of a package from different extras. A bulletin about kernel 5.15 says nothing of 5.10."""
    bulletin = BULLETIN.fullmatch(entry_id)
    found = _SERIES.fullmatch(bulletin["topic"] or "") if bulletin else None
    named = (_KERNEL_SERIES.match(package.attributes.get("name", "")) for package in packages)
    kernels = {one["series"] for one in named if one}
    return sorted(kernels | ({found["series"]} if found else set()))


def _date(update: Element, name: str) -> datetime | None:
    """``2024-01-02 03:04`` or seconds since 1970. No zone is said: it is taken as UTC."""
    element = update.first(name)
    text = None if element is None else element.attribute("date", 100)
    if element is None or text is None:
        return None
    try:
        return moment_of_seconds(int(text)) if _SECONDS.fullmatch(text) else moment_of(text)
    except ValueError as exc:
        raise element.invalid(str(exc)) from exc


def _url(entry_id: str) -> str | None:
    found = BULLETIN.fullmatch(entry_id)
    if found is None or found["release"] is None:
        return None
    return f"https://alas.aws.amazon.com/AL{found['release']}/ALAS{found['topic'] or ''}-{found['number']}.html"
