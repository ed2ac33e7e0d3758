"""What the tests of feeds share."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from orchestrator.core.advisories import Entry, Grade, Imported, ModuleFix, Statement
from orchestrator.feeds.registry import FEEDS, LIKELIHOODS
from orchestrator.services.import_advisories import FeedResult, ImportAdvisories
from tests.fakes.clock import FakeClock
from tests.fakes.store import FakeStore


class Desk:
    """A store, and imports into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.clock = folder, FakeStore(), FakeClock()
        self.changes: list[Imported] = []
        self.take = ImportAdvisories(
            feeds=FEEDS,
            scores=LIKELIHOODS,
            store=self.store.feeds,
            clock=self.clock,
            digest=lambda path: hashlib.sha256(path.read_bytes()).hexdigest(),
            on_change=self.changes.append,
        )

    def write(self, name: str, content: bytes) -> Path:
        """A file."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def brings(self, name: str, content: bytes) -> FeedResult:
        """Import one file; time passes."""
        self.clock.advance(60)
        (result,) = self.take([self.write(name, content)])
        return result

    def said(self) -> object:
        """All that is known, but for when things were tried."""
        index = self.store.advisory_index
        entries = [index.show(entry.id) for _feed, entry in index.list(most=10_000)]
        said = [one for shown in entries for _feed, entry in shown for one in _said(entry)]
        cves = {one.cve for one in said}
        about = {cve: self.store.advisories.about(cve) for cve in sorted(cves)}
        return entries, about, self.store.advisories.likelihoods([f"CVE-2099-{n:04}" for n in range(20)])


def _said(entry: Entry) -> tuple[Statement | ModuleFix | Grade, ...]:
    return (*entry.statements, *entry.module_fixes, *entry.grades)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with nothing on it."""
    return Desk(tmp_path)


@pytest.fixture
def new_desk(tmp_path: Path) -> Callable[[str], Desk]:
    """Several desks."""

    def make(name: str) -> Desk:
        (tmp_path / name).mkdir()
        return Desk(tmp_path / name)

    return make


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """What other tests set logging up for (a captured stream) is closed by now; feeds log what they leave out."""
    structlog.reset_defaults()
