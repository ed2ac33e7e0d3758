"""Read rollouts, without touching any host: as JSON, as they go on, and what a rollback would reopen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.catalogue import in_force
from orchestrator.core.facts import PatchState
from orchestrator.core.plans import Plan, PlannedHost
from orchestrator.core.reopening import reopening
from orchestrator.core.rollout import rollout_view
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import FINAL_ROLLOUT, RolloutStatus
from orchestrator.core.sightings import Sighting
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import RolloutRow, Store
from orchestrator.services.order_rollout import WAITS_FOR_OPERATOR, ordered_about
from orchestrator.services.read_fleet import ROLLING_BACK

Json = dict[str, Any]
FOLLOW_SECONDS = 0.5
WANTS_ENGINE = frozenset(RolloutStatus) - FINAL_ROLLOUT - WAITS_FOR_OPERATOR
"""In these states there is something for an engine to do, without any order."""


@dataclass(frozen=True, kw_only=True)
class ReadRollouts:
    """Everything here is read-only."""

    store: Store
    clock: Clock

    def all(self, state_name: str | None = None) -> list[Json]:
        """All rollouts, or those in that state, newest first."""
        heads = self.store.rollouts.heads(None if state_name is None else {state_name})
        return [self.one(head.id) for head in heads]

    def one(self, rollout_id: str) -> Json:
        """One by id. Raises `NotFound`."""
        return _view(self.store.rollouts.load(rollout_id))

    def undriven(self) -> tuple[str, ...]:
        """Rollouts that want an engine and have none: begun or ordered about, and under no live lease; oldest first."""
        now = self.clock.now()
        wanting = ordered_about(self.store).union(head.id for head in self.store.rollouts.heads(WANTS_ENGINE))
        leases = {key: self.store.leases.current(key) for key in sorted(wanting)}
        return tuple(key for key, lease in leases.items() if lease is None or lease.expires_at <= now)

    def follow(self, rollout_id: str, watch: Callable[[RolloutState], None]) -> RolloutState:
        """Look at it again and again until it is final or waits for an operator; the state in which it rests."""
        while True:
            state = _state(self.store.rollouts.load(rollout_id))
            watch(state)
            if state.is_final or state.status in WAITS_FOR_OPERATOR:
                return state
            self.clock.sleep(FOLLOW_SECONDS)

    def has_living_engine(self, rollout_id: str) -> bool:
        """Whether whoever holds its lease is alive: True once it is renewed, False once it has run out or was given up.
        Takes as long as that takes, which is the length of a lease at most."""
        first = self.store.leases.current(rollout_id)
        while first is not None and self.clock.now() < first.expires_at:
            self.clock.sleep(FOLLOW_SECONDS)
            lease = self.store.leases.current(rollout_id)
            if lease is None:
                return False
            if (lease.token, lease.expires_at) != (first.token, first.expires_at):
                return True
        return False

    def reopening(self, rollout_id: str) -> tuple[tuple[str, str], ...]:
        """(host name, CVE) that only this rollout's patch covers: those windows reopen if it is taken out. Of what
        hosts' own tools brought: what they say that it fixes, where they can take it out."""
        plan, carriers = self._carriers(rollout_id)
        patches = self.store.catalogue.history().patches
        patch = next((patch for patch in patches if patch.id == plan.patch_id), None)
        latest = self.store.sightings.latest([host.host_id for host in carriers])
        if patch is None:
            return _told_by_tools(carriers, latest)
        seen = [(host.name, latest[host.host_id].facts) for host in carriers if host.host_id in latest]
        return reopening({name: [one.patch for one in in_force(facts, patches)] for name, facts in seen}, patch)

    def staying(self, rollout_id: str) -> tuple[tuple[str, str], ...]:
        """(host name, tool) that a rollback could not take the patch out of without a reboot."""
        _, carriers = self._carriers(rollout_id)
        return tuple((host.name, host.backend) for host in carriers if host.backend not in ROLLING_BACK)

    def _carriers(self, rollout_id: str) -> tuple[Plan, list[PlannedHost]]:
        row = self.store.rollouts.load(rollout_id)
        plan, state = Plan.model_validate(row.plan), _state(row)
        return plan, [host for host in plan.hosts if state.hosts[host.host_id].may_carry]


def _told_by_tools(carriers: Sequence[PlannedHost], latest: Mapping[str, Sighting]) -> tuple[tuple[str, str], ...]:
    found = {
        (host.name, cve)
        for host in carriers
        if host.host_id in latest and host.backend in ROLLING_BACK
        for patch in latest[host.host_id].facts.live_patches
        if patch.tool == host.backend and patch.state is PatchState.APPLIED
        for cve in patch.cves
    }
    return tuple(sorted(found))


def _state(row: RolloutRow) -> RolloutState:
    return RolloutState.model_validate(row.state)


def _view(row: RolloutRow) -> Json:
    return rollout_view(row.id, row.playbook, _state(row)) | {"started_by": row.started_by}
