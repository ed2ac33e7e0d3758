"""What changed in Red Hat's VEX documents since a moment: ``changes.csv`` and ``deletions.csv``, and the name of the
newest archive.

Format: lines ``"2024/cve-2024-1234.json","2024-10-06T12:01:02+00:00"``, the newest first; ``archive_latest.txt`` holds
one name, ``csaf_vex_2024-10-06.tar.zst``. The order is not relied on.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.dates import moment_of
from orchestrator.feeds.opening import opened

ARCHIVE = re.compile(r"csaf_vex_([0-9]{4}-[0-9]{2}-[0-9]{2})\.tar(?:\.zst)?")
MEMBER = re.compile(r"(?:\./)?(?:[0-9]{4}/)?(cve-[0-9]{4}-[0-9]{4,19})\.json")
"""A document in an archive."""

_LINE = re.compile(r'"?([0-9]{4}/cve-[0-9]{4}-[0-9]{4,19}\.json)"?\s*,\s*"?([0-9T:+.Z-]{10,40})"?')
_LONGEST = 500
_MOST_LINES = 3_000_000


def changed_since(path: Path, source: str, since: datetime) -> Mapping[str, datetime]:
    """Documents that changed at that moment or later, and when, the oldest change first. What has no date that can be
    is taken as changed. Raises `FeedInvalid` with the line."""
    found: dict[str, datetime] = {}
    for name, at in _lines(path, source):
        if at is None or at >= since:
            found[name] = max(at or since, found.get(name, since))
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def entry_id(name: str) -> str:
    """``CVE-2024-1234`` of ``2024/cve-2024-1234.json``."""
    return name.rpartition("/")[2].removesuffix(".json").upper()


def archive_date(name: str) -> datetime | None:
    """The day of an archive by its name; None for another name."""
    found = ARCHIVE.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None


def archive_name(path: Path, source: str) -> tuple[str, datetime]:
    """What ``archive_latest.txt`` holds, and its day. Raises `FeedInvalid` for anything but the name of an archive."""
    with opened(path, name=source) as file:
        name = file.read(_LONGEST).decode("utf-8", "replace").strip()
    dated = archive_date(name)
    if dated is None:
        raise FeedInvalid("does not hold the name of an archive (csaf_vex_YYYY-MM-DD.tar.zst)", file=source)
    return name, dated


def is_list(start: bytes) -> bool:
    """Whether a file that begins so is one of the two lists."""
    first = start.lstrip().partition(b"\n")[0][:_LONGEST].decode("utf-8", "replace").strip()
    return _LINE.fullmatch(first) is not None


def _lines(path: Path, source: str) -> Iterator[tuple[str, datetime | None]]:
    with opened(path, name=source) as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST), b""), start=1):
            text = line.decode("utf-8", "replace").strip()
            if not text:
                continue
            found = _LINE.fullmatch(text)
            if found is None or number > _MOST_LINES:
                raise FeedInvalid("is no line of documents and dates", file=source, line=number)
            try:
                yield found[1], moment_of(found[2])
            except ValueError as exc:
                raise FeedInvalid(str(exc), file=source, line=number) from exc
