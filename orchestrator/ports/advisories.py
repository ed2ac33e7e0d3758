"""The ports of published vulnerability data: feeds, which read it, and the store, which keeps what they said."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.core.advisories import (
    Distribution,
    Entry,
    FeedImport,
    FeedStatus,
    Grade,
    Imported,
    Likelihood,
    ModuleFix,
    PackageKey,
    Statement,
    Told,
)
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve


class FeedFile(Frozen):
    """A file of a feed on this machine, with what `FeedImport` wants to know of it besides its content."""

    path: Path
    feed: str
    source: str
    is_whole: bool = True
    version: str | None = None
    dated: Moment | None = None
    deleted: tuple[str, ...] = ()
    sha256: str | None = None
    etag: str | None = None
    last_modified: str | None = None


class AdvisoryFeed(Protocol):
    """One kind of source: reads its files. Downloads are somebody else's (`orchestrator.feeds`)."""

    name: str
    """The first part of `FeedFile.feed`: ``debian``, ``osv``."""

    def recognise(self, path: Path) -> FeedFile | None:
        """What this file is, if it is one of this source's; None otherwise. Reads no more than the beginning."""
        ...

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        """Its entries, one after the other, in bounded memory however large the file is. Raises `FeedInvalid` with file
        and place for what cannot be read; what was yielded before is then thrown away by the caller."""
        ...


class FeedStore(Protocol):
    """What was imported, and where each feed stands."""

    def import_entries(
        self, about: FeedImport, entries: Iterable[Entry], now: Callable[[], Moment] | None = None
    ) -> Imported:
        """Take in one file, whole or not at all: whatever ``entries`` raises is raised, and nothing has changed.

        An entry that says what it said before changes nothing; of one that changed, what it no longer says ends, and
        what it newly says begins, when it is written: ``now`` is asked then; without it, and where that is earlier,
        ``about.at`` counts, and never a time before the feed's last import. Entries older than those we have are left
        out (one that was gone comes back whatever its date). A whole file that is older than the last one changes
        nothing; what changed after its date is not gone because it does not have it. Single files that come before the
        first whole one, or after it, leave the same said; with that first one, or before it, everything is baseline.

        Entries are spooled: neither they nor a transaction are held in memory or open while the file is read. An id
        that comes twice raises `FeedInvalid`.
        """
        ...

    def put_likelihoods(
        self, about: FeedImport, scores: Iterable[Likelihood], now: Callable[[], Moment] | None = None
    ) -> Imported:
        """EPSS: all scores in the place of all that there were; an older file changes nothing."""
        ...

    def failed(self, feed: str, at: Moment, error: str, source: str | None = None) -> None:
        """Remember that an attempt failed."""
        ...

    def unchanged(self, feed: str, at: Moment) -> None:
        """Remember that the source was asked, and has nothing newer than what was imported: a success."""
        ...

    def statuses(self) -> tuple[FeedStatus, ...]:
        """Of every feed that was ever tried, by name."""
        ...


class AdvisoryStore(Protocol):
    """What the feeds say, and said: nothing that was told is forgotten, because windows were decided with it."""

    def statements(self, packages: Iterable[PackageKey]) -> Mapping[PackageKey, Sequence[Told[Statement]]]:
        """All that was ever said of these packages, by distribution and package; ended ones included."""
        ...

    def module_fixes(self, distributions: Iterable[Distribution]) -> Sequence[Told[ModuleFix]]:
        """All live-patch notices for these distributions, ended ones included."""
        ...

    def grades(self, cves: Iterable[Cve]) -> Mapping[Cve, Sequence[Told[Grade]]]:
        """All grades of these CVEs, ended ones included."""
        ...

    def about(
        self, cve: Cve
    ) -> tuple[tuple[Told[Statement], ...], tuple[Told[ModuleFix], ...], tuple[Told[Grade], ...]]:
        """Everything that any source says of it now."""
        ...

    def likelihoods(self, cves: Iterable[Cve]) -> Mapping[Cve, Likelihood]:
        """The EPSS scores of these."""
        ...


class AdvisoryIndex(Protocol):
    """Entries, for lists and pages."""

    def list(
        self, *, feed: str | None = None, text: str | None = None, after: str | None = None, most: int = 100
    ) -> tuple[tuple[str, Entry], ...]:
        """Feed and entry (without what it says), by feed and id, from after ``FEED/ID`` on; ``text`` is a part of id,
        title or CVE."""
        ...

    def show(self, entry_id: str) -> tuple[tuple[str, Entry], ...]:
        """Every feed's entry of that id, with what it says now."""
        ...
