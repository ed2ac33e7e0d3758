"""Laws of windows by advisories, for every history of a host and every history of what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.advisories import Claim, Grade, Statement, Told
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure import standings, timeline, windows
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.facts import Facts, Package
from orchestrator.core.knowledge import Knowledge
from orchestrator.core.matcher import Matcher
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import CheckRecord
from orchestrator.core.standings import exposures
from orchestrator.core.timelines import Timelines
from orchestrator.core.windows import ClockSeconds, Exposure, Window
from tests.core.advisory_builders import applied, debian, fingerprint, package, statement
from tests.core.exposure_builders import at, check, history, item

CVES = ("CVE-2099-2000", "CVE-2099-2001", "CVE-2099-2002")

law = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, kw_only=True)
class World:
    """What happened to one host, and what was told meanwhile."""

    checks: tuple[CheckRecord, ...]
    statements: tuple[Told[Statement], ...]
    grades: tuple[Told[Grade], ...]
    catalogue: Catalogue
    lists: tuple[tuple[Package, ...], ...]
    now: float

    def knowledge(self, moment: datetime | None = None) -> Knowledge:
        """All that was told, or what was by that moment."""
        known = Knowledge(packages={fingerprint(one): one for one in self.lists})
        for said in self.statements:
            if (seen := as_known(said, moment)) is not None:
                key = (said.said.distribution, said.said.package)
                known.told[key] = [*known.told.get(key, ()), seen]
        for graded in self.grades:
            if (seen_grade := as_known(graded, moment)) is not None:
                known.grades[graded.said.cve] = [*known.grades.get(graded.said.cve, ()), seen_grade]
        return known

    def matcher(self) -> Matcher:
        """A fresh memory."""
        return Matcher(self.catalogue, self.knowledge())

    def windows(self, matcher: Matcher | None = None) -> tuple[Exposure, ...]:
        """Rebuilt from the beginning."""
        return windows(history(*self.checks), matcher or self.matcher(), now=at(self.now))

    def windows_at(self, minutes: float) -> tuple[Exposure, ...]:
        """As they were built at that minute, by what was known then."""
        moment = at(minutes)
        known = Catalogue(patches=self.catalogue.known(moment))
        seen = [one for one in self.checks if one.finished_at <= moment]
        return windows(history(*seen), Matcher(known, self.knowledge(moment)), now=moment)


def as_known(told: Told, moment: datetime | None) -> Told | None:  # type: ignore[type-arg]
    """What of it was known by then."""
    if moment is None:
        return told
    if told.since > moment:
        return None
    return told if told.until is None or told.until <= moment else told._replace(until=None)


@st.composite
def told_over_time(draw: st.DrawFn, last: int) -> list[Told[Statement]]:
    """One CVE in one package: said, changed, taken back, said again."""
    cve, name = draw(st.sampled_from(CVES)), draw(st.sampled_from(["openssl", "linux"]))
    fixes = ["2-1", "3-1"] if name == "openssl" else ["6.1.153-1", "6.1.160-1"]
    instants = sorted(draw(st.sets(st.integers(-500, last + 100), min_size=1, max_size=4)))
    found: list[Told[Statement]] = []
    for index, since in enumerate(instants):
        if index and draw(st.integers(0, 3)) == 0:
            continue
        until = at(instants[index + 1]) if index + 1 < len(instants) else draw(st.sampled_from([None, at(last + 150)]))
        said = statement(
            cve,
            name,
            claim=draw(st.sampled_from([Claim.AFFECTED, Claim.AFFECTED, Claim.AFFECTED, *Claim])),
            fixed=draw(st.sampled_from([None, *fixes])),
            severity=draw(st.sampled_from(Severity)),
        )
        found.append(
            Told(said=said, feed="debian", entry=f"{name}{cve}", since=at(since), until=until, is_baseline=since < 0)
        )
    return found


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Checks in time and late, upgrades, downgrades, removals, reboots, live patches; statements that come and go."""
    minute, boot, version, kernel, live = 0.0, 0, "1-1", "6.1.153-1", False
    checks: list[CheckRecord] = []
    lists: set[tuple[Package, ...]] = set()
    for number in range(draw(st.integers(1, 6))):
        minute += draw(st.sampled_from([5.0, 60.0, 180.0, 181.0, 4000.0])) if number else 0.0
        event = draw(st.sampled_from(["same", "same", "upgrade", "remove", "reboot", "patch"]))
        if event == "upgrade":
            version = draw(st.sampled_from(["1-1", "2-1", "3-1"]))
        elif event == "remove":
            version = ""
        elif event == "reboot" and number:
            boot, kernel, live = boot + 1, draw(st.sampled_from(["6.1.153-1", "6.1.160-1"])), False
        elif event == "patch":
            live = not live
        installed = (package("libssl3", version, "openssl"),) if version else ()
        lists.add(installed)
        seen: Facts = debian(
            *installed,
            source_version=kernel,
            boot_id=f"boot-{boot}",
            live=(applied("lp", CVES[0], CVES[1], tool="kernelcare"),) if live else (),
        )
        checks.append(check(minute, seen, booted=minute - 30 if event == "reboot" and number else -60.0))
    said = [one for ones in draw(st.lists(told_over_time(int(minute)), min_size=1, max_size=5)) for one in ones]
    kev = Grade(cve=CVES[0], severity=Severity.CRITICAL, where="/")
    since = draw(st.integers(0, int(minute) + 100))
    items = [item("LAB-0001", (CVES[2],), added_at=at(draw(st.integers(0, int(minute) + 10))))]
    return World(
        checks=tuple(checks),
        statements=tuple(said),
        grades=(Told(said=kev, feed="redhat", entry="x", since=at(since), until=None, is_baseline=False),),
        catalogue=Catalogue(patches=tuple(items) if draw(st.booleans()) else ()),
        lists=tuple(lists),
        now=minute + draw(st.sampled_from([0.0, 10.0, 180.0, 5000.0])),
    )


def closed(found: Sequence[Exposure]) -> set[Window]:
    """Closed windows, without what a silence that proves too long only later takes out of them."""
    return {
        window.model_copy(update={"unknown": ClockSeconds(), "index": 0})
        for one in found
        for window in one.windows
        if window.closed_at is not None
    }


@law
@given(world=worlds())
def test_windows_partition_time(world: World) -> None:
    """At every instant since host and CVE are known it is one of the three; nothing overlaps, and only that is left out
    in which nobody told of the CVE."""
    for exposure in world.windows():
        line = timeline(history(*world.checks), world.matcher(), exposure.cve, now=at(world.now))
        for before, after in pairwise(line):
            assert before.end <= after.start
            assert before.state is not after.state or before.end < after.start
        opened = [part for part in line if part.state is ExposureState.EXPOSED]
        spans = [(window.detected_at, window.closed_at or at(world.now)) for window in exposure.windows]
        assert all(any(start <= part.end and part.start <= end for start, end in spans) for part in opened)


@law
@given(world=worlds(), parts=st.lists(st.floats(0, 1), max_size=4))
def test_recomputing_equals_going_on_from_time_to_time(world: World, parts: list[float]) -> None:
    """What was closed by what was known at some time stays closed as it was, whatever is learned later."""
    found: set[Window] = set()
    for part in sorted(parts):
        found |= closed(world.windows_at(part * world.now))
    assert found <= closed(world.windows())


@law
@given(world=worlds())
def test_followed_together_is_as_followed_alone(world: World) -> None:
    """CVEs that share a standing have the timeline and the windows that each has by itself."""
    sightings, together = history(*world.checks), {one.cve: one for one in world.windows()}
    for cve in CVES:
        alone = World(**(vars(world) | {"statements": tuple(one for one in world.statements if one.said.cve == cve)}))
        mine = {one.cve: one for one in alone.windows()}.get(cve)
        assert mine == together.get(cve)
    assert len(together) == sum(
        len(list(exposures(one))) for one in standings(sightings, Timelines(world.matcher()), now=at(world.now))
    )


@law
@given(world=worlds(), data=st.data())
def test_what_is_told_of_one_cve_never_moves_another(world: World, data: st.DataObject) -> None:
    """A fix closes the windows of its own CVE alone."""
    cve = data.draw(st.sampled_from(CVES))
    others = World(**(vars(world) | {"statements": tuple(one for one in world.statements if one.said.cve != cve)}))
    rest = [one for one in world.windows() if one.cve != cve]
    assert [one for one in others.windows() if one.cve != cve] == rest


@law
@given(world=worlds(), data=st.data())
def test_forgetting_and_learning_again_equals_knowing_from_the_start(world: World, data: st.DataObject) -> None:
    """A memory that was told of a change finds what a fresh one finds."""
    matcher, moment = world.matcher(), at(world.now)
    changed = data.draw(st.sampled_from(["openssl", "linux"]))
    key = ("debian:12", changed)
    without = [one for one in world.statements if one.said.package != changed]
    before = World(**(vars(world) | {"statements": tuple(without)}))
    kept = Matcher(world.catalogue, before.knowledge())
    before.windows(kept)
    new = [one for one in world.statements if one.said.package == changed]
    kept.forget([key], {one.said.cve for one in new})
    kept.knowledge.told[key] = new
    kept.knowledge.grades = world.knowledge().grades
    assert world.windows(matcher) == world.windows(kept)
    for one in world.checks:
        assert one.observation is not None
        assert matcher.findings(one.observation.facts, moment) == kept.findings(one.observation.facts, moment)


@law
@given(
    world=worlds(),
    other=worlds(),
    later=st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.0, 45.0, 61.0, 180.0]), min_size=1, max_size=4),
)
def test_hosts_that_share_a_memory_are_told_what_each_is_told_alone(
    world: World, other: World, later: list[float]
) -> None:
    """What one host showed never speaks for another: not for a twin that differs in its packages or live patches, nor
    for one that was checked a little later, nor for any other."""
    told = {"statements": world.statements, "grades": world.grades, "catalogue": world.catalogue}
    hosts = [world, twin(world), *(postponed(world, one) for one in later), World(**(vars(other) | told))]
    memory = Timelines(Matcher(world.catalogue, world.knowledge()))
    for host in hosts:
        memory.matcher.knowledge.packages.update(host.knowledge().packages)
    for host in hosts:
        found = standings(history(*host.checks), memory, now=at(host.now))
        together = (each for standing in found for each in exposures(standing))
        assert host.windows() == tuple(sorted(together, key=lambda each: each.cve))


def twin(world: World) -> World:
    """A host that was checked at the same times, with another version of everything, and no live patch."""
    installed = (package("libssl3", "2-1", "openssl"),)
    seen = [
        debian(*installed, boot_id=one.observation.facts.boot_id, source_version="6.1.160-1")
        for one in world.checks
        if one.observation is not None
    ]
    return World(**(vars(world) | {"checks": rechecked(world, seen, 0.0), "lists": (*world.lists, installed)}))


def postponed(world: World, minutes: float) -> World:
    """The same host, seen that much later each time."""
    seen = [one.observation.facts for one in world.checks if one.observation is not None]
    return World(**(vars(world) | {"checks": rechecked(world, seen, minutes), "now": world.now + minutes}))


def rechecked(world: World, seen: Sequence[Facts], later: float) -> tuple[CheckRecord, ...]:
    """The world's checks, each with other facts."""
    minutes = [(one.started_at - at(0)).total_seconds() / 60 + later for one in world.checks]
    return tuple(check(minute, facts) for minute, facts in zip(minutes, seen, strict=True))
