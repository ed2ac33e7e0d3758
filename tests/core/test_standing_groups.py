"""Windows grouped and taken apart again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.patches import Severity
from orchestrator.core.standing_groups import new_closures
from orchestrator.core.standings import Mark, Span, Standing, exposures
from orchestrator.core.windows import ClockSeconds, Exposure, Window
from tests.core.exposure_builders import closed_windows
from tests.core.standing_builders import standings_of

T0 = datetime(2099, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
CVES = tuple(f"CVE-2099-{number:04}" for number in range(1, 7))


@st.composite
def windows(draw: st.DrawFn, cve: str, index: int) -> Window:
    """A window whose clocks, as far as they can be told, start hours apart, with whole seconds unknown in it."""
    first = T0 + index * timedelta(days=9)
    hours = st.none() | st.integers(0, 3)
    disclosed, fix, detected = draw(hours), draw(hours), draw(st.integers(0, 3))
    fix = fix if fix is None or disclosed is None else max(fix, disclosed)
    starts = [None if one is None else first + one * HOUR for one in (disclosed, fix, detected)]
    end = first + 9 * HOUR
    told = sorted({start for start in starts if start is not None})
    unknown: dict[datetime | None, float] = {None: 0.0}
    rest = 0
    for start, until in zip(reversed(told), reversed([*told[1:], end]), strict=True):
        rest += draw(st.integers(0, int((until - start).total_seconds())))
        unknown[start] = float(rest)
    closed = draw(st.sampled_from([None, ClosedBy.LIVE_PATCH, ClosedBy.REBOOT]))
    return Window(
        host_id="id-1",
        cve=cve,
        severity=draw(st.sampled_from([Severity.HIGH, Severity.LOW])),
        index=index,
        disclosed_at=starts[0],
        fix_available_at=starts[1],
        detected_at=starts[2] or first,
        closed_at=closed and end,
        method=closed,
        unknown=ClockSeconds(
            disclosed=unknown[starts[0]], fix_available=unknown[starts[1]], detected=unknown[starts[2]]
        ),
    )


@st.composite
def some_exposures(draw: st.DrawFn) -> list[Exposure]:
    """Exposures of one host, by CVE."""
    return [
        Exposure(
            host_id="id-1",
            cve=cve,
            severity=draw(st.sampled_from([Severity.HIGH, Severity.LOW])),
            state=draw(st.sampled_from(list(ExposureState))),
            remedy=Remedy.PACKAGE,
            since=T0,
            windows=tuple(draw(windows(cve, index)) for index in range(draw(st.integers(0, 2)))),
            unknown_seconds=draw(st.sampled_from([0.0, 90.5])),
        )
        for cve in CVES[: draw(st.integers(0, len(CVES)))]
    ]


@given(some_exposures())
def test_grouped_and_taken_apart_exposures_are_what_they_were(found: list[Exposure]) -> None:
    """With every clock, and what of each nobody could tell."""
    apart = [one for standing in standings_of(found) for one in exposures(standing)]
    assert found == sorted(apart, key=lambda one: one.cve)


@given(some_exposures(), st.integers(0, 3))
def test_every_closed_window_is_in_one_closure(found: list[Exposure], split: int) -> None:
    """Whatever was appended before, and however that was grouped; none is in two."""
    before = new_closures(standings_of(found[:split]), {})
    known = {
        (one.host_id, one.span.detected_at, closed): {
            mark.cve
            for other in before
            if (other.span.detected_at, other.span.closed_at) == (one.span.detected_at, closed)
            for mark in other.marks
        }
        for one in before
        if (closed := one.span.closed_at) is not None
    }
    after = new_closures(standings_of(found), known)
    closed_ones = [
        (window.cve, window.detected_at, window.method)
        for one in found
        for window in one.windows
        if window.closed_at is not None
    ]
    appended = [
        (window.cve, window.detected_at, window.method)
        for closure in (*before, *after)
        for window in closed_windows(closure)
    ]
    assert sorted(closed_ones) == sorted(appended)


def test_closed_spans_that_are_equal_are_one_closure_across_standings() -> None:
    """Of one host; whatever the CVEs came to since."""
    closed = Span(since=T0, detected_at=T0, closed_at=T0 + HOUR, method=ClosedBy.PACKAGE)
    opened = Span(since=T0 + 2 * HOUR, detected_at=T0 + 2 * HOUR)

    def standing(host_id: str, cve: str, *spans: Span) -> Standing:
        marks = (Mark(cve, (T0,) * len(spans), (None,) * len(spans)),)
        values = {"host_id": host_id, "severity": Severity.LOW, "state": ExposureState.EXPOSED, "remedy": Remedy.NONE}
        return Standing.model_validate(values | {"since": T0, "spans": spans, "marks": marks})

    found = new_closures(
        [standing("b", CVES[0], closed), standing("a", CVES[1], closed, opened), standing("a", CVES[0], closed)], {}
    )
    assert [("a", [CVES[0], CVES[1]]), ("b", [CVES[0]])] == [
        (one.host_id, [mark.cve for mark in one.marks]) for one in found
    ]
    assert [Mark(CVES[0], (T0,), (None,)), Mark(CVES[1], (T0,), (None,))] == list(found[0].marks)
