"""`core.amounts`: counts, percentages and durations."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestrator.core.amounts import Amount, Duration, rounded_down, rounded_up, written

AMOUNTS: TypeAdapter[int | str] = TypeAdapter(Amount)
DURATIONS: TypeAdapter[timedelta] = TypeAdapter(Duration)


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


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("7d", 604800), ("0s", 0), ("120s", 120)]
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: int) -> None:
    """Seconds, minutes, hours, days."""
    assert timedelta(seconds=seconds) == DURATIONS.validate_python(text)


@pytest.mark.parametrize("bad", [90, "90", "5 m", "-5m", "1w", "1.5h", "", None, True, "9999999d"])
def test_other_durations_are_refused(bad: object) -> None:
    """A bare number has no unit, so it is refused instead of guessed."""
    with pytest.raises(ValidationError):
        DURATIONS.validate_python(bad)


@given(st.integers(0, 10**6 - 1))
def test_a_duration_is_written_as_it_can_be_read(seconds: int) -> None:
    """Writing and reading give the same duration."""
    duration = timedelta(seconds=seconds)
    assert duration == DURATIONS.validate_python(written(duration))
