"""Metrics of rollouts and what became of their attempts."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from orchestrator.ports.store import RolloutHead, Store


def by_state(states: Iterable[str]) -> Metric:
    family = GaugeMetricFamily("patchwave_rollouts", "Rollouts by state.", labels=["state"])
    for state, count in sorted(Counter(states).items()):
        family.add_metric([state], count)
    return family


class EndedAttempts:
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


def ended_hosts(ended: Iterable[Counter[tuple[str, str]]]) -> Metric:
    family = CounterMetricFamily(
        "patchwave_rollout_hosts", "Attempts on hosts that ended, by outcome and tool.", labels=["outcome", "tool"]
    )
    counted = sum(ended, Counter[tuple[str, str]]())
    for (code, tool), count in sorted(counted.items()):
        family.add_metric([code, tool], count)
    return family
