"""Durations as people write them: ``90s``, ``5m``, ``1h``, ``7d``, ``1h30m``."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]{1,12})([dhms])")
_WHOLE = re.compile(r"(?:[0-9]{1,12}[dhms]){1,4}")
_BARE = re.compile(r"[0-9]{1,12}")
_LONGEST = timedelta(days=3650)


def parse_duration(value: object) -> timedelta:
    """Read one. Raises `ValueError` with what is accepted; ten years are the most."""
    if isinstance(value, timedelta):
        return _bounded(value)
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ValueError(f"{str(value)[:40]!r} is not a duration: write 90s, 5m, 1h or 7d")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return _bounded(timedelta(seconds=min(seconds, 10**12)))


def parse_duration_or_seconds(value: object) -> timedelta:
    """The same, and a bare whole number, which is seconds. Raises `ValueError`."""
    is_bare = _BARE.fullmatch(str(value)) is not None and not isinstance(value, bool)
    return parse_duration(f"{value}s" if is_bare else value)


def format_duration(duration: timedelta) -> str:
    """In the largest unit that needs no fraction: ``90s``, ``5m``, ``36h``, ``7d``. Parts of a second are dropped."""
    seconds = int(duration.total_seconds())
    unit = next((unit for unit, size in _UNITS.items() if seconds and seconds % size == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


def _bounded(duration: timedelta) -> timedelta:
    if not timedelta(0) <= duration <= _LONGEST:
        raise ValueError("a duration is between 0s and 3650d")
    return duration


_WRITTEN = PlainSerializer(format_duration, return_type=str, when_used="json")

Duration = Annotated[timedelta, BeforeValidator(parse_duration), _WRITTEN]
"""A pydantic field that reads and writes such durations. A bare number has no unit: it is refused, not guessed."""

DurationOrSeconds = Annotated[timedelta, BeforeValidator(parse_duration_or_seconds), _WRITTEN]
"""For settings, where a bare number is seconds, as in most programs' environment."""
