"""Periods as people write them: the last so many days, or from one day to another."""

from datetime import UTC, date, datetime, time, timedelta

from orchestrator.core.durations import parse_duration
from orchestrator.core.exposure_summary import Period
from orchestrator.errors import InvalidInput

LAST = timedelta(days=30)
"""Where nobody says."""


def read_period(last: str | None, first_day: str | None, last_day: str | None, now: datetime) -> Period:
    """``last`` is a duration that ends now (``30d``); the days (``2026-01-31``) are whole ones in UTC, both included;
    without a last day it ends now. Raises `InvalidInput`."""
    if last is not None and (first_day is not None or last_day is not None):
        raise InvalidInput("either the last so many days, or from one day to another", field="period")
    if first_day is None:
        if last_day is not None:
            raise InvalidInput("says until when, but not from when", field="to")
        return _until(now, now - (LAST if last is None else _duration(last)), field="period")
    end = now if last_day is None else _start_of(last_day, "to") + timedelta(days=1)
    return _until(end, _start_of(first_day, "from"), field="to" if last_day is not None else "from")


def _until(end: datetime, start: datetime, field: str) -> Period:
    if end <= start:
        raise InvalidInput(f"the period ends ({end:%Y-%m-%d %H:%M}) before it begins ({start:%Y-%m-%d})", field=field)
    return Period(start=start, end=end)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise InvalidInput(str(exc), field="period") from exc


def _start_of(text: str, field: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(f"{text[:40]!r} is not a day: write 2026-01-31", field=field) from exc
    if not date(1970, 1, 2) <= day < date(9999, 12, 31):
        raise InvalidInput(f"{text[:40]!r} is out of range", field=field)
    return datetime.combine(day, time(), UTC)
