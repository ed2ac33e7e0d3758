"""What every store does with rollouts, attempts, host locks and leases."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.errors import Conflict, HostBeingChanged, LeaseHeld, NotFound, StaleState
from orchestrator.ports.store import RolloutHead, Store
from tests.adapters.store.samples import HOUR, T0, attempt, host, outcome, rollout, started, step

LATER = T0 + timedelta(seconds=61)


def test_rollouts_come_back_as_they_were_newest_first(store: Store) -> None:
    """Every field survives; an unknown one is not found; an id is taken once."""
    store.rollouts.create(rollout("R1"))
    store.rollouts.create(rollout("R2", created_at=T0 + HOUR))
    assert (head("R2", created_at=T0 + HOUR), head("R1")) == store.rollouts.heads()
    assert rollout("R1") == store.rollouts.load("R1")
    with pytest.raises(NotFound, match="R9"):
        store.rollouts.load("R9")
    with pytest.raises(Conflict, match="R1"):
        store.rollouts.create(rollout("R1"))


def head(rollout_id: str, **changes: Any) -> RolloutHead:
    """What is listed of that rollout."""
    return RolloutHead.model_validate(rollout(rollout_id, **changes).model_dump(exclude={"plan", "state"}))


def test_rollouts_are_listed_by_their_state(store: Store) -> None:
    """As it is since the last commit."""
    for number, name in enumerate(("planned", "running", "succeeded")):
        store.rollouts.create(rollout(f"R{number}", state_name=name))
    assert ["R1", "R0"] == [one.id for one in store.rollouts.heads({RolloutStatus.PLANNED, "running", "paused"})]
    assert () == store.rollouts.heads(set())
    lease = store.leases.acquire("R0", "engine", T0, 60)
    moved = store.rollouts.load("R0").model_copy(update={"state_name": "succeeded"})
    store.rollouts.commit(row=moved, lease=lease, events=[], intents=(), outcomes=())
    assert [("R2", 0), ("R0", 1)] == [(one.id, one.version) for one in store.rollouts.heads({"succeeded"})]


def test_a_commit_moves_state_journal_and_attempts_together(store: Store) -> None:
    """The version grows by one, events are appended in order, an intent takes its host's lock."""
    lease = started(store)
    moved = rollout(state={"wave": 1}, state_name="running", updated_at=T0 + HOUR)
    store.rollouts.commit(row=moved, lease=lease, events=[{"n": 1}, {"n": 2}], intents=[attempt()], outcomes=[])
    store.rollouts.commit(row=store.rollouts.load("R1"), lease=lease, events=[{"n": 3}], intents=[], outcomes=[])
    assert moved.model_copy(update={"version": 2}) == store.rollouts.load("R1")
    assert ({"n": 1}, {"n": 2}, {"n": 3}) == store.rollouts.events("R1")
    assert {"id-web1": attempt()} == store.attempts.locked_hosts()


def test_a_plan_stays_as_it_was_frozen(store: Store) -> None:
    """A commit changes state, its name and the time, and nothing else of the rollout."""
    lease = started(store)
    row = rollout(plan={"waves": []}, playbook="another", started_by="another")
    store.rollouts.commit(row=row, lease=lease, events=[], intents=[], outcomes=[])
    assert rollout(version=1) == store.rollouts.load("R1")


def test_an_outcome_frees_the_host(store: Store) -> None:
    """It closes the attempt; what it says is kept."""
    lease = started(store)
    step(store, lease, intents=(attempt("A1", "web1"), attempt("A2", "web2", intent_at=T0 + HOUR)))
    assert (attempt("A1", "web1"), attempt("A2", "web2", intent_at=T0 + HOUR)) == store.attempts.open()
    told = outcome("A1", code=OutcomeCode.FAILED, error_code="wrong_build", detail="no build fits", output="…\n")
    step(store, lease, outcomes=(told,))
    assert (attempt("A2", "web2", intent_at=T0 + HOUR),) == store.attempts.open("R1")
    assert ["id-web2"] == list(store.attempts.locked_hosts())
    assert {"A1": told} == store.attempts.outcomes("R1")
    assert ["A1", "A2"] == [found.id for found in store.attempts.of_rollout("R1")]


def test_attempts_since_a_moment_are_those_that_were_open_then_or_later(store: Store) -> None:
    """On these hosts alone, oldest first; one that ended at that very moment is among them."""
    lease = started(store)
    step(store, lease, intents=(attempt("A1", "web1"), attempt("A2", "web2")))
    ended = outcome("A1", finished_at=T0 + HOUR)
    step(store, lease, outcomes=(ended, outcome("A2", finished_at=T0 + HOUR)))
    again = attempt("A3", "web1", intent_at=T0 + 2 * HOUR)
    step(store, lease, intents=(again,))
    first, second = (attempt("A1", "web1"), ended), (again, None)

    assert (first, second) == store.attempts.since(T0 + HOUR, ["id-web1"])
    assert (second,) == store.attempts.since(T0 + HOUR + timedelta(microseconds=1), ["id-web1", "id-web2", "id-ghost"])
    assert () == store.attempts.since(T0, [])


def test_a_host_that_is_being_changed_is_refused_to_others(store: Store) -> None:
    """Across rollouts; the error names host, attempt and rollout, and nothing of the step is written."""
    one, two = started(store, "R1"), started(store, "R2")
    step(store, one, intents=(attempt("A1", "web1"),))
    with pytest.raises(HostBeingChanged, match=r"web1.*A1"):
        step(store, two, intents=(attempt("B2", "web2", rollout_id="R2"), attempt("B1", "web1", rollout_id="R2")))
    assert 0 == store.rollouts.load("R2").version
    assert () == store.attempts.of_rollout("R2")
    step(store, one, outcomes=(outcome("A1"),))
    step(store, two, intents=(attempt("B1", "web1", rollout_id="R2"),))
    assert "B1" == store.attempts.locked_hosts()["id-web1"].id


def test_one_step_may_not_change_a_host_twice(store: Store) -> None:
    """Two intents for one host in one commit are the engine's mistake: no lock that somebody else holds."""
    lease = started(store)
    with pytest.raises(Conflict, match="web1") as raised:
        step(store, lease, intents=(attempt("A1"), attempt("A2")))
    assert Conflict is raised.type
    assert {} == store.attempts.locked_hosts()


def test_one_step_may_end_an_attempt_and_begin_the_next(store: Store) -> None:
    """The host's lock goes from one to the other: nobody gets in between."""
    lease = started(store)
    step(store, lease, intents=(attempt("A1"),))
    revert = attempt("A2", action=Action.REVERT)
    step(store, lease, intents=(revert,), outcomes=(outcome("A1", code=OutcomeCode.FAILED),))
    assert {"id-web1": revert} == store.attempts.locked_hosts()


def test_an_attempt_that_begins_and_ends_in_one_step_takes_no_lock(store: Store) -> None:
    """Refused before anything was sent: recorded, also while somebody else changes the host."""
    one, two = started(store, "R1"), started(store, "R2")
    step(store, one, intents=(attempt("A1"),))
    refused = outcome("B1", code=OutcomeCode.REFUSED)
    step(store, two, intents=(attempt("B1", rollout_id="R2"),), outcomes=(refused,))
    assert {"B1": refused} == store.attempts.outcomes("R2")
    assert "A1" == store.attempts.locked_hosts()["id-web1"].id


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"outcomes": (outcome("A9"),)}, NotFound),
        ({"outcomes": (outcome("B1"),)}, NotFound),
        ({"outcomes": (outcome("A0"),)}, Conflict),
        ({"intents": (attempt("A0", "web2"),)}, Conflict),
        ({"intents": (attempt("A1", "web2", rollout_id="R2"),)}, Conflict),
        ({"intents": (attempt("A1", "ghost"),)}, NotFound),
    ],
    ids=["unknown attempt", "other rollout's attempt", "ended twice", "begun twice", "other rollout", "unknown host"],
)
def test_what_does_not_fit_is_refused_whole(store: Store, changes: dict[str, Any], error: type[Exception]) -> None:
    """An outcome needs an open attempt of this rollout; an intent is committed once, for a registered host."""
    lease, other = started(store, "R1"), started(store, "R2")
    step(store, lease, intents=(attempt("A0"),), outcomes=(outcome("A0"),))
    step(store, other, intents=(attempt("B1", rollout_id="R2"),))
    with pytest.raises(error):
        step(store, lease, **changes)
    assert 1 == store.rollouts.load("R1").version
    assert ["B1"] == [found.id for found in store.attempts.open()]


def test_a_step_decided_on_an_older_version_is_refused(store: Store) -> None:
    """Nothing is written then."""
    lease = started(store)
    seen = store.rollouts.load("R1")
    step(store, lease)
    with pytest.raises(StaleState, match="version 0"):
        store.rollouts.commit(row=seen, lease=lease, events=[{"n": 1}], intents=[attempt()], outcomes=[])
    assert () == store.rollouts.events("R1")
    assert {} == store.attempts.locked_hosts()


def test_a_step_of_an_unknown_rollout_is_not_found(store: Store) -> None:
    """A lease alone makes no rollout."""
    lease = store.leases.acquire("R1", "engine", T0, 60)
    with pytest.raises(NotFound, match="R1"):
        store.rollouts.commit(row=rollout(), lease=lease, events=[], intents=[], outcomes=[])


def test_a_fenced_off_engine_writes_nothing(store: Store) -> None:
    """Its lease was taken over, given up, or is one on another rollout."""
    old = started(store)
    new = store.leases.acquire("R1", "engine-2", LATER, 60)
    with pytest.raises(StaleState, match="engine-2"):
        step(store, old, intents=(attempt(),))
    step(store, new)
    store.leases.release(new)
    with pytest.raises(StaleState):
        step(store, new)
    other = started(store, "R2")
    with pytest.raises(StaleState, match="R2"):
        store.rollouts.commit(row=store.rollouts.load("R1"), lease=other, events=[], intents=[], outcomes=[])
    assert 1 == store.rollouts.load("R1").version


def test_a_live_lease_is_its_holder_s(store: Store) -> None:
    """Another engine is refused by name; the holder itself renews, with the same token."""
    lease = store.leases.acquire("R1", "one", T0, 60)
    with pytest.raises(LeaseHeld, match="one"):
        store.leases.acquire("R1", "two", T0 + timedelta(seconds=59), 60)
    again = store.leases.acquire("R1", "one", T0 + timedelta(seconds=30), 60)
    assert lease.model_copy(update={"expires_at": T0 + timedelta(seconds=90)}) == again
    assert again == store.leases.current("R1")


def test_an_expired_lease_is_taken_over_with_a_higher_token(store: Store) -> None:
    """Its former holder can neither renew it nor give it up."""
    old = store.leases.acquire("R1", "one", T0, 60)
    new = store.leases.acquire("R1", "two", T0 + timedelta(seconds=60), 60)
    assert new.token > old.token
    with pytest.raises(StaleState, match="one"):
        store.leases.renew(old, LATER, 60)
    store.leases.release(old)
    assert new == store.leases.current("R1")


def test_an_expired_lease_that_nobody_took_can_be_renewed(store: Store) -> None:
    """An engine that was slow for a moment goes on."""
    lease = store.leases.acquire("R1", "one", T0, 60)
    renewed = store.leases.renew(lease, LATER, 60)
    assert lease.model_copy(update={"expires_at": LATER + timedelta(seconds=60)}) == renewed
    assert renewed == store.leases.current("R1")


def test_a_lease_that_was_given_up_is_free_and_its_token_stays_used(store: Store) -> None:
    """The next holder, even the same one, gets a higher token at once."""
    first = store.leases.acquire("R1", "one", T0, 60)
    store.leases.release(first)
    assert store.leases.current("R1") is None
    with pytest.raises(StaleState):
        store.leases.renew(first, T0, 60)
    second = store.leases.acquire("R1", "one", T0, 60)
    assert second.token > first.token


def test_an_unknown_lease_is_nobody_s(store: Store) -> None:
    """Nothing is stored under that id."""
    store.hosts.save([host()])
    assert store.leases.current("R1") is None
