"""Due dates: counted from notice, never from another base, and by the policy in force when the window closed."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.exposure_states import ClosedBy
from orchestrator.core.patches import Severity
from orchestrator.core.sla import Due, SlaState, breaches, due, sla_state
from orchestrator.core.sla_policy import DEFAULT_POLICY, Adopted, DueSoon
from orchestrator.core.standings import Span
from tests.core.sla_builders import CVE, HOST, OTHER, acceptance, adopted, day, policy, record, span, standing

CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN = Severity


def at(*spans: Span, until: float = 1000, policies: tuple[Adopted, ...] = (), **kev: Any) -> float | None:
    """The day on which the last window is due."""
    found = due(policies, HOST, spans, until=day(until), **kev).at
    return None if found is None else (found - day(0)) / timedelta(days=1)


@pytest.mark.parametrize(
    ("severity", "days"), [(CRITICAL, 2), (HIGH, 30), (MEDIUM, 30), (UNKNOWN, 30), (LOW, None)], ids=str
)
def test_the_built_in_levels(severity: Severity, days: float | None) -> None:
    """Critical two days from detection, high and medium thirty, unknown as medium, low none; and who says so."""
    assert days == at(span(0, severity=severity))
    assert DEFAULT_POLICY.id == due((), HOST, [span(0, severity=severity)], until=day(1)).policy


def test_a_raise_counts_from_when_it_was_known() -> None:
    """Medium until day 10, critical from then."""
    raised = span(0, severity=CRITICAL, grades=((MEDIUM, 0), (CRITICAL, 10)))
    assert (30, 12) == (at(raised, until=9), at(raised, until=10))


def test_a_raise_never_lengthens() -> None:
    """One day before it was due anyway, a raise brings no second day."""
    assert 30 == at(span(0, severity=CRITICAL, grades=((MEDIUM, 0), (CRITICAL, 29))))


def test_a_grade_that_is_corrected_leaves_no_trace() -> None:
    """Critical by mistake for a day: due as if it had been medium from the beginning, not thirty days from then."""
    assert 30 == at(span(0, severity=MEDIUM, grades=((CRITICAL, 0), (MEDIUM, 1))))
    assert 30 == at(span(0, severity=MEDIUM, grades=((MEDIUM, 0), (CRITICAL, 10), (MEDIUM, 11))))


def test_a_grade_that_comes_back_finds_its_old_clock() -> None:
    """A source that wavers does not give another thirty days each time."""
    assert 30 == at(span(0, severity=MEDIUM, grades=((MEDIUM, 0), (LOW, 20), (MEDIUM, 25))))
    assert None is at(span(0, severity=LOW, grades=((MEDIUM, 0), (LOW, 20), (MEDIUM, 25))), until=22)


def test_a_worse_grade_before_counts_as_notice_of_the_milder_one() -> None:
    """Whoever knew that it was critical knew that it was high."""
    levels = (adopted(-1, levels={"high": "10d"}),)
    assert 10 == at(span(0, severity=HIGH, grades=((CRITICAL, 0), (HIGH, 5))), policies=levels)


def test_what_was_known_before_detection_counts_from_detection() -> None:
    """The base is the later of both."""
    assert 7 == at(span(5, severity=CRITICAL, grades=((CRITICAL, 1),)))
    assert 35 == at(span(5, severity=MEDIUM, grades=((CRITICAL, 1), (MEDIUM, 3))))


def test_before_the_first_grade_it_was_unknown() -> None:
    """A source that grades late starts no clock anew: unknown counted as medium from detection."""
    assert (30, 12) == tuple(at(span(0, severity=s, grades=((s, 10),))) for s in (MEDIUM, CRITICAL))


def test_kev_counts_to_the_end_of_its_day_but_gives_fourteen_days() -> None:
    """CISA names a day and no zone: its end in UTC. The later of that and 14 days from detection."""
    detected = span(0, severity=HIGH)
    assert (21, 14) == tuple(at(detected, kev_due=one, kev_since=None) for one in (date(2026, 2, 21), date(2026, 2, 9)))


def test_kev_counts_from_when_we_learned_of_it() -> None:
    """Listed on day 12 with a date that is over: 14 days from then, not overdue at once."""
    listed: dict[str, Any] = {"kev_due": date(2026, 2, 5), "kev_since": day(12)}
    assert (30, 26) == (at(span(0), until=11, **listed), at(span(0), until=12, **listed))


def test_kev_never_gives_more_time_than_the_severity() -> None:
    """Critical stays two days."""
    assert 2 == at(span(0, severity=CRITICAL), kev_due=date(2026, 12, 31))


def test_kev_dates_what_has_no_date() -> None:
    """Low, but exploited. Unless the policy does not heed KEV."""
    low = span(0, severity=LOW)
    heedless = (adopted(-1, kev="none"),)
    assert (21, None) == (
        at(low, kev_due=date(2026, 2, 21)),
        at(low, kev_due=date(2026, 2, 21), policies=heedless),
    )


def test_the_policy_of_when_it_closed_decides() -> None:
    """A change dates open windows again, from the same base, and no closed one."""
    changed = (adopted(5, levels={"high": "10d", "medium": "10d"}),)
    assert (30, 10) == (at(span(0), until=4, policies=changed), at(span(0), until=5, policies=changed))
    assert 30 == at(span(0, 4), until=100, policies=changed[:0])
    assert 30 == at(span(0, 4), until=4, policies=changed)


def test_the_policy_is_named() -> None:
    """By its id: equal content, equal id."""
    changed = (adopted(5, levels={"high": "10d", "medium": "10d"}),)
    assert Due(day(10), policy(levels={"high": "10d", "medium": "10d"}).id) == due(
        changed, HOST, [span(0)], until=day(9)
    )
    assert policy(levels={"high": "10d", "medium": "10d"}).id != policy(levels={"high": "11d", "medium": "11d"}).id


RULES = [
    {
        "name": "acme-prod",
        "match": {"customer": "acme", "labels": {"env": "prod"}},
        "levels": {"high": "5d", "medium": "5d"},
    },
    {"name": "web", "match": {"group": "web"}, "levels": {"high": "6d", "medium": "6d"}, "kev": "none"},
]


@pytest.mark.parametrize(
    ("host", "days"),
    [
        ({"customer": "acme", "labels": {"env": "prod"}, "groups": ("web",)}, 5),
        ({"customer": "acme", "groups": ("db", "web")}, 6),
        ({"customer": "acme", "labels": {"env": "test"}}, 30),
        ({"customer": "other", "labels": {"env": "prod"}}, 30),
        ({}, 30),
    ],
)
def test_the_first_rule_that_fits_decides(host: dict[str, Any], days: float) -> None:
    """All that a rule names must hold; what it does not give is as for all."""
    ruled = (adopted(0, rules=RULES),)
    for severity in (MEDIUM, UNKNOWN):
        assert day(days) == due(ruled, record("x", **host), [span(0, severity=severity)], until=day(1)).at
    assert day(2) == due(ruled, record("x", **host), [span(0, severity=CRITICAL)], until=day(1)).at


def test_a_rule_may_switch_kev_off() -> None:
    """For its hosts alone."""
    ruled = (adopted(0, rules=RULES),)
    dates = [
        due(ruled, host, [span(0, severity=LOW)], kev_due=date(2026, 2, 20), until=day(1)).at
        for host in (record("x", groups=("web",)), record("y"))
    ]
    assert [None, day(20)] == dates


@pytest.mark.parametrize(("reopened", "days"), [(20, 30), (40, 30), (40.001, 70.001)])
def test_the_due_date_survives_a_reopening_within_thirty_days(reopened: float, days: float) -> None:
    """Counted from the close. Later it is a window of its own."""
    assert days == pytest.approx(at(span(0, 10), span(reopened)))


def test_a_reopening_is_when_the_host_became_exposed_again() -> None:
    """Not when somebody looked: it booted without the patch on day 39, and was checked on day 45."""
    assert 30 == at(span(0, 10), span(45, since=39))


def test_a_due_date_survives_many_reopenings() -> None:
    """Each within thirty days of the close before it, so that unloading and loading buys no time."""
    assert 30 == at(span(0, 10), span(20, 35), span(50, 55), span(84))


def test_a_raise_after_the_close_counts_from_the_reopening() -> None:
    """While it was closed no clock ran."""
    grades = ((MEDIUM, 0), (CRITICAL, 12))
    assert 22 == at(span(0, 10, grades=grades), span(20, severity=CRITICAL, grades=grades))


def test_another_machine_inherits_no_due_date() -> None:
    """The window ended with the machine."""
    assert 41 == at(span(0, 10, method=ClosedBy.HOST_REPLACED), span(11))


def test_a_withdrawn_advisory_that_comes_back_finds_its_due_date() -> None:
    """Within the thirty days."""
    assert 30 == at(span(0, 10, method=ClosedBy.WITHDRAWN), span(11))


def test_a_policy_change_dates_a_reopened_window_again() -> None:
    """From the base of the first one."""
    changed = (adopted(21, levels={"high": "25d", "medium": "25d"}),)
    assert (30, 25) == tuple(at(span(0, 10), span(20), until=end, policies=changed) for end in (20.5, 22))


# Laws

_severities = st.sampled_from(Severity)
_days = st.integers(0, 60)
_grades = st.lists(st.tuples(_severities, _days), min_size=1, max_size=6, unique_by=lambda one: one[1]).map(
    lambda grades: tuple(sorted(grades, key=lambda one: one[1]))
)
_allowances = st.integers(1, 40)


@st.composite
def _policies(draw: st.DrawFn) -> tuple[Adopted, ...]:
    """Any number of policies, worse grades never with more time than milder ones."""
    starts = sorted(draw(st.sets(_days, max_size=3)))
    found = []
    for start in starts:
        times = sorted(draw(st.lists(_allowances, min_size=4, max_size=4)))
        levels = {severity.value: f"{time}d" for severity, time in zip(Severity, times, strict=False)}
        found.append(adopted(start, levels=levels, kev={"at_least": f"{draw(_allowances)}d"}))
    return tuple(found)


Kev = dict[str, Any]
_kev: st.SearchStrategy[Kev] = st.one_of(
    st.just({}),
    st.builds(lambda due, since: {"kev_due": (day(due)).date(), "kev_since": day(since)}, st.integers(-30, 60), _days),
)


def _order(moment: datetime | None) -> datetime:
    return datetime.max.replace(tzinfo=UTC) if moment is None else moment


def _rank(severity: Severity) -> int:
    return list(Severity).index(MEDIUM if severity is UNKNOWN else severity)


@given(_policies(), _grades, _kev, _days, st.integers(0, 40))
def test_what_comes_later_changes_no_closed_window(
    policies: tuple[Adopted, ...], grades: tuple[tuple[Severity, int], ...], kev: Kev, opened: int, held: int
) -> None:
    """Policies, grades and listings after the close say nothing about it."""
    closed = opened + held
    window = span(opened, closed, grades=grades)
    later = (*policies, adopted(closed + 0.5, levels={severity.value: "1d" for severity in Severity}))
    regraded = span(opened, closed, grades=(*(one for one in grades if one[1] <= closed), (CRITICAL, closed + 0.5)))
    early = tuple(one for one in policies if one.since <= day(closed))
    until = day(closed)
    expected = due(early, HOST, [window], until=until, **kev)
    assert expected == due(later, HOST, [window], until=until, **kev)
    assert expected == due(early, HOST, [regraded], until=until, **kev)


@given(_grades, _days, _severities, st.integers(1, 20))
def test_a_raise_only_shortens_and_a_lowering_only_lengthens(
    grades: tuple[tuple[Severity, int], ...], opened: int, severity: Severity, later: int
) -> None:
    """Whatever was known before. Unknown is as medium."""
    moment = max(opened, grades[-1][1]) + later
    before = due((), HOST, [span(opened, grades=grades)], until=day(moment)).at
    after = due((), HOST, [span(opened, grades=(*grades, (severity, moment)))], until=day(moment)).at
    known = [one for one, since in grades if since <= moment]
    if _rank(severity) <= _rank(known[-1]):
        assert _order(after) <= _order(before)
    else:
        assert _order(after) >= _order(before)


@given(_policies(), _grades, _kev, _days, _days)
def test_no_clock_starts_before_notice_or_gives_more_than_its_time(
    policies: tuple[Adopted, ...],
    grades: tuple[tuple[Severity, int], ...],
    kev: Kev,
    opened: int,
    later: int,
) -> None:
    """Between the shortest time from detection, and the current grade's from when it was known."""
    until = day(opened + later)
    levels = (policies[-1].policy if policies else DEFAULT_POLICY).levels_for(HOST)
    policies = tuple(one.model_copy(update={"since": day(-1)}) for one in policies[-1:])
    found = due(policies, HOST, [span(opened, grades=grades)], until=until, **kev).at
    known = [(UNKNOWN, opened), *((one, since) for one, since in grades if day(since) <= until)]
    current, since = known[-1]
    shortest = min(*levels.allowances.values(), levels.kev)
    assert _order(found) >= day(opened) + shortest
    if levels.allowances[current] < timedelta(days=4000):
        assert _order(found) <= day(max(opened, since)) + levels.allowances[current]


@given(_policies(), _grades, _kev, _days, st.lists(st.integers(1, 29), min_size=2, max_size=8))
def test_a_due_date_survives_whatever_happens_within_thirty_days(
    policies: tuple[Adopted, ...],
    grades: tuple[tuple[Severity, int], ...],
    kev: Kev,
    opened: int,
    steps: list[int],
) -> None:
    """Closing and reopening never makes a window due later than it was, under the same policy and knowledge."""
    policies = tuple(one.model_copy(update={"since": day(-1)}) for one in policies[-1:])
    known = tuple((severity, -1) for severity, _ in grades[-1:])
    kev = {**kev, "kev_since": None} if kev else kev
    times = [opened]
    for step in steps:
        times.append(times[-1] + step)
    windows = [span(*pair, grades=known) for pair in zip(times[::2], times[1::2], strict=False)]
    dates = {due(policies, HOST, windows[: n + 1], until=day(1000), **kev).at for n in range(len(windows))}
    assert 1 == len(dates)


# How windows stand


@pytest.mark.parametrize(
    ("now", "state"),
    [(0, "ok"), (26.9, "ok"), (27, "due_soon"), (30, "due_soon"), (30.1, "breached"), (400, "breached")],
)
def test_an_open_window(now: float, state: str) -> None:
    """Due soon for a quarter of its time, three days at the most; overdue after the instant."""
    assert state == sla_state(span(0, due=30), day(now))


def test_short_times_warn_later() -> None:
    """Two days: twelve hours before. A policy may say otherwise."""
    window = span(0, severity=CRITICAL, due=2)
    early = DueSoon.model_validate({"share": "50%", "at_most": "1d"})
    assert ["ok", "due_soon"] == [sla_state(window, day(now)).value for now in (1.4, 1.5)]
    assert ["ok", "due_soon"] == [sla_state(window, day(now), due_soon=early).value for now in (0.9, 1)]


def test_a_window_that_reopens_overdue() -> None:
    """Its due date is before its detection."""
    assert SlaState.BREACHED is sla_state(span(40, due=30), day(41))


@pytest.mark.parametrize(
    ("window", "state"),
    [
        (span(0, 30, due=30), SlaState.MET),
        (span(0, 31, due=30), SlaState.MISSED),
        (span(0, 29, due=30, method=ClosedBy.WITHDRAWN), SlaState.WITHDRAWN),
        (span(0, 31, due=30, method=ClosedBy.HOST_REPLACED), SlaState.MISSED),
        (span(0, 31), SlaState.NONE),
        (span(0), SlaState.NONE),
    ],
    ids=["in time", "late", "withdrawn", "replaced late", "closed undated", "open undated"],
)
def test_closed_and_undated_windows(window: Span, state: SlaState) -> None:
    """It stays as it closed, and what was withdrawn was not met."""
    assert state is sla_state(window, day(500))


def test_an_accepted_risk_ends_by_itself_and_the_clock_is_what_it_was() -> None:
    """Neither reset nor lost: overdue the moment it expires."""
    window, risk = span(0, due=30), acceptance(10, 60)
    states = [sla_state(window, day(now), [risk]).value for now in (9, 10, 31, 59.9, 60)]
    assert ["ok", "accepted", "accepted", "accepted", "breached"] == states


@given(_days, _days, _days, _days)
def test_before_and_after_it_an_acceptance_is_as_if_it_had_never_been(
    due_on: int, start: int, held: int, now: int
) -> None:
    """For open windows."""
    window, risk = span(0, due=due_on), acceptance(start, start + held + 1)
    expected = SlaState.ACCEPTED if risk.holds(day(now)) else sla_state(window, day(now))
    assert expected is sla_state(window, day(now), [risk])


def test_closed_late_while_the_risk_was_borne() -> None:
    """Not missed, if somebody bore it all the time from when it was due; else it was."""
    window = span(0, 50, due=30)
    borne = [acceptance(10, 35), acceptance(35, 60)]
    assert [SlaState.ACCEPTED, SlaState.MISSED, SlaState.MISSED] == [
        sla_state(window, day(99), risks) for risks in (borne, borne[1:], borne[:1])
    ]


def test_breaches_are_counted_without_accepted_risks() -> None:
    """By severity; windows of hosts that are not listed are nobody's."""
    hosts = {HOST.id: HOST}
    standings = [
        standing(span(0, due=30), cves=(CVE, OTHER)),
        standing(span(0, due=2, severity=CRITICAL)),
        standing(span(0, due=50)),
        standing(span(0, 40, due=30)),
        standing(span(0, severity=LOW)),
        standing(span(0, due=30), host=record("gone")),
    ]
    risks = AcceptedRisks([acceptance(10, 60), acceptance(10, 20, cve=OTHER)])
    assert ({MEDIUM: 1}, {MEDIUM: 2, CRITICAL: 1}) == (
        breaches(standings, hosts, risks, day(45)),
        breaches(standings, hosts, AcceptedRisks(), day(45)),
    )
