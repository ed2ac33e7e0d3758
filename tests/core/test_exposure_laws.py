"""Laws of exposure windows that hold for every history of a host."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure import timeline, windows
from orchestrator.core.exposure_report import exposed_seconds, unknown_seconds
from orchestrator.core.exposure_states import ExposureClock, ExposureState
from orchestrator.core.facts import Facts, PatchState
from orchestrator.core.matcher import Matcher
from orchestrator.core.matching import find
from orchestrator.core.sightings import CheckRecord, Sighting
from orchestrator.core.windows import ClockSeconds, Exposure, Window
from tests.core.exposure_builders import ADDED, FIRST, SECOND, SILENCE, at, check, facts, history, item, live

CVES = (FIRST, SECOND)

law = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
"""The same histories in every run; how long one takes says nothing on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that happened to one host, and a catalogue that changed meanwhile."""

    checks: tuple[CheckRecord, ...]
    catalogue: Catalogue
    now: float
    retired_at: datetime | None
    incarnated_at: dict[int, datetime]

    def matcher(self) -> Matcher:
        """A fresh memory."""
        return Matcher(self.catalogue)

    def known_at(self, minutes: float) -> "World":
        """What could be known at that minute."""
        moment = at(minutes)
        return World(
            checks=tuple(one for one in self.checks if one.finished_at <= moment),
            catalogue=Catalogue(
                patches=self.catalogue.known(moment),
                removed_at={key: value for key, value in self.catalogue.removed_at.items() if value <= moment},
            ),
            now=minutes,
            retired_at=self.retired_at if self.retired_at and self.retired_at <= moment else None,
            incarnated_at={key: value for key, value in self.incarnated_at.items() if value <= moment},
        )

    def windows(self) -> tuple[Exposure, ...]:
        """Rebuilt from the beginning."""
        return windows(
            history(*self.checks),
            self.matcher(),
            now=at(self.now),
            retired_at=self.retired_at,
            incarnated_at=self.incarnated_at,
        )


seen_states = st.sampled_from([PatchState.APPLIED, PatchState.APPLIED, PatchState.TRANSITIONING, PatchState.FAILED])
unread = st.sampled_from([{}, {}, {}, {"live_patches": "needs_root"}, {"kernel.build_id": "error"}])


@st.composite
def seen(draw: st.DrawFn, boot: int, kernel: str) -> Facts:
    """Some facts on that boot."""
    loaded = draw(st.sets(st.sampled_from(["LAB-0001", "LAB-0002", "LAB-0003"])))
    patches = [live(patch_id, draw(seen_states), kernel) for patch_id in sorted(loaded)]
    return facts(*patches, kernel=kernel, boot=f"boot-{boot}", unknown=draw(unread))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Checks in time and late, reboots into either kernel, new incarnations, a catalogue that grows and shrinks."""
    minute, boot, booted, kernel, incarnation = 0.0, 0, -60.0, "a", 1
    checks: list[CheckRecord] = []
    incarnated_at: dict[int, datetime] = {}
    same: Facts | None = None
    for _ in range(draw(st.integers(min_value=1, max_value=8))):
        minute += draw(st.sampled_from([5.0, 60.0, 175.0, 180.0, 181.0, 4000.0])) if checks else 0.0
        event = draw(st.sampled_from(["same", "same", "change", "reboot", "reboot", "replace"]))
        if event == "replace" and checks:
            incarnation += 1
            if draw(st.booleans()):
                incarnated_at[incarnation] = at(minute - 2)
        if event in {"reboot", "replace"} and checks:
            boot, booted, kernel = (
                boot + 1,
                minute - draw(st.sampled_from([1.0, 30.0, 500.0])),
                draw(st.sampled_from("ab")),
            )
        if event != "same" or same is None:
            same = draw(seen(boot, kernel))
        checks.append(check(minute, same, booted=booted, incarnation=incarnation))
    items = [
        item("LAB-0001", (FIRST,)),
        item("LAB-0002", CVES, kernels=draw(st.sampled_from(["a", "ab"])), added_at=draw(moments(minute))),
        item("LAB-0003", (SECOND,), disclosed=None, added_at=draw(moments(minute))),
    ]
    removed = {one.id: max(draw(moments(minute)), one.added_at) for one in items if draw(st.integers(0, 3)) == 0}
    ended = minute + draw(st.sampled_from([0.0, 10.0, 180.0, 181.0, 5000.0]))
    retired = draw(st.sampled_from([None, None, at(minute + 5), at(minute + 1000)]))
    return World(
        checks=tuple(checks),
        catalogue=Catalogue(patches=tuple(items), removed_at=removed),
        now=ended,
        retired_at=retired,
        incarnated_at=incarnated_at,
    )


def moments(last: float) -> st.SearchStrategy[datetime]:
    """Long before the host was known, or at some minute of its history."""
    return st.just(ADDED) | st.integers(min_value=0, max_value=int(last) + 200).map(at)


def closed(exposures: Sequence[Exposure]) -> dict[tuple[str, int], Window]:
    """The closed windows by CVE and index, without the seconds left out: a silence that proves too long only later
    reaches back to the last check."""
    everything = (window for exposure in exposures for window in exposure.windows)
    return {
        (window.cve, window.index): window.model_copy(update={"unknown": ClockSeconds()})
        for window in everything
        if window.closed_at is not None
    }


def clocks(window: Window) -> list[datetime]:
    """Those that can be told."""
    return [at for at in (window.disclosed_at, window.fix_available_at, window.detected_at) if at is not None]


@law
@given(world=worlds())
def test_the_three_states_add_up_to_the_time_since_host_and_cve_are_known(world: World) -> None:
    """No instant is counted twice; none is left out but where the CVE or the machine was not known."""
    for cve in CVES:
        line = timeline(history(*world.checks), world.catalogue.patches, cve, now=at(world.now))
        known = [one for one in line if one.start < one.end]
        for before, after in pairwise(known):
            assert before.end <= after.start
        if known and max(one.incarnation for one in world.checks) == 1:
            first = max(known[0].start, at(0))
            assert (at(world.now) - first).total_seconds() == sum(one.seconds for one in known)


@law
@given(world=worlds())
def test_the_time_since_both_are_known_starts_at_the_first_sighting_or_the_first_item(world: World) -> None:
    """The later of the two, on a host that keeps its kernel."""
    start = history(*world.checks)[:1]
    found = timeline(start, world.catalogue.patches, FIRST, now=at(world.now))
    assert [at(0)] * bool(world.now) == [part.start for part in found[:1]]


@law
@given(world=worlds())
def test_exposed_seconds_by_the_detected_clock_are_the_exposed_part_of_the_timeline(world: World) -> None:
    """Nothing unknown and nothing covered is in them."""
    for exposure in world.windows():
        line = timeline(
            history(*world.checks),
            world.matcher(),
            exposure.cve,
            now=at(world.now),
            retired_at=world.retired_at,
            incarnated_at=world.incarnated_at,
        )
        told = sum(part.seconds for part in line if part.state is ExposureState.EXPOSED)
        unknown = sum(part.seconds for part in line if part.state is ExposureState.UNKNOWN)
        assert told == exposed_seconds(exposure, at(world.now))[ExposureClock.DETECTED]
        assert unknown == unknown_seconds(exposure, at(world.now))


@law
@given(world=worlds())
def test_windows_are_in_order_and_never_overlap(world: World) -> None:
    """None closes before it opens, and none but the last is open, by any clock."""
    for exposure in world.windows():
        assert list(range(len(exposure.windows))) == [window.index for window in exposure.windows]
        for window in exposure.windows:
            assert all(clock <= (window.closed_at or clock) for clock in clocks(window))
        for before, after in pairwise(exposure.windows):
            assert before.closed_at is not None
            assert all(before.closed_at <= clock for clock in clocks(after))


@law
@given(world=worlds(), fraction=st.floats(min_value=0, max_value=1))
def test_what_was_closed_once_stays_closed_as_it_was(world: World, fraction: float) -> None:
    """Whatever happens later, and whatever is learned later."""
    minutes = round(world.now * fraction)
    before, after = closed(world.known_at(minutes).windows()), closed(world.windows())
    assert before == {key: after.get(key) for key in before}


@law
@given(world=worlds())
def test_checks_taken_one_by_one_give_the_windows_of_the_whole(world: World) -> None:
    """At every check and every change between: nothing that was closed is missing at the end."""
    found: dict[tuple[str, int], Window] = {}
    moments = sorted({(one.finished_at - at(0)).total_seconds() / 60 for one in world.checks} | {world.now})
    for minutes in moments:
        found |= closed(world.known_at(minutes).windows())
    assert closed(world.windows()) == {**closed(world.windows()), **found}


@law
@given(world=worlds())
def test_a_shared_memory_changes_nothing(world: World) -> None:
    """Findings by signature are the findings by facts."""
    matcher = world.matcher()
    for _ in range(2):
        again = windows(
            history(*world.checks),
            matcher,
            now=at(world.now),
            retired_at=world.retired_at,
            incarnated_at=world.incarnated_at,
        )
        assert world.windows() == again


@law
@given(world=worlds())
def test_what_cannot_be_told_is_never_covered(world: World) -> None:
    """By any facts whose live patches or kernel could not be read."""
    for one in world.checks:
        assert one.observation is not None
        seen = one.observation.facts
        states = {finding.state for finding in find(seen, world.catalogue.patches)}
        if seen.unknown:
            assert states <= {ExposureState.UNKNOWN}


@law
@given(days=st.integers(min_value=1, max_value=30), covered=st.booleans())
def test_silence_with_unchanged_facts_is_unknown_for_as_long_as_it_lasts(days: int, covered: bool) -> None:
    """Three days of silence are three days of unknown."""
    same = facts(live("LAB-0001")) if covered else facts()
    sightings = history(check(0, same), check(days * 1440, same))
    (found,) = windows(sightings, [item()], now=at(days * 1440))
    assert timedelta(days=days).total_seconds() == found.unknown_seconds


@law
@given(
    steps=st.lists(
        st.sampled_from([PatchState.TRANSITIONING, PatchState.STALLED, PatchState.APPLIED]), min_size=1, max_size=6
    ),
    minutes=st.integers(min_value=1, max_value=int(SILENCE.total_seconds() // 60)),
)
def test_replacing_leaves_no_exposed_moment_for_what_the_old_item_fixed(steps: list[PatchState], minutes: int) -> None:
    """LAB-0002 over LAB-0001, which the kernel keeps in force until the transition has ended."""
    checks = [check(0, facts(live("LAB-0001")))]
    for number, state in enumerate(steps, start=1):
        old = [] if state is PatchState.APPLIED else [live("LAB-0001")]
        checks.append(check(number * minutes, facts(*old, live("LAB-0002", state))))
    patches = [item("LAB-0001"), item("LAB-0002", CVES, replaces="all")]
    sightings: tuple[Sighting, ...] = history(*checks)
    line = timeline(sightings, patches, FIRST, now=at(len(steps) * minutes))
    assert {ExposureState.COVERED} == {part.state for part in line}
    assert () == next(one for one in windows(sightings, patches, now=at(0)) if one.cve == FIRST).windows
