"""The collector: every family, from one look at the store."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from orchestrator.core.advisories import FeedStatus
from orchestrator.core.sightings import CheckRecord
from orchestrator.metrics import exposures, hosts, rollouts
from orchestrator.metrics.closures import ClosedWindows
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store

CHECK_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


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
        self._ended, self._closed = rollouts.EndedAttempts(store), ClosedWindows(store)

    def describe(self) -> Iterable[Metric]:
        """Nothing: registration must not read the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, from one look at the store."""
        now, listed = self._clock.now(), self._store.hosts.glances()
        tallies = self._store.exposures.tallies(now)
        yield build_info()
        yield from self._closed.families()
        yield exposures.by_state(tallies)
        yield exposures.oldest(tallies, now)
        yield exposures.sla_breaches(self._store, now)
        yield hosts.by_state(listed)
        yield hosts.overdue(listed, now)
        # What a host had in memory weeks ago is not what it has now: `hosts.overdue` counts those.
        current = [host for host in listed if not host.is_overdue(now)]
        yield hosts.live_patches(current)
        yield hosts.stalled(current)
        yield hosts.coverage_expiring(current, now)
        yield from hosts.oldest_check(listed)
        yield feeds(self._store.feeds.statuses())
        heads = self._store.rollouts.heads()
        yield rollouts.by_state(head.state_name for head in heads)
        yield rollouts.ended_hosts(self._ended.counted(head) for head in heads)
        if self._per_host:
            yield exposures.per_host(listed, self._store.exposures.exposed_by_host(now))


def build_info() -> Metric:
    family = GaugeMetricFamily("patchwave_build_info", "Always 1; the version that runs.", labels=["version"])
    family.add_metric([version("patchwave")], 1)
    return family


def feeds(statuses: Iterable[FeedStatus]) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_feed_last_success_timestamp_seconds",
        "When a feed was last read whole, or had nothing newer; 0 where it never was.",
        labels=["feed"],
    )
    for status in statuses:
        family.add_metric([status.feed], status.succeeded_at.timestamp() if status.succeeded_at is not None else 0)
    return family
