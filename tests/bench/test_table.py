"""The verdicts of the benchmark's table."""

import pytest

from tests.bench.table import Row, Verdict, table


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row(name="x", values=[1.0, 1.2, 9.0], at_most=1.3), Verdict.HOLDS),
        (Row(name="x", values=[1.0, 1.4, 1.5], at_most=1.3), Verdict.BROKEN),
        (Row(name="x", values=[3.0], at_least=3), Verdict.HOLDS),
        (Row(name="x", values=[2.9], at_least=3), Verdict.BROKEN),
        (Row(name="x", values=[2.9]), Verdict.TOLD),
    ],
)
def test_the_median_is_judged(row: Row, verdict: Verdict) -> None:
    """One round that another program disturbed decides nothing; a figure at its bound keeps it."""
    assert verdict == row.verdict


def test_a_row_shows_median_spread_bound_and_verdict() -> None:
    """The table says what was measured, how far the rounds lay apart, and what was allowed."""
    row = Row(name="wall", values=[1.0, 1.1, 1.5], at_most=1.3, note="scan 2.00 s")
    assert ["wall", "1.10 x", "1.00 to 1.50", "at most 1.3", "holds", "scan 2.00 s"] == list(row.cells())
    assert "scan 2.00 s" == table([row]).splitlines()[1].split("  ")[-1]
