"""Prometheus metrics. What must survive restarts and count once comes from the database, read at every scrape."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.advisories import FeedStatus
from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.exposure_tally import ExposureTally
from orchestrator.core.facts import PatchState
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import CheckRecord
from orchestrator.core.sla import breaches
from orchestrator.core.standings import Standing, closed_windows
from orchestrator.core.windows import Window
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import RolloutHead, Store

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
TIME_TO_PATCH_BUCKETS = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY)
CHECK_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SLICE = 500
"""Closures that are in memory at a time, each of many CVEs."""

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
        self._ended, self._closed = _EndedAttempts(store), _ClosedWindows(store)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, from one look at the store."""
        now, hosts = self._clock.now(), self._store.hosts.glances()
        tallies = self._store.exposures.tallies(now)
        yield _build_info()
        yield from self._closed.families()
        yield _exposures(tallies)
        yield _oldest(tallies, now)
        yield _sla_breaches(self._store, now)
        yield _hosts(hosts)
        yield _overdue(hosts, now)
        # What a host had in memory weeks ago is not what it has now: `_overdue` counts those.
        current = [host for host in hosts if not host.is_overdue(now)]
        yield _live_patches(current)
        yield _stalled(current)
        yield _coverage_expiring(current, now)
        yield from _oldest_check(hosts)
        yield _feeds(self._store.feeds.statuses())
        heads = self._store.rollouts.heads()
        yield _rollouts(head.state_name for head in heads)
        yield _rollout_hosts(self._ended.counted(head) for head in heads)
        if self._per_host:
            yield _exposed_per_host(hosts, self._store.exposures.exposed_by_host(now))


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


class _ClosedWindows:
    """Closures, added up once each: they are appended and never change, so a scrape reads on from the last one."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock, self._read = store, threading.Lock(), 0
        self._taken: dict[tuple[str, str, str], _Seconds] = {}
        self._spared: set[tuple[str, str | None]] = set()

    def families(self) -> tuple[Metric, ...]:
        """As of now."""
        with self._lock:
            while closures := self._store.exposures.closures(self._read, SLICE):
                for window in (window for closure in closures for window in closed_windows(closure)):
                    self._add(window)
                self._read += len(closures)
            return _time_to_patch(self._taken), _reboots_avoided(len(self._spared))

    def _add(self, window: Window) -> None:
        if window.method is ClosedBy.LIVE_PATCH:
            self._spared.add((window.host_id, window.boot_id))
        if window.method not in FIXED_BY or window.closed_at is None:
            return
        for clock in ExposureClock:
            if (start := _started(window, clock)) is not None:
                key = (str(window.severity), str(window.tool or window.method), str(clock))
                self._taken.setdefault(key, _Seconds()).add(max(0.0, (window.closed_at - start).total_seconds()))


class _Seconds:
    """A histogram of times to patch."""

    def __init__(self) -> None:
        self._count, self._sum, self._within = 0, 0.0, [0] * len(TIME_TO_PATCH_BUCKETS)

    def add(self, seconds: float) -> None:
        self._count, self._sum = self._count + 1, self._sum + seconds
        for bucket, most in enumerate(TIME_TO_PATCH_BUCKETS):
            self._within[bucket] += seconds <= most

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        within = zip(TIME_TO_PATCH_BUCKETS, self._within, strict=True)
        buckets = [*((f"{most:.1f}", float(count)) for most, count in within), ("+Inf", float(self._count))]
        family.add_metric(list(labels), buckets=buckets, sum_value=self._sum)


def _time_to_patch(taken: Mapping[tuple[str, str, str], _Seconds]) -> Metric:
    family = HistogramMetricFamily(
        "patchwave_time_to_patch_seconds",
        "From the start of an exposure window, by three clocks, to the check that showed the fix in force.",
        labels=["severity", "tool", "clock"],
    )
    for key in sorted(taken):
        taken[key].add_to(family, key)
    return family


def _reboots_avoided(boots: int) -> Metric:
    family = CounterMetricFamily(
        "patchwave_reboots_avoided", "Boots of a host in which a live patch closed an exposure window."
    )
    family.add_metric([], boots)
    return family


def _exposures(tallies: Sequence[ExposureTally]) -> Metric:
    counted = Counter[tuple[str, str, str]]()
    for one in tallies:
        counted[one.severity, one.state, one.remedy] += one.count
    family = GaugeMetricFamily(
        "patchwave_exposures",
        "Pairs of host and CVE, by severity, state and what would close them.",
        labels=["severity", "state", "remedy"],
    )
    for key, count in sorted(counted.items()):
        family.add_metric(list(key), count)
    return family


def _oldest(tallies: Sequence[ExposureTally], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_exposure_oldest_seconds",
        "Age of the oldest open exposure window since it was detected; 0 with none open.",
        labels=["severity"],
    )
    for severity in Severity:
        opened = [one.oldest for one in tallies if one.severity is severity and one.oldest is not None]
        family.add_metric([severity], (now - min(opened, default=now)).total_seconds())
    return family


def _sla_breaches(store: Store, now: datetime) -> Metric:
    """Counted in the database; only what somebody bears the risk of is looked at one by one."""
    risks = AcceptedRisks(one for one in store.acceptances.all() if one.holds(now))
    concerned = [standing for cve in sorted(risks.cves) for standing in _only(cve, store.exposures.with_cve(cve))]
    hosts = {one.id: one for one in store.hosts.some({one.host_id for one in concerned}) if not one.is_retired}
    borne = breaches(concerned, hosts, AcceptedRisks(), now) - breaches(concerned, hosts, risks, now)
    overdue = store.exposures.overdue(now)
    family = GaugeMetricFamily(
        "patchwave_sla_breaches", "Open exposure windows past their due date that nobody accepted.", labels=["severity"]
    )
    for severity in Severity:
        family.add_metric([severity], overdue.get(severity, 0) - borne[severity])
    return family


def _only(cve: str, standings: Iterable[Standing]) -> Iterator[Standing]:
    """Of each standing that one CVE."""
    for one in standings:
        yield one.model_copy(update={"marks": tuple(mark for mark in one.marks if mark.cve == cve)})


def _host_state(host: HostGlance) -> str:
    if host.is_quarantined:
        return "quarantined"
    if host.is_reachable is None:
        return "never_checked"
    return "reachable" if host.is_reachable else "unreachable"


def _hosts(hosts: Sequence[HostGlance]) -> Metric:
    counted = Counter(_host_state(host) for host in hosts)
    family = GaugeMetricFamily("patchwave_hosts", "Listed hosts by the state of their last check.", labels=["state"])
    for state in ("reachable", "unreachable", "never_checked", "quarantined"):
        family.add_metric([state], counted[state])
    return family


def _overdue(hosts: Sequence[HostGlance], now: datetime) -> Metric:
    family = GaugeMetricFamily("patchwave_hosts_overdue", "Listed hosts that no check saw in time.")
    family.add_metric([], sum(host.is_overdue(now) for host in hosts))
    return family


def _live_patches(hosts: Sequence[HostGlance]) -> Metric:
    counted = Counter(patch for host in hosts for patch in host.live_patches)
    family = GaugeMetricFamily(
        "patchwave_live_patches",
        "Live patches in memory of hosts seen in time, by tool and state.",
        labels=["tool", "state"],
    )
    for key, count in sorted(counted.items()):
        family.add_metric(list(key), count)
    return family


def _stalled(hosts: Sequence[HostGlance]) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_transitions_stalled", "Transitions that blocking tasks keep from ending, on hosts seen in time."
    )
    family.add_metric([], sum(state is PatchState.STALLED for host in hosts for _tool, state in host.live_patches))
    return family


COVERAGE_DAYS = (7, 14, 30)


def _coverage_expiring(hosts: Sequence[HostGlance], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_coverage_expiring_hosts",
        "Hosts seen in time whose running kernel gets no live patches after so many days, or now already.",
        labels=["within"],
    )
    ends = [host.covered_until for host in hosts if host.covered_until is not None]
    for days in COVERAGE_DAYS:
        last = (now + timedelta(days=days)).date()
        family.add_metric([f"{days}d"], sum(end <= last for end in ends))
    return family


def _oldest_check(hosts: Sequence[HostGlance]) -> Iterator[Metric]:
    seen = [host.last_seen.timestamp() for host in hosts if host.last_seen is not None]
    if seen:
        yield GaugeMetricFamily(
            "patchwave_oldest_check_timestamp_seconds",
            "When the host that was seen longest ago was last seen.",
            value=min(seen),
        )


def _feeds(statuses: Iterable[FeedStatus]) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_feed_last_success_timestamp_seconds",
        "When a feed was last read whole, or had nothing newer; 0 where it never was.",
        labels=["feed"],
    )
    for status in statuses:
        family.add_metric([status.feed], status.succeeded_at.timestamp() if status.succeeded_at is not None else 0)
    return family


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


def _exposed_per_host(hosts: Sequence[HostGlance], counted: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily("patchwave_host_exposed", "CVEs that a host is exposed to.", labels=["host"])
    for host in hosts:
        family.add_metric([host.name], counted.get(host.host_id, 0))
    return family
