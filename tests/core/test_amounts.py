"""`core.amounts`: counts and percentages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestrator.core.amounts import Amount, rounded_down, rounded_up

AMOUNTS: TypeAdapter[int | str] = TypeAdapter(Amount)


@pytest.mark.parametrize(
    ("amount", "total", "expected"),
    [
        ("10%", 11, (2, 1)),
        ("2%", 49, (1, 0)),
        ("100%", 7, (7, 7)),
        (3, 7, (3, 3)),
        (9, 7, (7, 9)),
        ("0.1%", 1000, (1, 1)),
    ],
)
def test_waves_round_up_and_budgets_round_down(amount: int | str, total: int, expected: tuple[int, int]) -> None:
    """A percentage of hosts is exact; a wave takes the fraction as a host, a budget does not."""
    assert expected == (rounded_up(amount, total), rounded_down(amount, total))


@given(percent=st.integers(0, 100), total=st.integers(0, 10_000))
def test_rounding_up_and_down_are_at_most_one_apart(percent: int, total: int) -> None:
    """Both are the exact share, or its two neighbours."""
    up, down = rounded_up(f"{percent}%", total), rounded_down(f"{percent}%", total)
    assert 0 <= down <= up <= min(total, down + 1)
    assert (up == down) == (percent * total % 100 == 0)


@pytest.mark.parametrize("bad", [-1, "5", "101%", "-1%", "5 %", "", "%", 1.5, True, None, "1e2%"])
def test_other_amounts_are_refused(bad: object) -> None:
    """A bare text number, more than all, or another type is no amount."""
    with pytest.raises(ValidationError):
        AMOUNTS.validate_python(bad)
