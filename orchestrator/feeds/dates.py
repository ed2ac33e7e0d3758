"""Dates of feeds. What is no date is an error of the file; a date that cannot be is no date.

Sources write placeholders where they know nothing: ``0001-01-01T00:00:00Z`` is the zero time of Go, ``9999-12-31``
stands for never. Both, and everything else before 1990 or from 2100 on, read as None: a missing date is null, never
today. A time without a zone is UTC.
"""

from datetime import UTC, date, datetime

FIRST_YEAR, LAST_YEAR = 1990, 2099


def moment_of(text: str) -> datetime | None:
    """ISO 8601, date or date and time. Raises `ValueError` for what is none."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date in ISO 8601") from None
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def day_of(text: str) -> date | None:
    """``YYYY-MM-DD``. Raises `ValueError` for what is none."""
    try:
        read = date.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date of the form YYYY-MM-DD") from None
    return read if FIRST_YEAR <= read.year <= LAST_YEAR else None


def moment_of_seconds(seconds: float) -> datetime | None:
    """Seconds since 1970 (updateinfo, repomd)."""
    try:
        read = datetime.fromtimestamp(seconds, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return read if FIRST_YEAR <= read.year <= LAST_YEAR else None
