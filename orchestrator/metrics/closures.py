"""Metrics of windows that closed: counted for all CVEs that closed together, never one by one."""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.mark_dates import CLOCKS, DatesKept, Instants
from orchestrator.core.percentiles import Batch
from orchestrator.core.standings import Closure
from orchestrator.ports.store import Store

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0
TIME_TO_PATCH_BUCKETS = (5 * MINUTE, HOUR, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 180 * DAY)
SLICE = 5_000
"""Closures that are in memory at a time. Hosts share their CVEs."""

_Key = tuple[str, str, ExposureClock]
"""Severity, tool, clock."""


class ClosedWindows:
    """Closures, added up once each: they are appended and never change, so a scrape reads on from the last one."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock, self._read = store, threading.Lock(), 0
        self._taken: dict[_Key, _Seconds] = {}
        self._spared: set[tuple[str, str | None]] = set()

    def families(self) -> tuple[Metric, ...]:
        """As of now."""
        with self._lock:
            dates = DatesKept()
            while closures := self._store.exposures.closures(self._read, SLICE):
                for closure in closures:
                    self._add(closure, dates)
                self._read += len(closures)
            return _time_to_patch(self._taken), _reboots_avoided(len(self._spared))

    def _add(self, closure: Closure, dates: DatesKept) -> None:
        span = closure.span
        if span.method is ClosedBy.LIVE_PATCH:
            self._spared.add((closure.host_id, span.boot_id))
        if span.method is None or not span.method.is_fix or span.closed_at is None:
            return
        spent = dates.of(closure.marks).spent(
            Instants.of(span, span.closed_at.timestamp()), is_reopened=span.is_reopened
        )
        for clock, batch in zip(CLOCKS, spent, strict=True):
            if batch.count:
                key = (span.severity.value, span.tool or span.method.value, clock)
                self._taken.setdefault(key, _Seconds()).add(batch)


class _Seconds:
    """A histogram of times to patch."""

    def __init__(self) -> None:
        self._sum, self._times = 0.0, [0.0] * (1 + len(TIME_TO_PATCH_BUCKETS))

    def add(self, batch: Batch) -> None:
        for seconds, times in zip(batch.pairs[::2], batch.pairs[1::2], strict=True):
            self._sum += times * seconds
            self._times[bisect_left(TIME_TO_PATCH_BUCKETS, seconds)] += times

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        names = [*(f"{most:.1f}" for most in TIME_TO_PATCH_BUCKETS), "+Inf"]
        buckets = list(zip(names, accumulate(self._times), strict=True))
        family.add_metric(list(labels), buckets=buckets, sum_value=self._sum)


def _time_to_patch(taken: Mapping[_Key, _Seconds]) -> Metric:
    family = HistogramMetricFamily(
        "patchwave_time_to_patch_seconds",
        "From the start of an exposure window, by three clocks, to the check that showed the fix in force,"
        " what was unknown left out.",
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
