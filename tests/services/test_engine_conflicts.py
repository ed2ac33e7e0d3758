"""What an engine makes of a commit that its store refuses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from orchestrator.core.attempts import Attempt
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.errors import Conflict
from orchestrator.ports.store import Store
from tests.core.rollout_world import planned
from tests.fakes.dispatchers import HeldDispatcher
from tests.fakes.rollouts import FakeAttempts
from tests.fakes.store import FakeStore
from tests.services.engine_world import Life, World

FAST: dict[str, Any] = {"soak": "1s", "strategy": {"waves": ["50%", "100%"]}}


class _OneLookBehind(FakeAttempts):
    """Locks as they were a moment ago, the first time they are asked for."""

    def __init__(self, real: FakeAttempts) -> None:
        super().__init__()
        self.attempts, self.ended, self._real, self.looks = real.attempts, real.ended, real, 0

    def locked_hosts(self) -> Mapping[str, Attempt]:
        self.looks += 1
        return {} if self.looks == 1 else self._real.locked_hosts()


def test_a_lock_that_is_taken_between_the_look_and_the_commit_makes_the_host_wait() -> None:
    """The refused commit is decided again with what the locks are now: the host is queued, and its turn comes."""
    plan = planned(1, **FAST)
    world = World(plan, plan)
    other = world.engine(Life(), held := HeldDispatcher())
    seen: list[str] = []

    def meanwhile() -> bool:
        if len(held) and not seen:
            behind = _OneLookBehind(world.store.attempts)
            store = _WithAttempts(world.store, behind)
            replace(world.engine(), store=cast("Store", store))(world.rollout, stop=lambda: True)
            seen.append(f"{behind.looks} looks: {world.hosts()['h00']}")
        held.run_all()
        return False

    other(world.others[0], stop=meanwhile)
    world.clock.advance(20)

    assert RolloutStatus.SUCCEEDED is world.drive().status
    assert ["2 looks: queued"] == seen


class _WithAttempts:
    """A store but for its attempts."""

    def __init__(self, store: FakeStore, attempts: FakeAttempts) -> None:
        self._store, self.attempts = store, attempts

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_an_intent_given_twice_ends_the_engine_with_the_stores_own_words() -> None:
    """No host's lock moved, so nothing is decided again: the mistake is told as what it is."""
    world = World(planned(2, **FAST))
    engine = replace(world.engine(), new_id=lambda: "always-the-same")

    with pytest.raises(Conflict, match="always-the-same is committed already"):
        engine(world.rollout)

    assert ["h00"] == world.intents()
