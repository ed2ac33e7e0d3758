"""Events of a timeline, as ranges of versions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.distributions import Ordering
from orchestrator.core.versions import compare
from orchestrator.feeds.osv_ranges import Event, Range, Unordered, ranges_of, single

VERSIONS = ["0.9~rc1-1", "0.9-1", "1.0-1", "1.0-1+deb12u1", "1.0-2", "1.9-1", "1.10-1", "2:0.1-1", "2:0.1-1.1", "3:0-1"]
"""In Debian's order."""


def affected(version: str, ranges: tuple[Range, ...]) -> bool:
    return any(_within(version, one) for one in ranges)


def _within(version: str, one: Range) -> bool:
    return (
        (one.introduced is None or _order(version, one.introduced) >= 0)
        and (one.fixed is None or _order(version, one.fixed) < 0)
        and (one.last_affected is None or _order(version, one.last_affected) <= 0)
    )


def _order(one: str, other: str) -> int:
    order = compare(Ordering.DEB, one, other)
    assert order is not None
    return order


def evaluated(version: str, events: list[Event]) -> bool:
    """Whether a version is affected, as the OSV schema's evaluation has it: the last event before it decides."""
    vulnerable = False
    for kind, at in events:
        if kind == "introduced" and (at == "0" or _order(version, at) >= 0):
            vulnerable = True
        elif kind in {"fixed", "last_affected"} and _order(version, at) >= (1 if kind == "last_affected" else 0):
            vulnerable = False
    return vulnerable


@st.composite
def timelines(draw: st.DrawFn) -> list[Event]:
    """Events in the order of their versions, beginnings and ends by turns."""
    chosen = sorted(draw(st.sets(st.integers(0, len(VERSIONS) - 1), min_size=1, max_size=6)))
    first = draw(st.sampled_from([Event("introduced", "0"), Event("introduced", VERSIONS[chosen[0]])]))
    rest = [VERSIONS[index] for index in (chosen if first.version == "0" else chosen[1:])]
    ends = draw(st.lists(st.sampled_from(["fixed", "last_affected"]), min_size=len(rest), max_size=len(rest)))
    return [
        first,
        *(Event(ends[n] if n % 2 == 0 else "introduced", version) for n, version in enumerate(rest)),
    ]


def test_the_versions_are_in_order() -> None:
    """What the other tests take for granted."""
    assert all(_order(one, other) < 0 for one, other in pairwise(VERSIONS))


@given(events=timelines(), shuffled=st.randoms(use_true_random=False))
def test_ranges_hold_what_the_schema_says_in_any_order_of_events(events: list[Event], shuffled: object) -> None:
    """However the events are listed, a version is in a range exactly if the schema's evaluation calls it affected."""
    mixed = list(events)
    shuffled.shuffle(mixed)  # type: ignore[attr-defined]
    ranges = ranges_of(mixed, Ordering.DEB)
    assert ranges == ranges_of(events, Ordering.DEB)
    assert [evaluated(version, events) for version in VERSIONS] == [affected(version, ranges) for version in VERSIONS]


@pytest.mark.parametrize(
    ("events", "ranges"),
    [
        ([("introduced", "0")], (Range(),)),
        ([("introduced", "0"), ("limit", "*")], (Range(),)),
        ([("limit", "2.0-1"), ("introduced", "1.0-1")], (Range("1.0-1", "2.0-1"),)),
        ([("fixed", "1.0-1"), ("introduced", "0")], (Range(None, "1.0-1"),)),
        ([("introduced", "1.0-1"), ("fixed", "1.0-1")], (Range("1.0-1", "1.0-1"),)),
        ([("introduced", "0"), ("introduced", "1.0-1"), ("fixed", "2.0-1")], (Range(None, "2.0-1"),)),
    ],
)
def test_odd_timelines(events: list[tuple[str, str]], ranges: tuple[Range, ...]) -> None:
    """Limits, ends before beginnings, beginnings without ends."""
    assert ranges_of([Event(*event) for event in events], Ordering.DEB) == ranges


def test_events_without_an_order_are_no_ranges() -> None:
    """Nothing is guessed where a version is none in this distribution."""
    events = [Event("introduced", "0"), Event("fixed", "not a version"), Event("introduced", "1.0-1")]
    with pytest.raises(Unordered, match="'not a version' is no version"):
        ranges_of(events, Ordering.DEB)


def test_listed_versions_are_each_a_range() -> None:
    """No version between them is meant."""
    assert single(["1", "2", "1"]) == (Range("1", None, "1"), Range("2", None, "2"))
