"""The lines of a section: ``KEY=value``, or ``KEY!reason`` for what could not be read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.probe.answer import INCOMPLETE, Answer
from orchestrator.probe.text import clean

TOO_LARGE = "too_large"
"""Why something is unknown: the host sent more of it than anybody has."""

_KEY = re.compile(rb"([0-9A-Za-z_.-]{1,39})([=!])")
"""What a line of ours begins with. Other lines are none of ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line. ``value`` is printable; ``lacks`` says why there is none (``absent``, ``unreadable``, …)."""

    key: str
    value: str | None
    lacks: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fields:
    """The lines of one section. ``lacks`` stands for all of them where the section itself did not come whole."""

    lines: tuple[Line, ...] = ()
    lacks: str | None = None

    def get(self, key: str) -> str | None:
        """The first value of that key; None when it is missing or empty."""
        return next((line.value for line in self.lines if line.key == key and line.value), None)

    def all(self, key: str) -> list[str]:
        """Every value of that key, in order."""
        return [line.value for line in self.lines if line.key == key and line.value is not None]

    def why(self, key: str) -> str:
        """Why that key has no usable value: the host's reason, or ``unreadable`` for one that makes no sense."""
        if self.lacks:
            return self.lacks
        return next((line.lacks for line in self.lines if line.key == key and line.lacks), "unreadable")


def read_fields(answer: Answer, name: str, *, limit: int = 4096) -> Fields:
    """The lines of that section; values longer than ``limit`` are cut."""
    section = answer.sections.get(name)
    if section is None:
        return Fields(lacks=INCOMPLETE)
    if section.exit_status is None:
        return Fields(lacks=TOO_LARGE)
    return fields_of(section.body, limit=limit)


@lru_cache(maxsize=1024)
def fields_of(body: bytes, *, limit: int = 4096) -> Fields:
    """The lines of that body. Kept for a while: most sections are the same at the next check, and on the next host."""
    return Fields(lines=tuple(_lines(body, limit)))


def _lines(body: bytes, limit: int) -> Iterator[Line]:
    for raw in body.split(b"\n"):
        key, mark, rest = _split(raw)
        if mark == b"=":
            yield Line(key=key, value=clean(rest, limit))
        elif mark == b"!":
            yield Line(key=key, value=None, lacks=clean(rest, 40))


def _split(raw: bytes) -> tuple[str, bytes, bytes]:
    found = _KEY.match(raw)
    if found is None:
        return "", b"", b""
    return found[1].decode(), found[2], raw[found.end() :]
