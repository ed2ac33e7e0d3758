"""`core.durations`: what people write, and what is written back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestrator.core.durations import Duration, DurationOrSeconds, format_duration

DURATIONS: TypeAdapter[timedelta] = TypeAdapter(Duration)
IN_SETTINGS: TypeAdapter[timedelta] = TypeAdapter(DurationOrSeconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("7d", 604800),
        ("0s", 0),
        ("120s", 120),
        ("1h30m", 5400),
        ("1d2h3m4s", 93784),
    ],
)
def test_a_duration_is_numbers_with_units(text: str, seconds: int) -> None:
    """Seconds, minutes, hours, days, and sums of them."""
    assert (timedelta(seconds=seconds),) * 2 == (DURATIONS.validate_python(text), IN_SETTINGS.validate_python(text))


BAD = ["5 m", "-5m", "1w", "1.5h", "", None, True, "9999999d", "999999999999d", "h", "1h30", 1.5, -1, "٣s"]


@pytest.mark.parametrize("bad", BAD)
def test_other_durations_are_refused(bad: object) -> None:
    """Other units, fractions, signs, digits of other scripts, more than ten years."""
    for adapter in (DURATIONS, IN_SETTINGS):
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)


@pytest.mark.parametrize("bare", [90, "90"])
def test_a_bare_number_is_seconds_in_settings_alone(bare: object) -> None:
    """In a playbook it has no unit, and is refused instead of guessed."""
    assert timedelta(seconds=90) == IN_SETTINGS.validate_python(bare)
    with pytest.raises(ValidationError, match="90s, 5m"):
        DURATIONS.validate_python(bare)


@pytest.mark.parametrize(
    ("text", "written"), [("90s", "90s"), ("300s", "5m"), ("1h30m", "90m"), ("48h", "2d"), ("36h", "36h"), ("0d", "0s")]
)
def test_the_shortest_exact_form_is_written(text: str, written: str) -> None:
    """One unit, the largest that needs no fraction."""
    assert written == DURATIONS.dump_python(DURATIONS.validate_python(text), mode="json")


@given(st.integers(0, 3650 * 86_400))
def test_a_duration_is_written_as_it_can_be_read(seconds: int) -> None:
    """Writing and reading give the same duration."""
    duration = timedelta(seconds=seconds)
    assert duration == DURATIONS.validate_python(format_duration(duration))
