"""Versions: what is compared by keys is in the order that univers gives."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from univers.debian import compare_versions
from univers.rpm import compare_rpm_versions

from orchestrator.core.distributions import Ordering
from orchestrator.core.versions import compare

DEB_PARTS = st.lists(st.sampled_from(["~", "+", ".", "a", "Z", "rc", "0", "00", "1", "9", "10", "-"]), max_size=6)
DEB = st.builds(
    lambda epoch, first, rest: epoch + first + "".join(rest),
    st.sampled_from(["", "1:", "0:"]),
    st.sampled_from("019"),
    DEB_PARTS,
)
RPM_PARTS = st.lists(st.sampled_from(["~", "^", "_", ".", "+", "a", "Z", "el", "0", "007", "7", "12", "é"]), max_size=6)
RPM = st.builds(
    lambda epoch, *parts: epoch + "-".join("".join(part) or "1" for part in parts),
    st.sampled_from(["", "1:", "0:"]),
    RPM_PARTS,
    RPM_PARTS,
)


@given(one=DEB, other=DEB)
@example(one="0", other="0-")
@example(one="0", other="0~")
def test_debian_s_versions_are_in_debian_s_order(one: str, other: str) -> None:
    """deb-version(7), as univers implements it."""
    expected = compare_versions(one, other)  # type: ignore[no-untyped-call]
    assert expected == compare(Ordering.DEB, one, other)


@given(one=RPM, other=RPM)
def test_rpm_s_versions_are_in_rpm_s_order(one: str, other: str) -> None:
    """rpm-version(7), as univers implements it."""
    assert compare_rpm_versions(one, other) == compare(Ordering.RPM, one, other)


@pytest.mark.parametrize(
    ("ordering", "older", "newer"),
    [
        (Ordering.DEB, "1.0~rc1-1", "1.0-1"),
        (Ordering.DEB, "1.0-1", "1.0-1+b1"),
        (Ordering.DEB, "9.9-1", "1:0.1-1"),
        (Ordering.RPM, "1.0~rc1-1", "1.0-1"),
        (Ordering.RPM, "1.0-1.el9", "1.0^git1-1.el9"),
        (Ordering.RPM, "1.0^git1-1", "1.0.1-1"),
        (Ordering.APK, "1.2.3-r1", "1.2.3-r2"),
    ],
)
def test_an_older_version_is_told_from_a_newer_one(ordering: Ordering, older: str, newer: str) -> None:
    """Both ways round; a version equals itself."""
    assert (-1, 1, 0) == (
        compare(ordering, older, newer),
        compare(ordering, newer, older),
        compare(ordering, older, older),
    )


@pytest.mark.parametrize("text", ["", "not a version!", "x" * 201])
def test_what_is_no_version_cannot_be_compared(text: str) -> None:
    """On either side."""
    assert (None, None) == (compare(Ordering.DEB, text, "1"), compare(Ordering.DEB, "1", text))
