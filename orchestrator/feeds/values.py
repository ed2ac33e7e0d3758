"""Checked readers of JSON values: each returns what was asked for or raises `FeedInvalid` with the place."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.errors import FeedInvalid
from orchestrator.feeds.dates import day_of, moment_of

Model = TypeVar("Model", bound=BaseModel)

MOST_TEXT = 1_000
"""Characters of a text that nobody set a bound for."""
MOST_ITEMS = 100_000
"""Items of a list, members of an object."""
MOST_WHERE = 400
"""As `core.advisories.Where` has it."""

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SPACE = re.compile(r"\s+")


def cve_of(text: object) -> str | None:
    """The text if it is a CVE id, else None: sources put other things where CVE ids are expected."""
    return text if isinstance(text, str) and _CVE.fullmatch(text) else None


def prose(text: str, most: int = 300) -> str | None:
    """Text for people on one line: control characters are replaced, what is too long is cut; None for nothing."""
    line = _SPACE.sub(" ", _CONTROL.sub("\ufffd", text[: 4 * most])).strip()
    line = line.encode("utf-8", "replace").decode("utf-8")
    return (line if len(line) <= most else line[: most - 1] + "…") or None


def step_of(key: str) -> str:
    """A name as a JSON pointer has it. Source: RFC 6901, 3."""
    return key.replace("~", "~0").replace("/", "~1")


class Node:
    """A value in a document, which knows its place: ``part`` is the member of an archive that it stands in."""

    __slots__ = ("above", "file", "name", "part", "value")

    def __init__(
        self, value: Any, *, file: str, part: str = "", parent: "Node | None" = None, key: str | int | None = None
    ) -> None:
        self.value, self.file, self.part, self.above, self.name = value, file, part, parent, key

    @property
    def key(self) -> str:
        """The name or the number under which it stands."""
        return "" if self.name is None else str(self.name)

    @property
    def pointer(self) -> str:
        """RFC 6901; empty for the whole document."""
        steps: list[str] = []
        node: Node | None = self
        while node is not None and node.above is not None:
            steps.append(step_of(node.key))
            node = node.above
        prefix = node.key if node is not None else ""
        return "".join([prefix, *(f"/{step}" for step in reversed(steps))])

    @property
    def where(self) -> str:
        """Its place in the file, fit for `Statement.where`."""
        return (prose(f"{self.part}#{self.pointer}" if self.part else self.pointer, MOST_WHERE)) or "/"

    def invalid(self, message: str) -> FeedInvalid:
        """The error that names this place."""
        return FeedInvalid(message, file=self.file, field=self.where)

    # Objects

    def child(self, key: str) -> "Node":
        """The member of that name; one that is missing has the value None."""
        return Node(self._object().get(key), file=self.file, part=self.part, parent=self, key=key)

    def members(self, most: int = MOST_ITEMS) -> Iterator[tuple[str, "Node"]]:
        """Names and values of an object."""
        if len(self._object()) > most:
            raise self.invalid(f"has more than {most} members")
        for key, value in self._object().items():
            yield key, Node(value, file=self.file, part=self.part, parent=self, key=key)

    @property
    def is_missing(self) -> bool:
        """Whether it is not there, or null."""
        return self.value is None

    def _object(self) -> Mapping[str, Any]:
        if not isinstance(self.value, dict):
            raise self.invalid(f"is {kind_of(self.value)}, and should be an object")
        return self.value

    # Lists

    def each(self, key: str, most: int = MOST_ITEMS) -> Iterator["Node"]:
        """The items of the list of that name; none where it is missing or null."""
        found = self.child(key)
        return iter(()) if found.is_missing else found.items(most)

    def items(self, most: int = MOST_ITEMS) -> Iterator["Node"]:
        """The items of a list."""
        if not isinstance(self.value, list):
            raise self.invalid(f"is {kind_of(self.value)}, and should be a list")
        if len(self.value) > most:
            raise self.invalid(f"has more than {most} items")
        for index, value in enumerate(self.value):
            yield Node(value, file=self.file, part=self.part, parent=self, key=index)

    def texts(self, key: str, most: int = MOST_ITEMS, most_text: int = MOST_TEXT) -> tuple[str, ...]:
        """A list of texts; empty where it is missing or null."""
        return tuple(item.as_text(most_text) for item in self.each(key, most))

    # Texts, numbers, dates

    def text(self, key: str, most: int = MOST_TEXT) -> str:
        """A text that must be there and not be empty."""
        found = self.child(key)
        if not (text := found.as_text(most)):
            raise found.invalid("is empty")
        return text

    def maybe_text(self, key: str, most: int = MOST_TEXT) -> str | None:
        """A text, or None where it is missing, null or empty."""
        found = self.child(key)
        return None if found.is_missing else found.as_text(most) or None

    def maybe_prose(self, key: str, most: int = 300) -> str | None:
        """A text for people, cut to that length; None where it is missing, null or empty."""
        found = self.child(key)
        if found.is_missing:
            return None
        if not isinstance(found.value, str):
            raise found.invalid(f"is {kind_of(found.value)}, and should be a text")
        return prose(found.value, most)

    def as_text(self, most: int = MOST_TEXT) -> str:
        """This value, which must be a text, of printable characters, and of no more than that length."""
        value = self.value
        if not isinstance(value, str):
            raise self.invalid(f"is {kind_of(value)}, and should be a text")
        if len(value) > most:
            raise self.invalid(f"is a text of {len(value)} characters, and may have {most}")
        if not is_printable(value):
            raise self.invalid("has characters that cannot be printed")
        return value

    def whole_number(self, key: str) -> int:
        """A whole number that must be there. True and 1.0 are none."""
        found = self.child(key)
        if not isinstance(found.value, int) or isinstance(found.value, bool):
            raise found.invalid(f"is {kind_of(found.value)}, and should be a whole number")
        return found.value

    def moment(self, key: str) -> datetime | None:
        """A point in time (`feeds.dates.moment_of`); None where it is missing, null, empty, or no date that can be."""
        found = self.child(key)
        text = None if found.is_missing else found.as_text(100)
        try:
            return moment_of(text) if text else None
        except ValueError as exc:
            raise found.invalid(str(exc)) from exc

    def day(self, key: str) -> date | None:
        """A date (`feeds.dates.day_of`), or None as above."""
        found = self.child(key)
        text = None if found.is_missing else found.as_text(100)
        try:
            return day_of(text) if text else None
        except ValueError as exc:
            raise found.invalid(str(exc)) from exc

    def make(self, model: type[Model], **fields: Any) -> Model:
        """One of our objects from what was read here; what it refuses is an error of this place."""
        try:
            return model(**fields)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            name = ".".join(str(step) for step in first["loc"])
            raise self.invalid(f"{name}: {first['msg']}") from exc


def is_printable(text: str) -> bool:
    """Whether it can be stored and printed: no control characters, and no half of a surrogate pair, which JSON can
    write and UTF-8 cannot."""
    if text.isascii():
        return text.isprintable()
    return _CONTROL.search(text) is None and not any("\ud800" <= char <= "\udfff" for char in text)


_KINDS = {str: "a text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    return "missing" if value is None else _KINDS.get(type(value), "something else")
