"""Read rollouts, without touching any host: as JSON, as they go on, and what a rollback would reopen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.catalogue import in_force
from orchestrator.core.plans import Plan
from orchestrator.core.rollout import rollout_view
from orchestrator.core.rollout_state import RolloutState
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import RolloutRow, Store
from orchestrator.services.order_rollout import REQUESTS, WAITS_FOR_OPERATOR

Json = dict[str, Any]
FOLLOW_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class ReadRollouts:
    """Everything here is read-only."""

    store: Store
    clock: Clock

    def all(self) -> list[Json]:
        """All rollouts, newest first."""
        return [_view(row) for row in self.store.rollouts.all()]

    def one(self, rollout_id: str) -> Json:
        """One by id. Raises `NotFound`."""
        return _view(self.store.rollouts.load(rollout_id))

    def undriven(self) -> tuple[str, ...]:
        """Rollouts that want an engine and have none: begun or ordered about, and under no live lease; oldest first."""
        now = self.clock.now()
        wanting = [row for row in self.store.rollouts.all() if self._wants_engine(row)]
        leases = {row.id: self.store.leases.current(row.id) for row in wanting}
        free = [row.id for row in wanting if (lease := leases[row.id]) is None or lease.expires_at <= now]
        return tuple(sorted(free))

    def _wants_engine(self, row: RolloutRow) -> bool:
        if self.store.notes.items(REQUESTS.format(row.id)):
            return True
        return not _state(row).is_final and row.state_name not in WAITS_FOR_OPERATOR

    def follow(self, rollout_id: str, watch: Callable[[RolloutState], None]) -> RolloutState:
        """Look at it again and again until it is final; the final state."""
        while True:
            state = _state(self.store.rollouts.load(rollout_id))
            watch(state)
            if state.is_final:
                return state
            self.clock.sleep(FOLLOW_SECONDS)

    def reopening(self, rollout_id: str) -> Mapping[str, tuple[str, ...]]:
        """By host name, the CVEs that only this rollout's patch covers there: they reopen if it is taken out."""
        row = self.store.rollouts.load(rollout_id)
        plan, state = Plan.model_validate(row.plan), _state(row)
        carriers = [host for host in plan.hosts if state.hosts[host.host_id].may_carry]
        latest = self.store.sightings.latest([host.host_id for host in carriers])
        patches = self.store.catalogue.history().patches
        found: dict[str, tuple[str, ...]] = {}
        for host in carriers:
            forced = in_force(latest[host.host_id].facts, patches) if host.host_id in latest else ()
            ours = {fix.cve for one in forced if one.patch.id == plan.patch_id for fix in one.patch.fixes}
            others = {fix.cve for one in forced if one.patch.id != plan.patch_id for fix in one.patch.fixes}
            if ours - others:
                found[host.name] = tuple(sorted(ours - others))
        return found


def _state(row: RolloutRow) -> RolloutState:
    return RolloutState.model_validate(row.state)


def _view(row: RolloutRow) -> Json:
    return rollout_view(row.id, row.playbook, _state(row)) | {"started_by": row.started_by}
