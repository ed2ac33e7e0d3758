"""What an entry says, as rows: everything that it said before is told apart from what is new by comparing rows."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeVar

from sqlalchemy import Row

from orchestrator.core.advisories import Entry, Grade, ModuleFix, Statement, Told
from orchestrator.core.patches import Cve

T = TypeVar("T", Statement, ModuleFix, Grade)


class Kind(StrEnum):
    """What a row of ``told`` holds."""

    STATEMENT = "statement"
    """A `core.advisories.Statement`."""
    MODULE_FIX = "module_fix"
    """A `core.advisories.ModuleFix`."""
    GRADE = "grade"
    """A `core.advisories.Grade`."""


class Said(NamedTuple):
    """One thing that an entry says. ``document`` is the JSON of all that has no column and is not its default."""

    kind: str
    cve: Cve
    distribution: str | None
    package: str | None
    document: str


class Packed(NamedTuple):
    """An entry as it is spooled and stored. ``said`` goes with where the source says it. Times are ISO 8601."""

    entry: str
    content: str
    modified: str | None
    published: str | None
    withdrawn: str | None
    title: str | None
    url: str | None
    said: tuple[tuple[Said, str], ...]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The entry, packed. What it says twice it says once, and a withdrawn one says nothing."""
        entry = _storable(entry)
        said: dict[Said, str] = {}
        for one, place in () if entry.withdrawn is not None else _said(entry):
            said.setdefault(one, place)
        published, withdrawn = _iso(entry.published), _iso(entry.withdrawn)
        content = json.dumps([published, withdrawn, entry.title, entry.url, sorted(said, key=_order)]).encode()
        return cls(
            entry=entry.id,
            content=hashlib.blake2b(content, digest_size=16).hexdigest(),
            modified=_iso(entry.modified),
            published=published,
            withdrawn=withdrawn,
            title=entry.title,
            url=entry.url,
            said=tuple(said.items()),
        )

    def line(self) -> bytes:
        """As a line of a spool."""
        return json.dumps(self, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """From a line of a spool."""
        *values, said = json.loads(line)
        return cls._make((*values, tuple((Said(*one), place) for one, place in said)))


def _said(entry: Entry) -> Iterator[tuple[Said, str]]:
    for one in entry.statements:
        document = one.model_dump_json(exclude=_IN_COLUMNS, exclude_defaults=True)
        yield Said(Kind.STATEMENT.value, one.cve, one.distribution, one.package, document), one.where
    for fix in entry.module_fixes:
        document = fix.model_dump_json(exclude=_IN_COLUMNS, exclude_defaults=True)
        yield Said(Kind.MODULE_FIX.value, fix.cve, fix.distribution, fix.package, document), fix.where
    for grade in entry.grades:
        document = grade.model_dump_json(exclude=_IN_COLUMNS, exclude_defaults=True)
        yield Said(Kind.GRADE.value, grade.cve, None, None, document), grade.where


_IN_COLUMNS = {"cve", "distribution", "package", "where"}


def _order(said: Said) -> tuple[str, ...]:
    return tuple(value or "" for value in said)


def _storable(entry: Entry) -> Entry:
    """PostgreSQL's text has no NUL: it becomes U+FFFD."""
    text = entry.model_dump_json()
    if "\\u0000" not in text:
        return entry
    return Entry.model_validate(_without_nul(json.loads(text)))


def stored_text(text: str) -> str:
    """A text of an entry as it is stored."""
    return text.replace("\x00", "\ufffd")


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return stored_text(value)
    if isinstance(value, list):
        return [_without_nul(one) for one in value]
    return {key: _without_nul(one) for key, one in value.items()} if isinstance(value, dict) else value


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def statement_of(row: Row[Any]) -> Told[Statement]:
    """The row of a statement."""
    return _told(Statement, row, distribution=row.distribution, package=row.package)


def module_fix_of(row: Row[Any]) -> Told[ModuleFix]:
    """The row of a live-patch notice."""
    return _told(ModuleFix, row, distribution=row.distribution, package=row.package)


def grade_of(row: Row[Any]) -> Told[Grade]:
    """The row of a grade."""
    return _told(Grade, row)


def _told(kind: type[T], row: Row[Any], **columns: Any) -> Told[T]:
    said = kind.model_validate({**json.loads(row.document), "cve": row.cve, "where": row.place, **columns})
    return Told(said, row.feed, row.entry, row.since, row.until, row.is_baseline)
