"""CISA's catalogue of vulnerabilities that are known to be exploited (KEV).

One JSON file: ``catalogVersion``, ``dateReleased``, ``count`` and ``vulnerabilities``, each with ``cveID``,
``vulnerabilityName``, ``dateAdded`` and ``dueDate``, until when US agencies have to act. It is whole: what is taken out
of it is withdrawn. Source: https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities_schema.json
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

from orchestrator.core.advisories import Entry, Grade
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.base import whole_file
from orchestrator.feeds.dates import moment_of
from orchestrator.feeds.json_stream import glimpse, members
from orchestrator.feeds.opening import beginning, opened
from orchestrator.feeds.values import Node, cve_of, prose
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

URL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"


class Kev:
    """`ports.feeds.SyncedFeed` of CISA's catalogue."""

    name = "kev"

    def recognise(self, path: Path) -> FeedFile | None:
        """A JSON object with ``catalogVersion`` and ``vulnerabilities``; see `AdvisoryFeed`."""
        top = glimpse(beginning(path))
        if top is None or "catalogVersion" not in top or not isinstance(top.get("vulnerabilities"), list):
            return None
        version, released = top["catalogVersion"], top.get("dateReleased")
        return FeedFile(
            path=path,
            feed=self.name,
            source=str(path),
            version=prose(version, 200) if isinstance(version, str) else None,
            dated=_released(released, path),
        )

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        """One entry per vulnerability; see `AdvisoryFeed`."""
        with opened(file.path, name=file.source) as content:
            for node in members(content, file.source, path=("vulnerabilities",)):
                yield _entry(node)

    def parts(self, known: Known) -> Sequence[str]:  # noqa: ARG002  whatever the fleet runs
        """Always: it speaks of CVEs, whoever has them."""
        return (self.name,)

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        """One file; see `FeedSource`."""
        return whole_file(self, part, known.url(self.name, URL), known, fetch)


def _released(text: object, path: Path) -> datetime | None:
    try:
        return moment_of(text) if isinstance(text, str) else None
    except ValueError as exc:
        raise FeedInvalid(str(exc), file=str(path), field="/dateReleased") from exc


def _entry(node: Node) -> Entry:
    cve = node.text("cveID", 40)
    if cve_of(cve) is None:
        raise node.child("cveID").invalid("is no CVE id")
    added = node.day("dateAdded")
    grade = node.make(Grade, cve=cve, kev_added=added, kev_due=node.day("dueDate"), where=node.where)
    return node.make(
        Entry, id=cve, title=node.maybe_prose("vulnerabilityName"), published=_midnight(added), grades=(grade,)
    )


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), tzinfo=UTC)
