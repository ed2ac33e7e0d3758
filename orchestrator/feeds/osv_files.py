"""What an OSV file is about, from a look at its beginning, or at some records of an archive."""

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.archives import zip_members
from orchestrator.feeds.json_stream import MIB, document
from orchestrator.feeds.opening import beginning, opened
from orchestrator.feeds.osv_ecosystems import family_of, is_followed
from orchestrator.feeds.values import Node
from orchestrator.ports.advisories import FeedFile

MOST_RECORD = 32 * MIB
_LOOK = 256 * 1024
_SAMPLE = 200
"""Records of an archive that are looked at. Those of SUSE and openSUSE share many."""

_FIELDS = (
    "schema_version|id|modified|published|withdrawn|aliases|upstream|related|summary|details|severity|affected"
    "|references|credits|database_specific"
)
_RECORD = re.compile(rf'\s*\{{\s*"(?:{_FIELDS})"\s*:'.encode())
_ECOSYSTEM = re.compile(rb'"ecosystem"\s*:\s*"([^"\\]{1,200})"')
_NOTICE = re.compile(rb'"id"\s*:\s*"LSN-')


class Look(NamedTuple):
    """``family``: the ecosystem that all of it is about, None where that cannot be told."""

    is_archive: bool
    family: str | None = None
    is_live_patches: bool = False

    @classmethod
    def of_start(cls, path: Path) -> "Look":
        """Whether it is an archive, from its first bytes."""
        return cls(is_archive=beginning(path, 4) == b"PK\x03\x04")


def look_at(path: Path) -> Look | None:
    """None for what is no OSV file."""
    if Look.of_start(path).is_archive:
        return _look_into(path)
    start = beginning(path, _LOOK)
    if _RECORD.match(start) is None:
        return None
    families = _families(start)
    return Look(False, families[0] if families else None, _NOTICE.search(start) is not None)


def is_record_name(name: str) -> bool:
    """Whether a member of an archive is a record."""
    return name.endswith(".json")


def read_record(about: FeedFile) -> Node:
    """A single file. Raises `FeedInvalid`."""
    with opened(about.path, name=about.source) as file:
        data = file.read(MOST_RECORD + 1)
    if len(data) > MOST_RECORD:
        raise FeedInvalid(f"is larger than {MOST_RECORD} bytes", file=about.source)
    return document(data, about.source)


def _look_into(path: Path) -> Look | None:
    starts: list[bytes] = []
    with suppress(FeedInvalid):  # whoever reads the archive is told what is wrong with it
        names = _sample(path)
        starts.extend(m.data[:_LOOK] for m in zip_members(path, wanted=names.__contains__) if _RECORD.match(m.data))
    if not starts:
        return None
    told = [frozenset(_families(start)) for start in starts if _ECOSYSTEM.search(start)]
    shared = frozenset.intersection(*told) if told else frozenset()
    family = _named(path, shared) if len(shared) > 1 else next(iter(shared), None)
    return Look(True, family, all(_NOTICE.search(start) for start in starts))


def _sample(path: Path) -> frozenset[str]:
    """Names from all over the archive: its beginning may be all of one kind."""
    names: list[str] = []

    def note(name: str) -> bool:
        if is_record_name(name):
            names.append(name)
        return False

    for _member in zip_members(path, wanted=note):
        pass
    return frozenset(names[:: max(1, len(names) // _SAMPLE)])


def _named(path: Path, families: frozenset[str]) -> str | None:
    """Where the records fit several: the one that the file or its folder is named after, if it is only one."""
    words = set(re.split(r"[^A-Za-z ]+", path.stem)) | {path.parent.name}
    found = families & words
    return next(iter(found)) if len(found) == 1 else None


def _families(data: bytes) -> tuple[str, ...]:
    """The ecosystems that we follow, in the order in which they are named."""
    names = (family_of(found.decode("utf-8", "replace")) for found in _ECOSYSTEM.findall(data))
    return tuple(dict.fromkeys(name for name in names if is_followed(name)))
