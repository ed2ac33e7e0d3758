"""Metrics of where hosts stand with CVEs now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.exposure_tally import ExposureTally
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.patches import Severity
from orchestrator.core.sla import breaches
from orchestrator.core.standings import Standing
from orchestrator.ports.store import Store


def by_state(tallies: Sequence[ExposureTally]) -> Metric:
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


def oldest(tallies: Sequence[ExposureTally], now: datetime) -> Metric:
    family = GaugeMetricFamily(
        "patchwave_exposure_oldest_seconds",
        "Age of the oldest open exposure window since it was detected; 0 with none open.",
        labels=["severity"],
    )
    for severity in Severity:
        opened = [one.oldest for one in tallies if one.severity is severity and one.oldest is not None]
        family.add_metric([severity], (now - min(opened, default=now)).total_seconds())
    return family


def sla_breaches(store: Store, now: datetime) -> Metric:
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


def per_host(hosts: Sequence[HostGlance], counted: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily("patchwave_host_exposed", "CVEs that a host is exposed to.", labels=["host"])
    for host in hosts:
        family.add_metric([host.name], counted.get(host.host_id, 0))
    return family
