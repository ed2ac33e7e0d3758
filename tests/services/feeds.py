"""Feeds and downloads that do what they are told to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.advisories import Entry, Grade, Imported, Statement
from orchestrator.errors import FeedUnavailable, NotFound, PatchwaveError
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetched, Known, Unchanged
from orchestrator.services.import_advisories import FeedResult, ImportAdvisories
from orchestrator.services.sync_advisories import SyncAdvisories
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore

Step = FeedFile | Unchanged | Exception


def entry(number: int, **more: object) -> Entry:
    """An entry about a CVE of its own."""
    cve = f"CVE-2099-{number:04}"
    said = Statement(cve=cve, distribution="debian:12", package="made-up", fixed=f"{number}", where=f"/{number}")
    return Entry.model_validate(
        {"id": f"E-{number}", "statements": (said,), "grades": (Grade(cve=cve, where="/"),)} | more
    )


@dataclass
class FakeFeed:
    """`ports.feeds.SyncedFeed` of text files: a line ``NAME:`` and then a number per entry; ``!`` is an error."""

    name: str
    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    """What each part downloads."""
    needed: Sequence[str] | None = None
    """The parts that the fleet needs, whatever it runs; None: all."""

    def recognise(self, path: Path) -> FeedFile | None:
        head = path.read_text().partition("\n")[0]
        if not head.startswith(f"{self.name}:"):
            return None
        return FeedFile(path=path, feed=head.removesuffix(":"), source=str(path))

    def entries(self, file: FeedFile) -> Iterator[Entry]:
        for line in file.path.read_text().splitlines()[1:]:
            if line == "!":
                raise FeedUnavailable("is broken")
            yield entry(int(line))

    def parts(self, known: Known) -> Sequence[str]:
        del known
        return tuple(self.steps) if self.needed is None else self.needed

    def files(self, part: str, known: Known, fetch: Callable[..., Fetched | None]) -> Iterator[FeedFile | Unchanged]:
        del known, fetch
        if part not in self.steps:
            raise NotFound(f"there is no {part}")
        for step in self.steps[part]:
            if isinstance(step, Exception):
                raise step
            yield step


class Desk:
    """A store, two feeds, and what was told of changes."""

    def __init__(self, *feeds: FakeFeed, store: FakeStore | None = None) -> None:
        self.store, self.clock, self.changes = store or FakeStore(), FakeClock(), list[Imported]()
        self.feeds = {feed.name: feed for feed in feeds}
        self.take = ImportAdvisories(
            feeds=self.feeds,
            scores={},
            store=self.store.feeds,
            clock=self.clock,
            digest=lambda _path: "0" * 64,
            on_change=self.changes.append,
        )
        self.sync = SyncAdvisories(
            source=self.source, enabled=tuple(self.feeds), take=self.take, store=self.store, clock=self.clock, urls={}
        )

    def source(self, name: str) -> FakeFeed:
        """By its name."""
        if name not in self.feeds:
            raise NotFound(f"there is no feed {name!r}")
        return self.feeds[name]


def nothing(*_asked: object, **_how: object) -> None:
    """A download that never has anything."""


def states(results: Sequence[FeedResult]) -> list[tuple[str, str]]:
    """Part and state of each."""
    return [(result.feed, str(result.state)) for result in results]


def error_of(result: FeedResult) -> PatchwaveError:
    """The error of a failed one."""
    assert result.error is not None
    return result.error
