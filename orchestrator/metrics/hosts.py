"""Metrics of hosts, as their last checks showed them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.core.facts import PatchState
from orchestrator.core.host_glance import HostGlance

COVERAGE_DAYS = (7, 14, 30)


def _host_state(host: HostGlance) -> str:
    if host.is_quarantined:
        return "quarantined"
    if host.is_reachable is None:
        return "never_checked"
    return "reachable" if host.is_reachable else "unreachable"


def by_state(hosts: Sequence[HostGlance]) -> Metric:
    counted = Counter(_host_state(host) for host in hosts)
    family = GaugeMetricFamily("patchwave_hosts", "Listed hosts by the state of their last check.", labels=["state"])
    for state in ("reachable", "unreachable", "never_checked", "quarantined"):
        family.add_metric([state], counted[state])
    return family


def overdue(hosts: Sequence[HostGlance], now: datetime) -> Metric:
    family = GaugeMetricFamily("patchwave_hosts_overdue", "Listed hosts that no check saw in time.")
    family.add_metric([], sum(host.is_overdue(now) for host in hosts))
    return family


def live_patches(hosts: Sequence[HostGlance]) -> Metric:
    counted = Counter(patch for host in hosts for patch in host.live_patches)
    family = GaugeMetricFamily(
        "patchwave_live_patches",
        "Live patches in memory of hosts seen in time, by tool and state.",
        labels=["tool", "state"],
    )
    for key, count in sorted(counted.items()):
        family.add_metric(list(key), count)
    return family


def stalled(hosts: Sequence[HostGlance]) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_transitions_stalled", "Transitions that blocking tasks keep from ending, on hosts seen in time."
    )
    family.add_metric([], sum(state is PatchState.STALLED for host in hosts for _tool, state in host.live_patches))
    return family


def coverage_expiring(hosts: Sequence[HostGlance], now: datetime) -> Metric:
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


def oldest_check(hosts: Sequence[HostGlance]) -> Iterator[Metric]:
    seen = [host.last_seen.timestamp() for host in hosts if host.last_seen is not None]
    if seen:
        yield GaugeMetricFamily(
            "patchwave_oldest_check_timestamp_seconds",
            "When the host that was seen longest ago was last seen.",
            value=min(seen),
        )
