"""The version ranges of an OSV record, as pairs of where the flaw begins and where it ends."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cmp_to_key
from typing import NamedTuple

from orchestrator.core.distributions import Ordering
from orchestrator.core.versions import compare, parsed


class Range(NamedTuple):
    """Versions with the flaw: from ``introduced`` (None: the first one) to before ``fixed``, or up to and including
    ``last_affected``, or for ever."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class Event(NamedTuple):
    """One of ``introduced``, ``fixed``, ``last_affected``, ``limit``, and its version."""

    kind: str
    version: str


class Unordered(ValueError):
    """Events that cannot be brought into the order of their versions."""


_FIRST = "0"
"""Sorts before any version (OSV schema, special values)."""

_WITHIN = {"introduced": 0, "fixed": 1, "limit": 1, "last_affected": 2}
"""What comes first at the same version: the flaw is there from it on, is gone from it on, is gone after it."""


def ranges_of(events: Sequence[Event], ordering: Ordering) -> tuple[Range, ...]:
    """The ranges that a timeline of events describes, whatever their order in the file.

    A ``limit`` ends a range as ``fixed`` does: from it on nothing is said to be affected (OSV schema, evaluation).
    Raises `Unordered` where several events have a version that is none in this distribution.
    """
    events = tuple(event for event in events if not (event.kind == "limit" and event.version == "*"))
    if len(events) > 2 or (len(events) == 2 and events[0].kind != "introduced"):
        events = _in_order(events, ordering)
    return tuple(_pairs(events))


def single(versions: Iterable[str]) -> tuple[Range, ...]:
    """Each of these versions and no other."""
    return tuple(Range(introduced=version, last_affected=version) for version in dict.fromkeys(versions))


def _in_order(events: Sequence[Event], ordering: Ordering) -> tuple[Event, ...]:
    for event in events:
        if event.version != _FIRST and parsed(ordering, event.version) is None:
            raise Unordered(f"{event.version!r} is no version in the order of {ordering.value}")

    def order(one: Event, other: Event) -> int:
        if one.version == other.version:
            return _WITHIN[one.kind] - _WITHIN[other.kind]
        if _FIRST in {one.version, other.version}:
            return -1 if one.version == _FIRST else 1
        return compare(ordering, one.version, other.version) or _WITHIN[one.kind] - _WITHIN[other.kind]

    return tuple(sorted(events, key=cmp_to_key(order)))


def _pairs(events: Iterable[Event]) -> Iterator[Range]:
    is_open, since = False, None
    for kind, version in events:
        if kind == "introduced":
            if not is_open:
                is_open, since = True, None if version == _FIRST else version
        elif is_open:
            is_open = False
            yield Range(since, None, version) if kind == "last_affected" else Range(since, version, None)
    if is_open:
        yield Range(since)
