"""Planning from what the store knows: who is one machine with whom, also outside of the targets."""

from orchestrator.core.facts import Facts, Virtualization
from orchestrator.core.plans import LeftOutReason
from orchestrator.core.rollout import decide, start
from orchestrator.core.rollout_events import Tick
from orchestrator.services.plan_rollout import PlanRollout
from tests.core.exposure_builders import LAB_1, facts
from tests.core.rollout_world import playbook
from tests.services.fleets import Checked


def left_out(fleet: Checked, target: str) -> list[tuple[str, LeftOutReason, str]]:
    """Who of these targets is left out as what, once they were checked."""
    fleet.store.catalogue.add(LAB_1)
    fleet.check_hosts(fleet.members)
    book = playbook(targets={"hosts": target}, apply={"patch": LAB_1.id})
    made = PlanRollout(store=fleet.store, clock=fleet.clock)(book, fleet.fleet)
    return [(one.name, one.reason, one.detail) for one in made.left_out]


def seen(boot_id: str, **more: object) -> Facts:
    """Facts of one boot."""
    return facts().model_copy(update={"boot_id": boot_id, **more})


def test_a_second_name_is_refused_without_the_first_among_the_targets() -> None:
    """Or a limit to the second name would patch a machine that its first name keeps out."""
    fleet = Checked("first", "second")
    fleet.eyes.shows = {"first": seen("b1"), "second": seen("b1")}
    assert [("second", LeftOutReason.DUPLICATE, "of first")] == left_out(fleet, "second")


def test_the_first_name_is_a_candidate_like_any_other() -> None:
    """Whatever else keeps it out, it is no duplicate."""
    fleet = Checked("first", "second")
    fleet.eyes.shows = {"first": seen("b1"), "second": seen("b1")}
    assert LeftOutReason.DUPLICATE not in [reason for _, reason, _ in left_out(fleet, "first")]


def test_a_container_does_not_make_its_machine_a_second_name() -> None:
    """It has the boot id of the machine that it runs on."""
    fleet = Checked("app", "machine")
    fleet.eyes.shows = {"app": seen("b1", virtualization=Virtualization.CONTAINER), "machine": seen("b1")}
    assert LeftOutReason.DUPLICATE not in [reason for _, reason, _ in left_out(fleet, "machine")]


def test_who_was_never_reached_holds_a_slot_of_the_budget() -> None:
    """And the rollout of a plan that has nobody else does not end as if all were well."""
    fleet = Checked("gone")
    fleet.store.catalogue.add(LAB_1)
    fleet.check_hosts(fleet.members)
    made = PlanRollout(store=fleet.store, clock=fleet.clock)(playbook(apply={"patch": LAB_1.id}), fleet.fleet)

    ended = decide(start(made, fleet.clock.now()), Tick(), fleet.clock.now())

    assert (0, 1, "failed", ()) == (made.budget_total, made.budget_held, ended.state.status, ended.effects)
