"""The exposure report over what checks and service levels left in the store."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.acceptances import Acceptance, Scope
from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.exposure_summary import ExposureSummary, Grouping, Period
from orchestrator.core.exposure_summary_view import flat_rows, summary_document
from orchestrator.core.patches import Severity
from orchestrator.core.periods import read_period
from orchestrator.errors import InvalidInput
from tests.core.exposure_builders import FIRST, LAB_1, LAB_2, SECOND, facts, live
from tests.fakes.clock import START
from tests.services.fleets import Checked, record
from tests.services.reports import reports

HOUR = 3_600.0
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def fleet() -> Checked:
    """Two hosts exposed to two CVEs at hour 0; at hour 1 ``a`` has the patch of both; now it is hour 2."""
    known = Checked("a", "b")
    known.eyes.takes = 0.0
    known.store.catalogue.add(LAB_1)
    known.store.catalogue.add(LAB_2)
    known.eyes.shows = {"a": facts(), "b": facts()}
    known.check_hosts(known.members)
    known.clock.advance(HOUR)
    known.eyes.shows = {"a": facts(live("LAB-0002")), "b": facts()}
    known.check_hosts(known.members)
    known.clock.advance(HOUR)
    return known


def answer(known: Checked, host_ids: list[str] | None = None, **asked: Any) -> ExposureSummary:
    """The report of that fleet."""
    service = reports(known)
    return service(service.ask(**asked), host_ids)


def test_what_checks_saw_is_reported() -> None:
    """Two windows closed after an hour, two still open after two."""
    summary = answer(fleet(), by=Grouping.HOST)

    total = summary.total
    assert (2, {ClosedBy.LIVE_PATCH: 2}, 2, 0, 1) == (
        total.closed,
        total.methods,
        total.open,
        total.unknown,
        total.reboots_avoided,
    )
    assert HOUR == total.time_to_patch[ExposureClock.DETECTED].median
    assert (3.0, 6.0) == (round(total.exposed_host_days * 24, 6), round(total.exposed_cve_days * 24, 6))
    assert [("a", 2, 0), ("b", 0, 2)] == [(row.key, row.closed, row.open) for row in summary.rows]


def test_a_silent_host_is_unknown_from_its_last_check_on() -> None:
    """The store still says exposed; its exposed time ends with what was seen."""
    known = fleet()
    known.clock.advance(5 * HOUR)

    total = answer(known).total

    assert (2, 4) == (total.open, total.unknown)
    assert 2.0 == round(total.exposed_host_days * 24, 6)


def test_service_levels_and_accepted_risks_count_as_they_are_now() -> None:
    """High has 30 days by the built-in policy."""
    known = fleet()
    known.store.acceptances.add(
        Acceptance(
            id="r1", cve=SECOND, scope=Scope.EVERYWHERE, owner="Ops", reason="isolated", accepted_by="ops",
            accepted_at=START, expires_at=START + timedelta(days=90),
        )
    )  # fmt: skip
    assert (2, 1, 0) == ((total := answer(known).total).open, total.accepted, total.breached)


def test_only_the_hosts_that_are_asked_for() -> None:
    """A retired one among all of them keeps what it closed."""
    known = fleet()
    known.store.hosts.save([record("a", retired_at=known.clock.now())])

    assert (2, 2) == ((total := answer(known).total).closed, total.open)
    assert (0, 2) == ((total := answer(known, ["id-b"]).total).closed, total.open)


def test_severities_and_rows_as_they_are_asked_for() -> None:
    """The question is part of the answer."""
    known = fleet()
    document = summary_document(answer(known, by=Grouping.CVE, severities=[Severity.HIGH], last="1d"))

    assert ("cve", ["high"], False, "2") == (
        document["by"],
        document["severities"],
        document["kev"],
        str(document["total"]["closed"]),
    )
    assert [FIRST, SECOND] == [row["key"] for row in document["rows"]]
    assert {"windows": 1, "untold": 0, "median_seconds": HOUR, "p90_seconds": HOUR, "max_seconds": HOUR} == (
        document["rows"][0]["time_to_patch"]["detected"]
    )
    assert {"live_patch": 1, "reboot": 0, "package": 0} == document["rows"][0]["methods"]


def test_flat_rows_have_the_same_columns() -> None:
    """The total first, so that nobody adds it up with the rest unseen."""
    rows = list(flat_rows(answer(fleet(), by=Grouping.HOST)))

    assert [("total", None), ("host", "a"), ("host", "b")] == [(row["by"], row["key"]) for row in rows]
    assert 1 == len({tuple(row) for row in rows})
    assert (2, HOUR, None) == (
        rows[1]["closed_by_live_patch"],
        rows[1]["detected_median_seconds"],
        rows[2]["detected_median_seconds"],
    )


@pytest.mark.parametrize(
    ("last", "first", "to", "start", "end"),
    [
        (None, None, None, NOW - timedelta(days=30), NOW),
        ("7d", None, None, NOW - timedelta(days=7), NOW),
        (None, "2026-02-01", "2026-02-28", datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (None, "2026-03-10", None, datetime(2026, 3, 10, tzinfo=UTC), NOW),
        (None, "2026-03-10", "2026-03-10", datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)),
    ],
)
def test_periods(last: str | None, first: str | None, to: str | None, start: datetime, end: datetime) -> None:
    """The last so many days, or whole days in UTC with both ends included."""
    assert Period(start=start, end=end) == read_period(last, first, to, NOW)


@pytest.mark.parametrize(
    ("last", "first", "to", "field"),
    [
        ("30", None, None, "period"), ("0s", None, None, "period"), ("5000d", None, None, "period"),
        ("7d", "2026-02-01", None, "period"), (None, None, "2026-02-01", "to"), (None, "01.02.2026", None, "from"),
        (None, "2026-02-30", None, "from"), (None, "2026-02-02", "2026-02-01", "to"),
        (None, "2026-04-01", None, "from"),
        (None, "0001-01-01", None, "from"), (None, "2026-02-02", "9999-12-31", "to"),
    ],
)  # fmt: skip
def test_periods_that_are_none(last: str | None, first: str | None, to: str | None, field: str) -> None:
    """Each complaint names the option."""
    with pytest.raises(InvalidInput) as refused:
        read_period(last, first, to, NOW)
    assert field == refused.value.field
