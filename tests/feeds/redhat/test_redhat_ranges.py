"""Fixes in several minor releases as ranges of versions."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.distributions import Ordering
from orchestrator.core.patches import Severity
from orchestrator.core.versions import compare
from orchestrator.feeds.redhat_ranges import Fixed, behind, minor_of, ranges


def fixed(version: str, day: int | None = None, support: str = "") -> Fixed:
    published = None if day is None else datetime(2099, 1, day, tzinfo=UTC)
    return Fixed(version, published, None, support, "/", Severity.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "version", "next_one"),
    [
        ("curl", "7.76.1-23.el9_2.4", "7.76.1-24"),
        ("curl", "7.76.1-26.el9", "7.76.1-27"),
        ("openssl", "1:3.0.7-27.el9_4", "1:3.0.7-28"),
        ("kernel", "5.14.0-427.13.1.el9_4", "5.14.0-428"),
        ("kernel-rt", "4.18.0-553.5.1.rt7.346.el8_10", "4.18.0-554"),
        ("kernel", "3.10.0-1160.el7", "3.10.0-1161"),
        ("nodejs", "1:18.20.4-1.module+el8.10.0+22000+abcdef12", "1:18.20.4-2"),
        ("frob", "1.0-0.12.20990101git.el9_2", "1.0-0.12.20990102git"),
        ("frob", "1.0-beta.el9", "1.0-beta.el9"),
        ("frob", "1.0-7", "1.0-8"),
    ],
)
def test_a_minor_release_ends_where_its_branch_counts_on(name: str, version: str, next_one: str) -> None:
    """Z-stream builds count behind the dist tag, those of kernels behind the first number."""
    assert next_one == behind(name, version)


@pytest.mark.parametrize(
    ("version", "minor"),
    [("1-2.el9_4.1", 4), ("1-2.el8_10", 10), ("1-2.module+el8.10.0+1+a", 10), ("1-2.el9", None), ("1-2", None)],
)
def test_the_dist_tag_names_the_minor_release(version: str, minor: int | None) -> None:
    """Builds for the first release of a major one name none."""
    assert minor == minor_of(version)


def test_each_fix_ends_a_range_and_the_next_begins_behind_its_branch() -> None:
    """In the order of versions, whatever order they are told in."""
    made = ranges("curl", [fixed("7.76.1-26.el9_3.2"), fixed("7.76.1-14.el9_0.9"), fixed("7.76.1-23.el9_2.4")])
    assert [
        (None, "7.76.1-14.el9_0.9"),
        ("7.76.1-15", "7.76.1-23.el9_2.4"),
        ("7.76.1-24", "7.76.1-26.el9_3.2"),
    ] == [(one.introduced, one.fixed.version) for one in made]


def test_of_two_fixes_in_one_minor_release_the_later_one_counts() -> None:
    """The first one was not whole."""
    (made,) = ranges("bind", [fixed("9.16.23-18.el9_4.6", 2), fixed("9.16.23-18.el9_4.1", 1)])
    assert (None, "9.16.23-18.el9_4.6") == (made.introduced, made.fixed.version)


def test_builds_of_one_number_need_no_range_between_them() -> None:
    """The fix of 9.3 carries the same release number as that of 9.2: nothing lies between."""
    made = list(ranges("frob", [fixed("2-1.el9_2"), fixed("2-1.el9_3")]))
    assert ["2-1.el9_2"] == [one.fixed.version for one in made]


def test_a_fix_came_out_with_the_first_that_helps() -> None:
    """Whoever runs 9.0 can go to 9.3, which was fixed first."""
    made = ranges(
        "curl", [fixed("7.76.1-14.el9_0.9", 20, "EUS"), fixed("7.76.1-26.el9_3.2", 10), fixed("7.76.1-29.el9_4")]
    )
    assert [10, 10, None] == [one.published.day if one.published else None for one in made]


def test_a_range_can_begin_with_a_stream() -> None:
    """As those of modules do."""
    (made,) = ranges("nodejs", [fixed("1:18.20.4-1.module+el8.10.0+1+a")], "1:18")
    assert "1:18" == made.introduced


builds = st.builds(
    "{}.{}-{}.el9_{}.{}".format,
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 12),
    st.integers(0, 9),
    st.integers(1, 9),
)


@given(st.lists(builds, min_size=1, max_size=6), builds)
def test_what_is_older_than_all_fixes_is_affected_and_what_has_the_newest_is_not(
    fixes: list[str], version: str
) -> None:
    """Whatever lies between; and ranges are in order and do not overlap."""
    made = list(ranges("frob", [fixed(one) for one in fixes]))
    inside = [
        one
        for one in made
        if (one.introduced is None or not _is_older(version, one.introduced)) and _is_older(version, one.fixed.version)
    ]
    assert len(inside) <= 1
    if all(_is_older(version, one) for one in fixes):
        assert 1 == len(inside)
    if all(not _is_older(version, one) for one in fixes):
        assert [] == inside


def _is_older(one: str, other: str) -> bool:
    return (compare(Ordering.RPM, one, other) or 0) < 0
