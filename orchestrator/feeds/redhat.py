"""Red Hat's VEX documents: one JSON document for each CVE, all of them in one archive, and lists of what changed since.

Source: https://security.access.redhat.com/data/csaf/v2/vex/ with ``archive_latest.txt``, ``csaf_vex_DATE.tar.zst``,
``changes.csv``, ``deletions.csv`` and ``YEAR/cve-YEAR-NUMBER.json``. What a document says is read in `feeds.csaf_vex`,
how they are downloaded in `feeds.redhat_sync`.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.advisories import Entry
from orchestrator.errors import FeedInvalid, NotFound
from orchestrator.feeds.archives import ArchiveMember, tar_members
from orchestrator.feeds.csaf_vex import entry_of
from orchestrator.feeds.json_stream import JsonLimits, document
from orchestrator.feeds.opening import MIB, OpenLimits, beginning, opened
from orchestrator.feeds.redhat_changes import MEMBER, archive_date, is_list
from orchestrator.feeds.redhat_sync import synced
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Known, Unchanged

URL = "https://security.access.redhat.com/data/csaf/v2/vex/"

LIMITS = OpenLimits(expanded=64 << 30, ratio=1000, member=64 * MIB)
"""Documents repeat themselves: the archive expands to many times its size."""
JSON_LIMITS = JsonLimits(item_bytes=64 * MIB)
MOST_VALUES = 4_000_000
"""Of one document: empty objects take twenty times the room in memory that they take in a file. The largest real ones
have some hundred thousand."""

_DOCUMENT = re.compile(rb'\A\s*\{.*"category"\s*:\s*"csaf_vex"', re.DOTALL)
_PUBLISHER = re.compile(rb'"namespace"\s*:\s*"https://www\.redhat\.com/?"')
_TAR = slice(257, 262)


class RedHat:
    """The archive, which is whole, or single documents."""

    name = "redhat"

    def recognise(self, path: Path) -> FeedFile | None:
        start = beginning(path)
        if start[_TAR] == b"ustar" and _holds_documents(start):
            dated = archive_date(path.name)
            version = None if dated is None else f"{dated:%Y-%m-%d}"
            return FeedFile(path=path, feed=self.name, source=str(path), version=version, dated=dated)
        if _DOCUMENT.search(start) and _PUBLISHER.search(start):
            return FeedFile(path=path, feed=self.name, source=str(path), is_whole=False)
        return None

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        skipped = Skipped()
        start = beginning(file.path, 1024)
        if start[_TAR] == b"ustar":
            yield from _archived(file, skipped)
        elif not is_list(start):  # of deletions, which are in `FeedFile.deleted`
            with opened(file.path, name=file.source) as content:
                data = content.read(JSON_LIMITS.item_bytes + 1)
            yield entry_of(_read(data, file.source), skipped)
        skipped.tell(self.name, file.source)

    def parts(self, known: Known) -> Sequence[str]:
        # Its grades are for hosts of every distribution: other sources give CVEs no severity, or no date.
        return (self.name,) if known.distributions else ()

    def files(self, part: str, known: Known, fetch: Fetch) -> Iterator[FeedFile | Unchanged]:
        if part != self.name:
            raise NotFound(f"{self.name} has no part {part!r}")
        return synced(self, known.url(self.name, URL).rstrip("/") + "/", known.status(part), fetch)


def _holds_documents(start: bytes) -> bool:
    """Whether the first member of a tar archive is a document of Red Hat's, or the folder of a year."""
    name = start[:100].split(b"\x00", 1)[0].decode("utf-8", "replace")
    return MEMBER.fullmatch(name) is not None or re.fullmatch(r"(?:\./)?(?:[0-9]{4}/?)?", name) is not None


def _archived(file: FeedFile, skipped: Skipped) -> Iterator[Entry]:
    count = 0
    for member in tar_members(file.path, name=file.source, wanted=_is_document, limits=LIMITS):
        count += 1
        yield _entry(member, file.source, skipped)
    if not count:
        raise FeedInvalid("is an archive without documents (YEAR/cve-YEAR-NUMBER.json)", file=file.source)


def _is_document(name: str) -> bool:
    return MEMBER.fullmatch(name) is not None


def _entry(member: ArchiveMember, source: str, skipped: Skipped) -> Entry:
    entry = entry_of(_read(member.data, source, member.name), skipped)
    found = MEMBER.fullmatch(member.name)
    if found is None or found[1].upper() != entry.id:
        raise Node(None, file=source, part=member.name).invalid(f"is about {entry.id}, and its name about another")
    return entry


def _read(data: bytes, source: str, part: str = "") -> Node:
    if sum(data.count(sign) for sign in (b"{", b"[", b",")) > MOST_VALUES:
        raise Node(None, file=source, part=part).invalid(f"has more than {MOST_VALUES} values")
    return document(data, source, part=part, limits=JSON_LIMITS)
