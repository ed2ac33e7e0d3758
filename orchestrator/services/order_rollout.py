"""Orders to a rollout: create it, and leave events for whichever engine drives it."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.plans import Plan
from orchestrator.core.rollout import decide, start
from orchestrator.core.rollout_events import Event, Resume
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.errors import Conflict
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import RolloutRow, Store

REQUESTS = "request.{}."
"""Notes: events that somebody asked for, by rollout; their keys sort by time."""

_ALL_REQUESTS = "request."

WAITS_FOR_OPERATOR = frozenset({RolloutStatus.HELD, RolloutStatus.PAUSED})
"""Where an engine has nothing to do until somebody gives an order."""


@dataclass(frozen=True, kw_only=True)
class OrderRollout:
    """Writes to the store alone; an engine acts."""

    store: Store
    clock: Clock
    new_id: Callable[[], str]

    def create(self, plan: Plan, started_by: str) -> str:
        """Freeze a plan into a rollout; its id."""
        now = self.clock.now()
        state = start(plan, now)
        row = RolloutRow(
            id=self.new_id(),
            playbook=plan.playbook.name,
            state_name=state.status,
            plan=plan.model_dump(mode="json"),
            state=state.model_dump(mode="json"),
            version=0,
            created_at=now,
            updated_at=now,
            started_by=started_by,
        )
        self.store.rollouts.create(row)
        return row.id

    def resume(self, rollout_id: str, asked_by: str) -> None:
        """See that it can go on: lift a pause or a hold; one whose engine was killed needs nothing but another engine.

        Raises `Conflict` for one that is over.
        """
        row = self.store.rollouts.load(rollout_id)
        state = RolloutState.model_validate(row.state)
        if state.is_final and not self.store.notes.items(REQUESTS.format(row.id)):
            raise Conflict(f"rollout {row.id} is {state.status}: there is nothing to resume")
        if state.status in {*WAITS_FOR_OPERATOR, RolloutStatus.PAUSING}:
            self.ask(rollout_id, Resume(), asked_by)

    def ask(self, rollout_id: str, event: Event, asked_by: str) -> None:
        """Leave an event for the engine. Raises `NotFound` for a rollout that is not there, and `Conflict` for an
        order that does not fit its state now."""
        row = self.store.rollouts.load(rollout_id)
        decide(RolloutState.model_validate(row.state), event, self.clock.now())
        note = {"event": event.model_dump(mode="json"), "by": asked_by, "at": self.clock.now().isoformat()}
        self.store.notes.put(REQUESTS.format(row.id) + self.new_id(), note)


def ordered_about(store: Store) -> set[str]:
    """The ids of the rollouts that have an order which no engine took up yet."""
    return {key.split(".")[1] for key in store.notes.items(_ALL_REQUESTS)}
