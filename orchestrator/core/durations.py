"""Durations as people write them: ``90s``, ``5m``, ``1h``, ``7d``, ``1h30m``; a bare number is seconds."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+)([dhms])")
_WHOLE = re.compile(r"(?:\d+[dhms])+")
_LONGEST = timedelta(days=3650)


def parse_duration(text: str | float | timedelta) -> timedelta:
    """Read one. Raises `ValueError` with what is accepted; ten years are the most."""
    if isinstance(text, timedelta):
        duration = text
    elif isinstance(text, bool):
        raise ValueError("a duration such as 90s, 5m, 1h or 7d is wanted")
    elif isinstance(text, int | float):
        duration = timedelta(seconds=min(float(text), 1e12))
    elif _WHOLE.fullmatch(text) and len(text) <= 40:
        seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        duration = timedelta(seconds=min(seconds, 10**12))
    else:
        raise ValueError(f"{text[:40]!r} is not a duration such as 90s, 5m, 1h or 7d")
    if not timedelta(0) <= duration <= _LONGEST:
        raise ValueError("a duration is between 0s and 3650d")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest exact form: ``1h30m``; ``0s`` for nothing; parts of a second are dropped."""
    rest, parts = int(duration.total_seconds()), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


def _before(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str | int | float) else value


Duration = Annotated[timedelta, BeforeValidator(_before), PlainSerializer(format_duration, when_used="json")]
"""A pydantic field that reads and writes such durations."""
