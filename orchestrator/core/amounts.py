"""Quantities as playbooks write them: counts or percentages, and durations."""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_PERCENT = re.compile(r"^(\d{1,3}(?:\.\d{1,4})?)%$")
_DURATION = re.compile(r"^(\d{1,6})([smhd])$")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _checked_amount(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError("must not be negative")
        return value
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if match is None or Fraction(match[1]) > 100:
        raise ValueError(f'{value!r} is neither a count (3) nor a percentage ("5%", at most "100%")')
    return match[0]


Amount = Annotated[int | str, BeforeValidator(_checked_amount)]
"""A count (``3``), or a percentage (``"5%"``) of the hosts that need the patch."""


def rounded_up(amount: int | str, total: int) -> int:
    """The amount as a number of hosts, never more than there are; a fraction of a host counts as one."""
    return min(total, -(-_exact(amount, total) // 1))


def rounded_down(amount: int | str, total: int) -> int:
    """The amount as a number of hosts; a fraction of a host counts as none."""
    return _exact(amount, total) // 1


def _exact(amount: int | str, total: int) -> Fraction:
    if isinstance(amount, int):
        return Fraction(amount)
    return Fraction(amount.removesuffix("%")) * total / 100


def _parsed_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration: write 90s, 5m, 1h or 7d")
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def written(duration: timedelta) -> str:
    """The duration in the largest unit that needs no fraction: ``90s``, ``5m``, ``1h``, ``7d``."""
    seconds = int(duration.total_seconds())
    unit = next((unit for unit in "dhm" if seconds and seconds % _UNITS[unit] == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


Duration = Annotated[timedelta, BeforeValidator(_parsed_duration), PlainSerializer(written, return_type=str)]
"""A whole number with a unit: ``90s``, ``5m``, ``1h``, ``7d``."""
