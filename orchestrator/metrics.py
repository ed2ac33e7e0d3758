"""Prometheus metrics. What must survive restarts and count once comes from the database, read at every scrape."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrator.core.exposure_states import ClosedBy, ExposureClock, ExposureState
from orchestrator.core.facts import PatchState
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import CheckRecord, Sighting
from orchestrator.core.windows import Exposure, Window
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import RolloutHead, Store
from orchestrator.services.read_fleet import ReadFleet

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
TIME_TO_PATCH_BUCKETS = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY)
CHECK_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
FIXED_BY = frozenset({ClosedBy.LIVE_PATCH, ClosedBy.REBOOT, ClosedBy.PACKAGE})
"""What counts as a time to patch; a host that went away was not patched."""


@dataclass(kw_only=True)
class Metrics:
    """The registry of one process: a collector over the database, and what only this process can time."""

    store: Store
    clock: Clock
    per_host: bool = False
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.check_duration = Histogram(
            "patchwave_check_duration_seconds",
            "How long this process's checks of one host took.",
            buckets=CHECK_BUCKETS,
            registry=self.registry,
        )
        self.registry.register(StoreCollector(self.store, self.clock, per_host=self.per_host))

    def observe_check(self, check: CheckRecord) -> None:
        """Count one finished check."""
        self.check_duration.observe((check.finished_at - check.started_at).total_seconds())

    def text(self) -> bytes:
        """The exposition, text format 0.0.4."""
        return generate_latest(self.registry)


class StoreCollector(Collector):
    """Everything that can be told from the database."""

    def __init__(self, store: Store, clock: Clock, *, per_host: bool) -> None:
        self._store, self._clock, self._per_host = store, clock, per_host
        self._ended = _EndedAttempts(store)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, from one look at the store."""
        now = self._clock.now()
        reader = ReadFleet(store=self._store, clock=self._clock)
        records = [record for record in self._store.hosts.all() if record.retired_at is None]
        checks, latest = self._store.sightings.last_checks(), self._store.sightings.latest()
        exposures, closures = reader.exposures(), self._store.exposures.closures()
        sightings = [latest[record.id] for record in records if record.id in latest]
        yield _build_info()
        yield _time_to_patch(closures)
        yield _reboots_avoided(closures)
        yield _exposures(exposures)
        yield _oldest(exposures, now)
        yield _hosts(records, checks)
        yield _overdue(records, latest, now)
        # What a host had in memory weeks ago is not what it has now: `_overdue` counts those.
        current = [sighting for sighting in sightings if now <= sighting.expected_by]
        yield _live_patches(current)
        yield _stalled(current)
        yield _coverage_expiring(current, now)
        yield from _oldest_check(sightings)
        heads = self._store.rollouts.heads()
        yield _rollouts(head.state_name for head in heads)
        yield _rollout_hosts(self._ended.counted(head) for head in heads)
        if self._per_host:
            yield _exposed_per_host(records, exposures)


def _build_info() -> Metric:
    family = GaugeMetricFamily("patchwave_build_info", "Always 1; the version that runs.", labels=["version"])
    family.add_metric([version("patchwave")], 1)
    return family


def _started(window: Window, clock: ExposureClock) -> datetime | None:
    return {
        ExposureClock.DISCLOSED: window.disclosed_at,
        ExposureClock.FIX_AVAILABLE: window.fix_available_at,
        ExposureClock.DETECTED: window.detected_at,
    }[clock]


def _time_to_patch(closures: Sequence[Window]) -> Metric:
    taken: dict[tuple[str, str, str], list[float]] = {}
    for window in closures:
        if window.method not in FIXED_BY or window.closed_at is None:
            continue
        for clock in ExposureClock:
            if (start := _started(window, clock)) is not None:
                key = (str(window.severity), str(window.tool or window.method), str(clock))
                taken.setdefault(key, []).append(max(0.0, (window.closed_at - start).total_seconds()))
    family = HistogramMetricFamily(
        "patchwave_time_to_patch_seconds",
        "From the start of an exposure window, by three clocks, to the check that showed the fix in force.",
        labels=["severity", "tool", "clock"],
    )
    for key, seconds in sorted(taken.items()):
        buckets = [(f"{le:.1f}", float(sum(s <= le for s in seconds))) for le in TIME_TO_PATCH_BUCKETS]
        family.add_metric(list(key), buckets=[*buckets, ("+Inf", float(len(seconds)))], sum_value=sum(seconds))
    return family


def _reboots_avoided(closures: Sequence[Window]) -> Metric:
    boots = {(window.host_id, window.boot_id) for window in closures if window.method is ClosedBy.LIVE_PATCH}
    family = CounterMetricFamily(
        "patchwave_reboots_avoided", "Boots of a host in which a live patch closed an exposure window."
    )
    family.add_metric([], len(boots))
    return family


def _exposures(exposures: Sequence[Exposure]) -> Metric:
    counted = Counter((one.severity, one.state, one.remedy) for one in exposures)
    family = GaugeMetricFamily(
        "patchwave_exposures",
        "Pairs of host and CVE, by severity, state and what would close them.",
        labels=["severity", "state", "remedy"],
    )
    for key, count in sorted(counted.items()):
        family.add_metric(list(key), count)
    return family


def _oldest(exposures: Sequence[Exposure], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_exposure_oldest_seconds",
        "Age of the oldest open exposure window since it was detected; 0 with none open.",
        labels=["severity"],
    )
    for severity in Severity:
        ages = [
            (now - one.windows[-1].detected_at).total_seconds()
            for one in exposures
            if one.severity is severity and one.windows and one.windows[-1].closed_at is None
        ]
        family.add_metric([severity], max(ages, default=0.0))
    return family


def _host_state(record: HostRecord, checks: Mapping[str, CheckRecord]) -> str:
    if record.quarantined_at is not None:
        return "quarantined"
    check = checks.get(record.id)
    if check is None:
        return "never_checked"
    return "reachable" if check.observation is not None else "unreachable"


def _hosts(records: Sequence[HostRecord], checks: Mapping[str, CheckRecord]) -> Metric:
    counted = Counter(_host_state(record, checks) for record in records)
    family = GaugeMetricFamily("patchwave_hosts", "Listed hosts by the state of their last check.", labels=["state"])
    for state in ("reachable", "unreachable", "never_checked", "quarantined"):
        family.add_metric([state], counted[state])
    return family


def _overdue(records: Sequence[HostRecord], latest: Mapping[str, Sighting], now: datetime) -> Metric:
    late = [record for record in records if record.id not in latest or now > latest[record.id].expected_by]
    family = GaugeMetricFamily("patchwave_hosts_overdue", "Listed hosts that no check saw in time.")
    family.add_metric([], len(late))
    return family


def _live_patches(sightings: Sequence[Sighting]) -> Metric:
    counted = Counter((patch.tool, patch.state) for sighting in sightings for patch in sighting.facts.live_patches)
    family = GaugeMetricFamily(
        "patchwave_live_patches",
        "Live patches in memory of hosts seen in time, by tool and state.",
        labels=["tool", "state"],
    )
    for key, count in sorted(counted.items()):
        family.add_metric(list(key), count)
    return family


def _stalled(sightings: Sequence[Sighting]) -> Metric:
    patches = [patch for sighting in sightings for patch in sighting.facts.live_patches]
    family = GaugeMetricFamily(
        "patchwave_transitions_stalled", "Transitions that blocking tasks keep from ending, on hosts seen in time."
    )
    family.add_metric([], sum(patch.state is PatchState.STALLED for patch in patches))
    return family


COVERAGE_DAYS = (7, 14, 30)


def _coverage_expiring(sightings: Sequence[Sighting], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_coverage_expiring_hosts",
        "Hosts seen in time whose running kernel gets no live patches after so many days, or now already.",
        labels=["within"],
    )
    ends = [end for sighting in sightings if (end := _covered_until(sighting)) is not None]
    for days in COVERAGE_DAYS:
        last = (now + timedelta(days=days)).date()
        family.add_metric([f"{days}d"], sum(end <= last for end in ends))
    return family


def _covered_until(sighting: Sighting) -> date | None:
    """By the tool that lasts longest."""
    deep = [tool.deep for tool in sighting.facts.tools if tool.deep is not None]
    return max((found.coverage_until for found in deep if found.coverage_until is not None), default=None)


def _oldest_check(sightings: Sequence[Sighting]) -> Iterator[Metric]:
    if sightings:
        yield GaugeMetricFamily(
            "patchwave_oldest_check_timestamp_seconds",
            "When the host that was seen longest ago was last seen.",
            value=min(sighting.last_seen.timestamp() for sighting in sightings),
        )


def _rollouts(states: Iterable[str]) -> Metric:
    family = GaugeMetricFamily("patchwave_rollouts", "Rollouts by state.", labels=["state"])
    for state, count in sorted(Counter(states).items()):
        family.add_metric([state], count)
    return family


class _EndedAttempts:
    """How many attempts of each rollout ended, by outcome and tool: counted again only once the rollout moved, because
    every outcome is a commit of its rollout. Ended rollouts, which are nearly all, are read once per process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: dict[str, tuple[int, Counter[tuple[str, str]]]] = {}

    def counted(self, head: RolloutHead) -> Counter[tuple[str, str]]:
        """By outcome and tool."""
        known = self._counted.get(head.id)
        if known is None or known[0] != head.version:
            # A rollout that moves while it is counted has another version at the next scrape: it is counted again.
            known = self._counted[head.id] = (head.version, self._count(head.id))
        return known[1]

    def _count(self, rollout_id: str) -> Counter[tuple[str, str]]:
        ended = self._store.attempts.outcomes(rollout_id)
        if not ended:
            return Counter()
        hosts = {attempt.id: attempt.host_id for attempt in self._store.attempts.of_rollout(rollout_id)}
        tools = {host["host_id"]: host["backend"] for host in self._store.rollouts.load(rollout_id).plan["hosts"]}
        return Counter((outcome.code.value, tools[hosts[key]]) for key, outcome in ended.items())


def _rollout_hosts(ended: Iterable[Counter[tuple[str, str]]]) -> Metric:
    family = CounterMetricFamily(
        "patchwave_rollout_hosts", "Attempts on hosts that ended, by outcome and tool.", labels=["outcome", "tool"]
    )
    counted = sum(ended, Counter[tuple[str, str]]())
    for (code, tool), count in sorted(counted.items()):
        family.add_metric([code, tool], count)
    return family


def _exposed_per_host(records: Sequence[HostRecord], exposures: Sequence[Exposure]) -> Metric:
    counted = Counter(one.host_id for one in exposures if one.state is ExposureState.EXPOSED)
    family = GaugeMetricFamily("patchwave_host_exposed", "CVEs that a host is exposed to.", labels=["host"])
    for record in records:
        family.add_metric([record.name], counted[record.id])
    return family
