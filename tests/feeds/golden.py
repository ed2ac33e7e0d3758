"""Golden cases: a file in a feed's real format, and beside it what it says."""

import json
from pathlib import Path
from typing import Any

from orchestrator.core.advisories import Entry
from orchestrator.ports.advisories import AdvisoryFeed, FeedFile

SAYS = ".says.json"


def cases(folder: Path) -> list[str]:
    """The names of the cases in ``golden/`` beside a test."""
    return sorted(path.stem for path in (folder / "golden").glob("*.json") if not path.name.endswith(SAYS))


def golden(folder: Path, name: str) -> Path:
    """The file of a case."""
    return folder / "golden" / f"{name}.json"


def expected(folder: Path, name: str) -> Any:
    """What it says: entries as JSON, without what is as always."""
    return json.loads((folder / "golden" / f"{name}{SAYS}").read_text())


def said(entries: list[Entry]) -> Any:
    """Entries as the golden files have them."""
    return [entry.model_dump(mode="json", exclude_defaults=True) for entry in entries]


def read(feed: AdvisoryFeed, path: Path) -> list[Entry]:
    """All that a feed reads in a file that it recognises."""
    file = feed.recognise(path)
    assert isinstance(file, FeedFile)
    return list(feed.entries(file))
