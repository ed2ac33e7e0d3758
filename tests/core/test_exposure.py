"""Exposure windows: when they open, when they close, by which clock and by what."""

from collections.abc import Sequence
from datetime import datetime

import pytest

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure import timeline, windows
from orchestrator.core.exposure_report import exposed_seconds, exposure_row
from orchestrator.core.exposure_states import ClosedBy, CoveredBy, ExposureClock, ExposureState, Remedy
from orchestrator.core.facts import PatchState
from orchestrator.core.matcher import Matcher
from orchestrator.core.patches import Patch, Severity
from orchestrator.core.sightings import Sighting
from orchestrator.core.windows import Window
from tests.core.exposure_builders import (
    ADDED,
    DISCLOSED,
    FIRST,
    LAB_1,
    LAB_2,
    SECOND,
    at,
    check,
    exposure,
    facts,
    history,
    item,
    live,
)

BARE = facts()
PATCHED = facts(live("LAB-0001"))
EXPOSED, COVERED, UNKNOWN = ExposureState.EXPOSED, ExposureState.COVERED, ExposureState.UNKNOWN


Span = tuple[ExposureState, float | None, float | None]


def spans(
    sightings: Sequence[Sighting], patches: Sequence[Patch] | Matcher, now: float, cve: str = FIRST
) -> list[Span]:
    """The timeline as (state, start minute, end minute)."""
    return [
        (part.state, minute(part.start), minute(part.end)) for part in timeline(sightings, patches, cve, now=at(now))
    ]


def minute(moment: datetime | None) -> float | None:
    """Minutes since the start."""
    return None if moment is None else (moment - at(0)).total_seconds() / 60


def starts(window: Window) -> tuple[float | None, ...]:
    """The three clocks of a window in minutes, and its close."""
    moments = (window.disclosed_at, window.fix_available_at, window.detected_at, window.closed_at)
    return tuple(minute(moment) for moment in moments)


def test_the_first_window_starts_each_clock_where_it_began() -> None:
    """Disclosed: the later of disclosure and boot. Fix available: the later of that and the fix reaching us.
    Detected: our first sighting."""
    found = exposure(history(check(0, BARE, booted=-60)), [LAB_1], 10)
    assert (EXPOSED, Remedy.LIVE_PATCH, at(0)) == (found.state, found.remedy, found.since)
    assert [(-60.0, -60.0, 0.0, None)] == [starts(window) for window in found.windows]


def test_a_host_up_since_before_the_disclosure_counts_from_the_disclosure() -> None:
    """Nobody could know before; and the fix cannot be late before it reached us."""
    found = exposure(history(check(0, BARE, booted=-500_000)), [LAB_1], 10)
    assert (DISCLOSED, ADDED) == (found.windows[0].disclosed_at, found.windows[0].fix_available_at)


def test_without_a_date_the_disclosed_clock_cannot_be_told() -> None:
    """A missing date is None, never today."""
    found = exposure(history(check(0, BARE)), [item(disclosed=None)], 10)
    assert (None, -60.0, 0.0, None) == starts(found.windows[0])
    assert (None, 600.0) == (
        exposed_seconds(found, at(10))[ExposureClock.DISCLOSED],
        exposed_seconds(found, at(10))[ExposureClock.DETECTED],
    )


def test_an_item_added_later_is_detected_when_it_is_added() -> None:
    """The CVE was not known before: no time before it is exposed, covered or unknown."""
    sightings = history(check(0, BARE), check(60, BARE), check(120, BARE))
    found = exposure(sightings, [item(added_at=at(70))], 130)
    assert [(-60.0, 70.0, 70.0, None)] == [starts(window) for window in found.windows]
    assert [(EXPOSED, 70.0, 130.0)] == spans(sightings, [item(added_at=at(70))], 130)


def test_a_window_closes_at_the_observation_that_shows_the_fix_in_force() -> None:
    """By a live patch, in that boot, with the clocks it was opened with."""
    sightings = history(check(0, BARE), check(60, BARE), check(75, PATCHED))
    found = exposure(sightings, [LAB_1], 90)
    window = found.windows[0]
    assert (COVERED, CoveredBy.LIVE_PATCHED, Remedy.NONE) == (found.state, found.reason, found.remedy)
    assert (-60.0, -60.0, 0.0, 75.0) == starts(window)
    assert (ClosedBy.LIVE_PATCH, "klp", "boot-0") == (window.method, window.tool, window.boot_id)
    assert [(EXPOSED, 0.0, 75.0), (COVERED, 75.0, 90.0)] == spans(sightings, [LAB_1], 90)


@pytest.mark.parametrize("state", [state for state in PatchState if state is not PatchState.APPLIED])
def test_a_patch_that_is_not_applied_closes_nothing(state: PatchState) -> None:
    """enabled=1 with transition=1 is not patched; nor is anything but applied."""
    found = exposure(history(check(0, BARE), check(60, facts(live("LAB-0001", state)))), [LAB_1], 60)
    assert [None] == [window.closed_at for window in found.windows]
    assert COVERED is not found.state


def test_a_transition_that_ends_closes_the_window_at_the_check_that_saw_it_end() -> None:
    """Not at the one that saw it begin."""
    moving = facts(live("LAB-0001", PatchState.TRANSITIONING))
    sightings = history(check(0, BARE), check(10, moving), check(20, PATCHED))
    assert [20.0] == [minute(window.closed_at) for window in exposure(sightings, [LAB_1], 20).windows]


def test_a_reboot_without_the_patch_opens_the_next_window_at_that_boot() -> None:
    """All its clocks start there."""
    rebooted = facts(boot="boot-1")
    sightings = history(check(0, BARE), check(60, PATCHED), check(120, PATCHED), check(180, rebooted, booted=150))
    found = exposure(sightings, [LAB_1], 200)
    assert [(-60.0, -60.0, 0.0, 60.0), (150.0, 150.0, 150.0, None)] == [starts(window) for window in found.windows]
    assert [(EXPOSED, 0, 60), (COVERED, 60, 150), (EXPOSED, 150, 200)] == spans(sightings, [LAB_1], 200)


@pytest.mark.parametrize(("booted", "expected"), [(100.0, 120.0), (170.0, 170.0), (190.0, 180.0)])
def test_a_boot_is_taken_as_between_the_checks_that_it_lies_between(booted: float, expected: float) -> None:
    """Clocks drift: never before the last good sighting, never after the check that saw it."""
    sightings = history(check(120, PATCHED), check(180, facts(boot="boot-1"), booted=booted))
    assert expected == minute(exposure(sightings, [LAB_1], 200).windows[0].detected_at)


def test_a_persisted_patch_keeps_the_host_covered_through_a_reboot() -> None:
    """The next check sees the patch in force on the new boot: no window."""
    again = facts(live("LAB-0001"), boot="boot-1")
    sightings = history(check(0, PATCHED), check(60, again, booted=30))
    assert () == exposure(sightings, [LAB_1], 70).windows
    assert [(COVERED, 0, 70)] == spans(sightings, [LAB_1], 70)


def test_an_unload_opens_the_next_window_at_the_last_good_sighting() -> None:
    """Same boot: it may have been gone since then."""
    sightings = history(check(0, BARE), check(10, PATCHED), check(60, PATCHED), check(120, BARE))
    found = exposure(sightings, [LAB_1], 130)
    assert [(-60.0, -60.0, 0.0, 10.0), (60.0, 60.0, 60.0, None)] == [starts(window) for window in found.windows]


def test_a_window_never_opens_before_the_one_before_closed() -> None:
    """Covered at one check only: the last good sighting is the close itself."""
    sightings = history(check(0, BARE), check(10, PATCHED), check(20, BARE))
    assert [(0.0, 10.0), (10.0, None)] == [
        (minute(window.detected_at), minute(window.closed_at)) for window in exposure(sightings, [LAB_1], 30).windows
    ]


def test_a_rollback_reopens_what_only_the_rolled_back_item_fixed() -> None:
    """LAB-0002 goes, LAB-0001 comes back: only the second CVE is open again."""
    sightings = history(check(0, facts(live("LAB-0002"))), check(10, PATCHED))
    assert [(COVERED, 0, 20)] == spans(sightings, [LAB_1, LAB_2], 20)
    assert [(0.0, 0.0, 0.0, None)] == [
        starts(window) for window in exposure(sightings, [LAB_1, LAB_2], 20, cve=SECOND).windows
    ]


def test_replacing_has_no_exposed_moment() -> None:
    """While LAB-0002 is in transition LAB-0001 still covers what it fixes."""
    sightings = history(
        check(0, PATCHED),
        check(10, facts(live("LAB-0001"), live("LAB-0002", PatchState.TRANSITIONING))),
        check(20, facts(live("LAB-0002"))),
    )
    assert [(COVERED, 0, 30)] == spans(sightings, [LAB_1, LAB_2], 30)
    assert [(EXPOSED, 0, 20), (COVERED, 20, 30)] == spans(sightings, [LAB_1, LAB_2], 30, SECOND)


def test_silence_is_unknown_even_when_nothing_changed() -> None:
    """Three days between two checks that saw the same facts are three days of unknown."""
    sightings = history(check(0, BARE), check(3 * 24 * 60, BARE))
    found = exposure(sightings, [LAB_1], 3 * 24 * 60 + 10)
    assert 3 * 24 * 3600 == found.unknown_seconds
    assert [(0.0, None)] == [(minute(one.detected_at), minute(one.closed_at)) for one in found.windows]
    assert 600.0 == exposed_seconds(found, at(3 * 24 * 60 + 10))[ExposureClock.DETECTED]


def test_silence_that_goes_on_is_unknown_since_the_last_check() -> None:
    """Once the next check is overdue, and not a moment before."""
    sightings = history(check(0, PATCHED), check(60, PATCHED))
    assert [(COVERED, 0, 240)] == spans(sightings, [LAB_1], 240)
    assert [(COVERED, 0, 60), (UNKNOWN, 60, 241)] == spans(sightings, [LAB_1], 241)
    found = exposure(sightings, [LAB_1], 241)
    assert (UNKNOWN, None, at(60)) == (found.state, found.reason, found.since)


def test_the_seconds_of_a_silent_host_stand_still() -> None:
    """An open window stays open, and what nobody saw is not counted."""
    found = exposure(history(check(0, BARE), check(60, BARE)), [LAB_1], 500)
    assert 3600.0 == exposed_seconds(found, at(500))[ExposureClock.DETECTED]
    assert 3600.0 == exposed_seconds(found, at(900))[ExposureClock.DETECTED]


def test_a_patch_found_after_silence_closes_the_window_when_it_is_found() -> None:
    """The silence is left out of every clock."""
    found = exposure(history(check(0, BARE), check(600, PATCHED)), [LAB_1], 610)
    assert 600.0 == minute(found.windows[0].closed_at)
    assert {
        ExposureClock.DISCLOSED: 3600.0,
        ExposureClock.FIX_AVAILABLE: 3600.0,
        ExposureClock.DETECTED: 0.0,
    } == exposed_seconds(found, at(610))


def test_a_check_that_could_not_tell_leaves_the_window_open_and_the_time_unknown() -> None:
    """Live patches unreadable: not covered, not exposed, and nothing closes."""
    blind = facts(live("LAB-0001"), unknown={"live_patches": "needs_root"})
    sightings = history(check(0, BARE), check(60, blind), check(120, BARE))
    assert [(UNKNOWN, 0, 120), (EXPOSED, 120, 130)] == spans(sightings, [LAB_1], 130)
    assert [None] == [window.closed_at for window in exposure(sightings, [LAB_1], 130).windows]


def test_a_reboot_seen_only_blindly_still_dates_the_next_window() -> None:
    """Covered, then a new boot whose live patches could not be read, then bare: open since that boot."""
    blind = facts(boot="boot-1", unknown={"live_patches": "needs_root"})
    sightings = history(check(0, PATCHED), check(60, blind, booted=30), check(120, facts(boot="boot-1"), booted=30))
    assert [30.0] == [minute(window.detected_at) for window in exposure(sightings, [LAB_1], 130).windows]


def test_another_kernel_without_a_module_is_unknown_not_fixed() -> None:
    """The catalogue alone says nothing of it: the window stays open, its seconds stand still."""
    only_a = item(kernels="a")
    sightings = history(check(0, BARE), check(60, facts(kernel="b", boot="boot-1"), booted=50))
    found = exposure(sightings, [only_a], 100)
    assert (UNKNOWN, Remedy.NONE, [None]) == (found.state, found.remedy, [one.closed_at for one in found.windows])


def test_on_a_new_kernel_nothing_is_told_before_a_fix_for_it_is_known() -> None:
    """Covered, rebooted into another kernel at minute 1, whose first module reached us at minute 3."""
    patches = [item(kernels="a"), item("LAB-0009", kernels="b", added_at=at(3))]
    sightings = history(check(0, PATCHED), check(5, facts(kernel="b", boot="boot-1"), booted=1))
    assert [(COVERED, 0, 1), (UNKNOWN, 1, 3), (EXPOSED, 3, 9)] == spans(sightings, patches, 9)
    found = exposure(sightings, patches, 9)
    assert [(1.0, 3.0, 3.0, None)] == [starts(window) for window in found.windows]
    assert {360.0} == set(exposed_seconds(found, at(9)).values())


def test_a_host_that_never_ran_a_kernel_with_a_module_has_no_exposure() -> None:
    """Nothing is known of that CVE there."""
    assert () == windows(history(check(0, facts(kernel="b"))), [item(kernels="a")], now=at(10))


def test_a_new_incarnation_ends_the_old_windows_as_replaced_and_begins_its_own() -> None:
    """At the moment the new key was trusted; the new machine's first window starts at its own boot, not before."""
    sightings = history(check(0, BARE), check(60, BARE), check(120, BARE, incarnation=2, booted=-600))
    found = exposure(sightings, [LAB_1], 130, incarnated_at={1: at(-99), 2: at(100)})
    assert [(0.0, 100.0, ClosedBy.HOST_REPLACED), (120.0, None, None)] == [
        (minute(one.detected_at), minute(one.closed_at), one.method) for one in found.windows
    ]
    assert 100.0 == minute(found.windows[1].disclosed_at)


def test_a_replaced_host_that_was_not_seen_again_is_over() -> None:
    """Its windows end when the new key was trusted, without a tool that closed them."""
    found = exposure(history(check(0, BARE)), [LAB_1], 130, incarnated_at={2: at(100)})
    assert [(100.0, ClosedBy.HOST_REPLACED, None)] == [
        (minute(one.closed_at), one.method, one.tool) for one in found.windows
    ]
    assert found.is_over


def test_without_the_date_of_the_new_incarnation_its_first_check_ends_the_old_windows() -> None:
    """That date is kept for the current incarnation only."""
    sightings = history(check(0, PATCHED), check(10, BARE), check(120, PATCHED, incarnation=2))
    found = exposure(sightings, [LAB_1], 130)
    assert [(120.0, ClosedBy.HOST_REPLACED)] == [(minute(one.closed_at), one.method) for one in found.windows]
    assert COVERED is found.state


def test_a_retired_host_ends_withdrawn_never_fixed() -> None:
    """At its retirement; nothing is counted after."""
    found = exposure(history(check(0, BARE)), [LAB_1], 9000, retired_at=at(1440))
    assert [(1440.0, ClosedBy.WITHDRAWN, None)] == [
        (minute(one.closed_at), one.method, one.tool) for one in found.windows
    ]
    assert (UNKNOWN, at(1440), True) == (found.state, found.since, found.is_over)
    assert 0.0 == exposed_seconds(found, at(9000))[ExposureClock.DETECTED]


def test_a_retirement_still_to_come_changes_nothing() -> None:
    """Now is before it."""
    assert EXPOSED is exposure(history(check(0, BARE)), [LAB_1], 10, retired_at=at(20)).state


def test_removing_the_only_item_withdraws_the_window() -> None:
    """The catalogue was changed, not the host: not a fix, and the CVE is no longer known here."""
    matcher = Matcher(Catalogue(patches=(LAB_1,), removed_at={"LAB-0001": at(30)}))
    found = exposure(history(check(0, BARE), check(60, BARE)), matcher, 70)
    assert [(30.0, ClosedBy.WITHDRAWN)] == [(minute(one.closed_at), one.method) for one in found.windows]
    assert [(EXPOSED, 0, 30)] == spans(history(check(0, BARE), check(60, BARE)), matcher, 70)


def test_removing_an_item_does_not_expose_hosts_that_still_run_it() -> None:
    """Its module in memory is still recognised."""
    matcher = Matcher(Catalogue(patches=(LAB_1, LAB_2), removed_at={"LAB-0001": at(30)}))
    assert [(COVERED, 0, 70)] == spans(history(check(0, PATCHED), check(60, PATCHED)), matcher, 70)


def test_a_module_recognised_later_closes_the_window_then() -> None:
    """A patch loaded by others counts from when the catalogue knew it: what closed earlier never changes."""
    late = item("LAB-0009", added_at=at(30))
    sightings = history(check(0, facts(live("LAB-0009"))), check(60, facts(live("LAB-0009"))))
    found = exposure(sightings, [LAB_1, late], 70)
    assert [(0.0, 30.0)] == [(minute(one.detected_at), minute(one.closed_at)) for one in found.windows]


def test_a_fix_closes_no_window_of_another_cve() -> None:
    """LAB-0001 fixes the first CVE only."""
    sightings = history(check(0, BARE), check(10, PATCHED))
    assert [10.0] == [minute(one.closed_at) for one in exposure(sightings, [LAB_1, LAB_2], 20).windows]
    assert [None] == [one.closed_at for one in exposure(sightings, [LAB_1, LAB_2], 20, cve=SECOND).windows]


def test_a_flaw_disclosed_after_its_window_closed_was_exposed_for_no_time_by_that_clock() -> None:
    """No clock starts after the close."""
    sightings = history(check(0, BARE), check(10, PATCHED))
    found = exposure(sightings, [item(disclosed=at(500))], 20)
    assert (10.0, 10.0, 0.0, 10.0) == starts(found.windows[0])


def test_severity_is_the_worst_that_any_item_gives() -> None:
    """And unknown is no better than what is known."""
    items = [item("A", severity=Severity.UNKNOWN), item("B", severity=Severity.LOW), item("C", severity=Severity.HIGH)]
    found = exposure(history(check(0, BARE)), items, 1)
    assert (Severity.HIGH, Severity.HIGH) == (found.severity, found.windows[0].severity)


def test_the_json_row_has_the_shape_that_programs_rely_on() -> None:
    """DESIGN's fields, times in UTC, null where nothing is known."""
    row = exposure_row(exposure(history(check(0, BARE), check(10, PATCHED)), [LAB_1], 20), "web1", at(20))
    assert {
        "host": "web1",
        "cve": FIRST,
        "severity": "high",
        "state": "covered",
        "reason": "live_patched",
        "remedy": "none",
        "accepted_until": None,
        "disclosed_at": "2026-02-28T23:00:00Z",
        "fix_available_at": "2026-02-28T23:00:00Z",
        "detected_at": "2026-03-01T00:00:00Z",
        "closed_at": "2026-03-01T00:10:00Z",
        "method": "live_patch",
        "exposed_seconds": {"disclosed": 4200.0, "fix_available": 4200.0, "detected": 600.0},
        "due_at": None,
        "policy": None,
        "sla": None,
    } == {name: value for name, value in row.items() if name not in {"since", "unknown_seconds", "windows"}}


def test_a_host_covered_from_the_start_has_a_row_without_dates() -> None:
    """No window was ever open."""
    row = exposure_row(exposure(history(check(0, PATCHED)), [LAB_1], 20), "web1", at(20))
    assert (None, None, {"disclosed": 0, "fix_available": 0, "detected": 0}) == (
        row["detected_at"],
        row["method"],
        row["exposed_seconds"],
    )


def test_a_host_that_comes_back_from_retirement_begins_anew() -> None:
    """What ended when it was retired stays ended; its next check opens a window of its own."""
    sightings = history(check(0, BARE), check(300, BARE), check(310, PATCHED))
    (found,) = windows(sightings, [LAB_1], now=at(400), retirements=[at(100)])
    assert [(0.0, 100.0, ClosedBy.WITHDRAWN), (300.0, 310.0, ClosedBy.LIVE_PATCH)] == [
        (minute(one.detected_at), minute(one.closed_at), one.method) for one in found.windows
    ]
    (before,) = windows(sightings[:1], [LAB_1], now=at(250), retirements=[at(100)])
    assert found.windows[:1] == before.windows
    assert before.is_over
