"""Quantities of hosts as playbooks write them: counts or percentages."""

import re
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator

_PERCENT = re.compile(r"^(\d{1,3}(?:\.\d{1,4})?)%$")


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
