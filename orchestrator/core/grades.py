"""What is known of a CVE wherever it is, over time: severity, disclosure, exploitation."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from orchestrator.core.advisories import Grade, Told
from orchestrator.core.patches import Severity


class GradeNow(NamedTuple):
    """At one instant. ``kev_due``: by when CISA wants it fixed, where it is known to be exploited;
    ``kev_since``: since when we know that."""

    severity: Severity = Severity.UNKNOWN
    disclosed: datetime | None = None
    kev_due: date | None = None
    kev_since: datetime | None = None


NOTHING = GradeNow()


def graded(told: Sequence[Told[Grade]], at: datetime) -> GradeNow:
    """What the sources said by then. The first source that knows a severity gives it; of dates the earliest counts."""
    holding = [one for one in told if one.holds(at)]
    if not holding:
        return NOTHING
    now = [one.said for one in holding]
    return GradeNow(
        severity=next((one.severity for one in now if one.severity is not Severity.UNKNOWN), Severity.UNKNOWN),
        disclosed=min((one.disclosed for one in now if one.disclosed is not None), default=None),
        kev_due=min((one.kev_due for one in now if one.kev_due is not None), default=None),
        kev_since=min((_known_since(told, one) for one in holding if one.said.kev_due is not None), default=None),
    )


def _known_since(told: Sequence[Told[Grade]], now: Told[Grade]) -> datetime:
    """Since when its source has named a date, whatever the date was: one that is corrected is not news."""
    since = now.since
    for one in sorted(told, key=lambda one: one.since, reverse=True):
        if one.feed == now.feed and one.said.kev_due is not None and one.until == since:
            since = one.since
    return since
