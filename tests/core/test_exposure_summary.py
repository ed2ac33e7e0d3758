"""The exposure report counts as if every window of every CVE were looked at alone, and its rows add up."""

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import cve_counts
from orchestrator.core.acceptances import Acceptance, AcceptedRisks, Scope
from orchestrator.core.exposed_time import ExposedTime
from orchestrator.core.exposure_counts import ExposureRow
from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureClock, ExposureState, Remedy
from orchestrator.core.exposure_summary import (
    Counted,
    ExposureQuestion,
    ExposureSummary,
    Grouping,
    Period,
    summarise,
)
from orchestrator.core.identity import HostRecord
from orchestrator.core.mark_dates import CLOCKS, Instants, MarkDates
from orchestrator.core.patches import Severity
from orchestrator.core.percentiles import EXACT, Batch, Durations
from orchestrator.core.standings import Closure, Gap, Mark, Span, Standing
from orchestrator.core.windows import Window
from tests.core.exposure_builders import closed_windows

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=30)
FIRST, SECOND = "CVE-2099-0001", "CVE-2099-0002"


def on(day: float) -> datetime:
    """That many days after the start of the period."""
    return START + timedelta(days=day)


def host(name: str, **changes: Any) -> HostRecord:
    """A record whose id is its name."""
    at = {"incarnated_at": START, "first_listed_at": START, "last_listed_at": START}
    return HostRecord.model_validate({"id": name, "name": name, "address": name, **at, **changes})


def span(detected: float, closed: float | None = None, **changes: Any) -> Span:
    """A window from one day to another."""
    method = ClosedBy.PACKAGE if closed is not None else None
    values = {"since": on(detected), "detected_at": on(detected), "method": method, "severity": Severity.HIGH}
    return Span.model_validate(values | {"closed_at": None if closed is None else on(closed)} | changes)


def marks(*cves: str, disclosed: datetime | None = None, fix: datetime | None = None) -> tuple[Mark, ...]:
    """CVEs that share their dates."""
    return tuple(Mark(cve, (disclosed,), (fix,)) for cve in cves)


def closure(name: str, window: Span, *cves: str, **dates: Any) -> Closure:
    """Closed windows of one host."""
    return Closure(host_id=name, span=window, marks=marks(*(cves or (FIRST,)), **dates))


def standing(name: str, *spans: Span, since: datetime = START, **changes: Any) -> Standing:
    """How one host stands with one CVE."""
    values = {"host_id": name, "severity": Severity.HIGH, "state": ExposureState.EXPOSED, "remedy": Remedy.PACKAGE}
    own = (Mark(FIRST, (None,) * len(spans), (None,) * len(spans)),)
    return Standing.model_validate(values | {"since": since, "spans": spans, "marks": own} | changes)


def report(
    closures: list[Closure] | None = None,
    standings: list[Standing] | None = None,
    *,
    hosts: list[HostRecord] | None = None,
    now: datetime = END,
    silent: dict[str, datetime] | None = None,
    risks: AcceptedRisks | None = None,
    **asked: Any,
) -> ExposureSummary:
    """The report of these over the thirty days."""
    known = {one.id: one for one in hosts or [host("a"), host("b")]}
    question = ExposureQuestion(period=Period(start=START, end=END), **asked)
    counted = Counted(hosts=known, silent=silent or {}, risks=risks or AcceptedRisks())
    return summarise(closures or [], standings or [], counted, question, now)


def test_each_clock_has_its_own_times_and_says_of_how_many_it_cannot_tell() -> None:
    """Three CVEs closed on day 10: one disclosed before, one on day 4, one without a date."""
    window = span(2, 10)
    dated = (
        Mark(FIRST, (on(-9),), (on(5),)),
        Mark(SECOND, (on(4),), (None,)),
        Mark("CVE-2099-0003", (None,), (None,)),
    )

    clocks = report([Closure(host_id="a", span=window, marks=dated)]).total.time_to_patch

    day = 86_400.0
    disclosed, fix, detected = (clocks[clock] for clock in ExposureClock)
    assert (2, 1, 6 * day, 8 * day, 8 * day) == (
        disclosed.windows,
        disclosed.untold,
        disclosed.median,
        disclosed.p90,
        disclosed.max,
    )
    assert (1, 2, 5 * day) == (fix.windows, fix.untold, fix.max)
    assert (3, 0, 8 * day) == (detected.windows, detected.untold, detected.max)


def test_unknown_time_is_no_time_to_patch_and_no_exposed_time() -> None:
    """Three days of silence within ten."""
    total = report([closure("a", span(0, 10, gaps=(Gap(on(2), on(5)),)))]).total

    assert (7 * 86_400.0, 7.0, 7.0) == (
        total.time_to_patch[ExposureClock.DETECTED].median,
        total.exposed_host_days,
        total.exposed_cve_days,
    )


def test_what_went_away_is_counted_apart() -> None:
    """Neither closed nor a time to patch; but the host was exposed until then."""
    ended = [
        closure("a", span(0, 5, method=ClosedBy.WITHDRAWN)),
        closure("b", span(0, 5, method=ClosedBy.HOST_REPLACED), FIRST, SECOND),
    ]

    total = report(ended).total

    assert (0, {}, 1, 2) == (total.closed, total.methods, total.withdrawn, total.host_replaced)
    assert (0, None) == (
        total.time_to_patch[ExposureClock.DETECTED].windows,
        total.time_to_patch[ExposureClock.DETECTED].median,
    )
    assert (10.0, 15.0) == (total.exposed_host_days, total.exposed_cve_days)


def test_only_what_closed_within_the_period_is_closed() -> None:
    """At its start: in; at its end: not. One that closed later was still open in it, and one that closed before not."""
    total = report(
        [
            closure("a", span(-5, 0)),
            closure("a", span(-5, -1), SECOND),
            closure("b", span(20, 30)),
            closure("b", span(25, 40), SECOND),
        ],
        now=on(50),
    ).total

    assert (1, 10.0, 15.0) == (total.closed, total.exposed_host_days, total.exposed_cve_days)


def test_a_host_that_has_several_windows_at_a_time_is_exposed_once() -> None:
    """Days of the host are the union, days of the CVEs the sum."""
    total = report([closure("a", span(0, 6)), closure("a", span(4, 10), SECOND)]).total
    assert (10.0, 12.0) == (total.exposed_host_days, total.exposed_cve_days)


def test_one_reboot_is_avoided_for_each_host_and_boot() -> None:
    """However many windows a live patch closed in it; a reboot or a package spares none."""
    live = {"method": ClosedBy.LIVE_PATCH, "tool": "klp"}
    closures = [
        closure("a", span(0, 1, **live, boot_id="one"), FIRST, SECOND),
        closure("a", span(0, 2, **live, boot_id="one"), "CVE-2099-0003"),
        closure("a", span(0, 3, **live, boot_id="two"), "CVE-2099-0004"),
        closure("b", span(0, 3, **live, boot_id="one")),
        closure("b", span(0, 4, method=ClosedBy.REBOOT, boot_id="three"), SECOND),
    ]

    by_tool = report(closures, by=Grouping.TOOL)

    assert (3, {ClosedBy.LIVE_PATCH: 5, ClosedBy.REBOOT: 1}) == (by_tool.total.reboots_avoided, by_tool.total.methods)
    assert [("klp", 5, 3), ("reboot", 1, 0)] == [(row.key, row.closed, row.reboots_avoided) for row in by_tool.rows]


def test_open_windows_stand_against_their_service_levels() -> None:
    """Overdue, nearly due, with time left, borne by somebody; in all four the host is exposed."""
    risk = Acceptance(
        id="r1", cve=SECOND, scope=Scope.HOST, value="a", owner="Ops", reason="isolated", accepted_by="ops",
        accepted_at=on(1), expires_at=on(90),
    )  # fmt: skip
    standings = [
        standing("a", span(0, due_at=on(20)), marks=marks(FIRST, SECOND)),
        standing("b", span(0, due_at=on(31)), marks=marks(FIRST)),
        standing("b", span(0, due_at=on(60)), marks=marks(SECOND)),
    ]

    total = report([], standings, risks=AcceptedRisks([risk])).total

    assert (4, 1, 1, 1, 0) == (total.open, total.breached, total.due_soon, total.accepted, total.unknown)
    assert (60.0, 120.0) == (total.exposed_host_days, total.exposed_cve_days)


def test_nobody_can_tell_since_a_host_is_silent() -> None:
    """Its window stays open, and its exposed time ends where the silence began."""
    known = [standing("a", span(0)), standing("b", span(0), state=ExposureState.UNKNOWN, since=on(10))]

    total = report([], known, silent={"a": on(20)}).total

    assert (2, 2, 30.0) == (total.open, total.unknown, total.exposed_host_days)


@pytest.mark.parametrize("by", [None, *Grouping])
def test_what_was_never_more_than_unknown_is_unknown_without_a_window(by: Grouping | None) -> None:
    """As what a source calls undetermined: it is counted, in every kind of row, and is open in none."""
    never_told = standing("a", state=ExposureState.UNKNOWN)

    found = report(standings=[never_told], by=by)

    assert [(0, 1)] * (2 if by else 1) == [(row.open, row.unknown) for row in (found.total, *found.rows)]


def test_what_is_covered_over_or_retired_is_neither_open_nor_unknown() -> None:
    """A retired host keeps what it closed."""
    withdrawn = span(0, 5, method=ClosedBy.WITHDRAWN)
    standings = [
        standing("a", span(0, 5), state=ExposureState.COVERED, reason=CoveredBy.FIXED),
        standing("a", withdrawn, state=ExposureState.UNKNOWN, since=on(5), is_over=True),
        standing("old", span(0)),
    ]
    hosts = [host("a"), host("old", retired_at=on(20))]

    total = report([closure("old", span(0, 5))], standings, hosts=hosts).total

    assert (0, 0, 1) == (total.open, total.unknown, total.closed)


def test_rows_are_in_the_order_people_expect() -> None:
    """Severities worst first, what has no key last; a host counts in each of its groups."""
    hosts = [host("a", groups=("web", "prod"), customer="acme"), host("b")]
    closures = [
        closure("a", span(0, 1, severity=Severity.LOW)),
        closure("b", span(0, 2, severity=Severity.CRITICAL), SECOND),
    ]

    def keys(by: Grouping) -> list[tuple[str | None, int]]:
        return [(row.key, row.closed) for row in report(closures, hosts=hosts, by=by).rows]

    assert [("critical", 1), ("low", 1)] == keys(Grouping.SEVERITY)
    assert [("prod", 1), ("web", 1), (None, 1)] == keys(Grouping.GROUP)
    assert [("acme", 1), (None, 1)] == keys(Grouping.CUSTOMER)
    assert [(FIRST, 1), (SECOND, 1)] == keys(Grouping.CVE)
    assert [(1, 1.0), (1, 2.0)] == [
        (row.hosts, row.exposed_host_days) for row in report(closures, hosts=hosts, by=Grouping.CVE).rows
    ]


def test_only_severities_and_exploited_cves_that_are_asked_for_are_counted() -> None:
    """Of marks that share a window, those of CISA's list alone."""
    exploited = Mark(SECOND, (None,), (None,), END.date())
    mixed = Closure(host_id="a", span=span(0, 1), marks=(*marks(FIRST), exploited))
    closures = [mixed, closure("a", span(0, 1, severity=Severity.LOW), "CVE-2099-0003")]

    assert (3, 1, 1) == (
        report(closures).total.closed,
        report(closures, severities={Severity.LOW}).total.closed,
        report(closures, kev_only=True, by=Grouping.CVE).total.closed,
    )


def test_windows_of_hosts_that_nobody_asked_for_are_left_out() -> None:
    """The report is of the hosts that it is given."""
    assert 0 == report([closure("elsewhere", span(0, 1))], [standing("elsewhere", span(0))]).total.closed


# Laws

hours = st.integers(min_value=-24 * 10, max_value=24 * 40).map(lambda hour: START + timedelta(hours=hour))


@st.composite
def closed_spans(draw: st.DrawFn) -> Span:
    """A closed window with gaps."""
    since, detected, closed = sorted(draw(st.lists(hours, min_size=3, max_size=3)))
    ends = sorted(set(draw(st.lists(hours, max_size=4))))
    live = draw(st.booleans())
    return Span(
        since=since,
        detected_at=detected,
        closed_at=closed,
        severity=draw(st.sampled_from(Severity)),
        is_reopened=draw(st.booleans()),
        method=ClosedBy.LIVE_PATCH if live else draw(st.sampled_from(ClosedBy)),
        tool="klp" if live else None,
        boot_id=draw(st.sampled_from(["one", "two"])),
        gaps=tuple(Gap(*pair) for pair in zip(ends[::2], ends[1::2], strict=False)),
    )


dates = st.tuples(st.none() | hours)
closures_of_hosts = st.lists(
    st.builds(
        lambda host_id, window, dated: Closure(
            host_id=host_id, span=window, marks=tuple(Mark(f"CVE-2099-{1000 + i}", *one) for i, one in enumerate(dated))
        ),
        st.sampled_from(["a", "b", "c"]),
        closed_spans(),
        st.lists(st.tuples(dates, dates), min_size=1, max_size=4),
    ),
    max_size=12,
)
HOSTS = [
    host("a", groups=("web",), customer="acme"),
    host("b", groups=("web", "prod")),
    host("c", customer="other"),
]  # fmt: skip


def seconds(window: Window, clock: ExposureClock) -> float | None:
    """By that clock, one window looked at alone; None where it cannot be told."""
    start = getattr(window, "detected_at" if clock is ExposureClock.DETECTED else f"{clock.value}_at")
    assert window.closed_at is not None
    unknown: float = getattr(window.unknown, clock.value)
    return None if start is None else max(0.0, (window.closed_at - start).total_seconds() - unknown)


def nearest_rank(values: list[float], percent: int) -> float | None:
    """Of all values one by one."""
    return sorted(values)[math.ceil(Fraction(percent * len(values), 100)) - 1] if values else None


@given(closures_of_hosts)
def test_windows_counted_together_are_open_as_long_as_each_alone(closures: list[Closure]) -> None:
    """By every clock: what `MarkDates` counts of a closure against each window that it stands for."""
    for one in closures:
        assert one.span.closed_at is not None
        at = Instants.of(one.span, one.span.closed_at.timestamp())
        spent = MarkDates(one.marks).spent(at, is_reopened=one.span.is_reopened)
        for clock, batch in zip(CLOCKS, spent, strict=True):
            alone = [value for window in closed_windows(one) if (value := seconds(window, clock)) is not None]
            together = zip(batch.pairs[::2], batch.pairs[1::2], strict=True)
            assert sorted(alone) == sorted(value for value, times in together for _ in range(int(times)))
            assert (len(alone), max(alone, default=0.0)) == (batch.count, batch.pairs[0] if batch.count else 0.0)


@given(closures_of_hosts)
def test_the_total_is_what_every_window_alone_comes_to(closures: list[Closure]) -> None:
    """Percentiles and counts against the naive expansion, window by window."""
    windows = [window for one in closures for window in closed_windows(one)]
    not_fixed = {ClosedBy.WITHDRAWN, ClosedBy.HOST_REPLACED}
    ended = [one for one in windows if one.closed_at is not None and START <= one.closed_at < END]
    fixed = [one for one in ended if one.method not in not_fixed]

    total = report(closures, hosts=HOSTS).total

    assert len(fixed) == total.closed
    assert len(ended) == total.closed + total.withdrawn + total.host_replaced
    assert len({(one.host_id, one.boot_id) for one in fixed if one.method is ClosedBy.LIVE_PATCH}) == (
        total.reboots_avoided
    )
    for clock, found in total.time_to_patch.items():
        told = [value for one in fixed if (value := seconds(one, clock)) is not None]
        assert (len(told), len(fixed) - len(told)) == (found.windows, found.untold)
        assert (nearest_rank(told, 50), nearest_rank(told, 90), max(told, default=None)) == (
            found.median,
            found.p90,
            found.max,
        )


@given(closures_of_hosts, st.sampled_from(Grouping))
def test_the_total_is_the_same_whatever_the_rows_are(closures: list[Closure], by: Grouping) -> None:
    """Counts and percentiles exactly, days but for the last digits."""
    plain, grouped = report(closures, hosts=HOSTS).total, report(closures, hosts=HOSTS, by=by).total

    assert math.isclose(plain.exposed_host_days, grouped.exposed_host_days, abs_tol=1e-6)
    assert math.isclose(plain.exposed_cve_days, grouped.exposed_cve_days, abs_tol=1e-6)
    days = {"exposed_host_days": 0.0, "exposed_cve_days": 0.0}
    assert plain.model_copy(update=days) == grouped.model_copy(update=days)


@st.composite
def shared_closures(draw: st.DrawFn) -> list[Closure]:
    """Windows of a few sets of CVEs, which several hosts and spans share; sets may have CVEs in common."""
    dated = st.lists(
        st.tuples(st.integers(1000, 1005), dates, dates), min_size=1, max_size=5, unique_by=lambda one: one[0]
    )
    sets = [
        tuple(Mark(f"CVE-2099-{number}", disclosed, fixes) for number, disclosed, fixes in one)
        for one in draw(st.lists(dated, min_size=1))
    ]
    picked = draw(
        st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), closed_spans(), st.sampled_from(sets)), max_size=12)
    )
    return [Closure(host_id=host_id, span=window, marks=shared) for host_id, window, shared in picked]


@given(shared_closures())
def test_a_row_of_a_cve_is_the_report_of_its_windows_alone(closures: list[Closure]) -> None:
    """However many CVEs were counted together, and whatever their own dates are; but for the days of hosts, whose
    windows overlap here."""
    found = report(closures, hosts=HOSTS, by=Grouping.CVE)

    for row in found.rows:
        alone = [
            one.model_copy(update={"marks": tuple(mark for mark in one.marks if mark.cve == row.key)})
            for one in closures
            if any(mark.cve == row.key for mark in one.marks)
        ]
        total = report(alone, hosts=HOSTS).total
        assert math.isclose(total.exposed_cve_days, row.exposed_cve_days, abs_tol=1e-6)
        days = {"exposed_host_days": 0.0, "exposed_cve_days": 0.0, "key": None}
        assert total.model_copy(update=days) == row.model_copy(update=days)


def test_a_risk_is_borne_in_the_row_of_its_cve() -> None:
    """Others that are open with it stay breached."""
    risk = Acceptance(
        id="r",
        cve=SECOND,
        scope=Scope.EVERYWHERE,
        owner="o",
        reason="r",
        accepted_by="b",
        accepted_at=START,
        expires_at=on(60),
    )
    both = standing("a", span(0, due_at=on(1)), marks=marks(FIRST, SECOND))

    rows = report(standings=[both], risks=AcceptedRisks([risk]), by=Grouping.CVE).rows

    assert [(FIRST, 1, 1, 0), (SECOND, 1, 0, 1)] == [(row.key, row.open, row.breached, row.accepted) for row in rows]


def test_sets_that_no_hosts_share_are_told_apart_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are the same."""
    closures = [closure(name, span(day, day + 2), FIRST, SECOND) for day in range(5) for name in ("a", "b")]
    kept = report(closures, by=Grouping.CVE)
    monkeypatch.setattr(cve_counts, "_KEPT", 3)
    assert kept == report(closures, by=Grouping.CVE)
    assert [(FIRST, 10), (SECOND, 10)] == [(row.key, row.closed) for row in kept.rows]


ADDED_UP = ("closed", "withdrawn", "host_replaced", "open", "breached", "due_soon", "accepted", "unknown")
standings_of_hosts = st.lists(
    st.builds(
        lambda host_id, severity, detected, due: standing(
            host_id, span(0, severity=severity, since=detected, detected_at=detected, due_at=due), severity=severity
        ),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(Severity),
        hours,
        st.none() | hours,
    ),
    max_size=6,
)


@given(closures_of_hosts, standings_of_hosts, st.sampled_from(Grouping))
def test_rows_add_up_to_the_whole(closures: list[Closure], standings: list[Standing], by: Grouping) -> None:
    """All that is counted in windows, by whatever gives each window one row; by host the days and boots as well."""
    summary = report(closures, standings, hosts=HOSTS, by=by)
    if by is Grouping.GROUP:
        return

    def added(name: str) -> float:
        return float(sum(getattr(row, name) for row in summary.rows))

    assert {name: getattr(summary.total, name) for name in ADDED_UP} == {name: added(name) for name in ADDED_UP}
    assert math.isclose(summary.total.exposed_cve_days, added("exposed_cve_days"), abs_tol=1e-6)
    if by in {Grouping.HOST, Grouping.CUSTOMER}:
        assert math.isclose(summary.total.exposed_host_days, added("exposed_host_days"), abs_tol=1e-6)
        assert summary.total.reboots_avoided == added("reboots_avoided")


@given(
    closures_of_hosts, standings_of_hosts, st.sampled_from([None, *Grouping]).filter(lambda by: by is not Grouping.CVE)
)
def test_nobody_is_exposed_for_longer_than_there_is_time(
    closures: list[Closure], standings: list[Standing], by: Grouping | None
) -> None:
    """Host-days never exceed hosts times days, in any row, nor the days of their CVEs. By CVE they are the same as
    those: windows of one host and CVE, other than these here, are never open at the same time."""

    def is_bounded(row: ExposureRow) -> bool:
        return row.exposed_host_days <= min(row.hosts * 30, row.exposed_cve_days) + 1e-6

    summary = report(closures, standings, hosts=HOSTS, by=by)
    assert [] == [row for row in (summary.total, *summary.rows) if not is_bounded(row)]


@given(closures_of_hosts, st.integers(min_value=1, max_value=29))
def test_periods_that_meet_share_nothing(closures: list[Closure], day: int) -> None:
    """What closed in two halves, and the exposed time in them, is what did in the whole."""
    known = {one.id: one for one in HOSTS}

    def total(start: datetime, end: datetime) -> ExposureRow:
        asked = ExposureQuestion(period=Period(start=start, end=end))
        return summarise(closures, [], Counted(hosts=known), asked, END).total

    whole, first, second = total(START, END), total(START, on(day)), total(on(day), END)

    assert whole.closed == first.closed + second.closed
    assert math.isclose(whole.exposed_host_days, first.exposed_host_days + second.exposed_host_days, abs_tol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=20))
def test_union_of_stretches(stretches: list[tuple[int, int]]) -> None:
    """As many seconds as there are different ones in them."""
    time = ExposedTime()
    for start, length in stretches:
        time.add((float(start), float(start + length)))
    assert float(len({second for start, length in stretches for second in range(start, start + length)})) == (
        time.seconds()
    )


def test_stretches_are_joined_on_the_way() -> None:
    """A host with very many windows keeps no more than their union."""
    time = ExposedTime()
    for start in range(5_000):
        time.add((float(start), start + 1.5))
    assert 5_000.5 == time.seconds()
    assert len(time._ends) < 1_100


def test_very_many_different_durations_are_rounded_a_little() -> None:
    """No more than half a percent; how many they are and the longest stay exact."""
    durations = Durations()
    for seconds_ in range(1, 8 * EXACT):
        durations.add(Batch([seconds_ + 0.25, 3.0], 3))

    median, p90 = durations.percentiles(50, 90)

    assert (3 * (8 * EXACT - 1), 8 * EXACT - 1 + 0.25) == (durations.count, durations.most)
    assert median is not None
    assert p90 is not None
    assert [True, True] == [
        math.isclose(median, 4 * EXACT, rel_tol=0.005),
        math.isclose(p90, 7.2 * EXACT, rel_tol=0.005),
    ]
    assert len(durations.kept) < 4 * EXACT
