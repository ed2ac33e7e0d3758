"""Planning from what the store knows: who is one machine with whom, also outside of the targets."""

import pytest

from orchestrator.core.facts import Deep, Facts, Tool, ToolState, Update, Virtualization
from orchestrator.core.offers import Offer
from orchestrator.core.plans import LeftOutReason, Plan
from orchestrator.core.rollout import decide, start
from orchestrator.core.rollout_events import Tick
from orchestrator.errors import PlaybookInvalid
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


OFFERING = Tool(
    name="ksplice",
    state=ToolState.READY,
    deep=Deep(updates=(Update(name="patchset", version="7", cves=("CVE-2099-0001",)),)),
)


def planned(fleet: Checked, **apply: object) -> Plan:
    """The plan of a playbook that applies this."""
    fleet.check_hosts(fleet.members)
    return PlanRollout(store=fleet.store, clock=fleet.clock)(playbook(apply=apply), fleet.fleet)


@pytest.mark.parametrize("tool", ["auto", "ksplice"])
def test_without_a_patch_each_host_gets_what_its_own_tool_offers(tool: str) -> None:
    """By what is ready there; who has no tool is left out by name."""
    fleet = Checked("ready", "bare")
    fleet.eyes.shows = {"ready": seen("b1", tools=(OFFERING,)), "bare": seen("b2")}

    made = planned(fleet, tool=tool)

    assert [("ready", "ksplice", "7", None)] == [
        (host.name, host.backend, host.payload.level, made.patch_id)
        for host in made.hosts
        if isinstance(host.payload, Offer)
    ]
    assert [("bare", LeftOutReason.NO_TOOL)] == [(one.name, one.reason) for one in made.left_out]


@pytest.mark.parametrize(
    ("apply", "field"),
    [
        ({"tool": "klp"}, "apply.patch"),
        ({"tool": "ksplice", "patch": "LAB-0001"}, "apply.tool"),
        ({"tool": "kernelkare"}, "apply.tool"),
        ({"tool": "auto", "patch": "NO-SUCH"}, "apply.patch"),
        ({"tool": "auto", "persist": True}, "apply.persist"),
        ({"tool": "kpatch", "persist": True}, "apply.persist"),
    ],
)
def test_a_tool_that_does_not_go_with_the_patch_is_refused(apply: dict[str, object], field: str) -> None:
    """The message says which field, and what there is."""
    fleet = Checked("one")
    fleet.store.catalogue.add(LAB_1)

    with pytest.raises(PlaybookInvalid) as refused:
        planned(fleet, **apply)

    assert field == refused.value.field


@pytest.mark.parametrize(("hours", "is_warned"), [(1, False), (25, True)])
def test_offers_that_were_asked_long_ago_are_warned_about(hours: int, is_warned: bool) -> None:
    """The repository may have something else by now."""
    fleet = Checked("ready")
    asked = fleet.clock.now()
    fleet.clock.advance(hours * 3600)
    fleet.eyes.shows = {"ready": seen("b1", tools=(OFFERING,))}
    fleet.eyes.deep_at = asked

    made = planned(fleet, tool="auto")

    assert is_warned == any("was asked more than 24 h ago" in line for line in made.warnings)


FOUND = Tool(name="kpatch", state=ToolState.READY, deep=Deep(updates=(Update(name="lab_0009", version="lab_0009"),)))
NOT_FOUND = FOUND.model_copy(update={"deep": Deep(updates=())})
UNLICENSED = Tool(name="ksplice", state=ToolState.UNLICENSED)


@pytest.mark.parametrize("tool", ["auto", "kpatch"])
def test_without_a_patch_kpatch_loads_what_is_on_the_host(tool: str) -> None:
    """A module that is installed and not loaded; where there is none, it has nothing that could patch the host."""
    fleet = Checked("found", "bare")
    fleet.eyes.shows = {"found": seen("b1", tools=(FOUND,)), "bare": seen("b2", tools=(NOT_FOUND,))}

    made = planned(fleet, tool=tool)

    assert [("found", "kpatch", "lab_0009")] == [
        (host.name, host.backend, host.payload.package) for host in made.hosts if isinstance(host.payload, Offer)
    ]
    assert [("bare", LeftOutReason.NO_TOOL)] == [(one.name, one.reason) for one in made.left_out]


def test_with_a_patch_kpatch_loads_the_catalogues() -> None:
    """Whatever else is installed on the host."""
    fleet = Checked("found")
    fleet.store.catalogue.add(LAB_1)
    able = {"livepatch_supported": True, "module_signatures_enforced": False, "lockdown": "none"}
    fleet.eyes.shows = {"found": seen("b1", tools=(FOUND,), **able)}

    made = planned(fleet, tool="kpatch", patch=LAB_1.id)

    assert [("found", "kpatch", LAB_1.builds[0])] == [(host.name, host.backend, host.payload) for host in made.hosts]


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        ((OFFERING, FOUND), "ksplice"),
        ((UNLICENSED, FOUND), "kpatch"),
        ((UNLICENSED, NOT_FOUND), LeftOutReason.UNLICENSED),
        ((NOT_FOUND.model_copy(update={"level": "lab_0009"}),), LeftOutReason.ALREADY_PATCHED),
        ((NOT_FOUND.model_copy(update={"deep": None}),), LeftOutReason.UNKNOWN_UPDATES),
    ],
)
def test_vendors_tools_go_before_what_is_on_the_host(tools: tuple[Tool, ...], expected: str) -> None:
    """A kpatch without any module is no reason to call a host patched whose own tool could not look."""
    fleet = Checked("one")
    fleet.eyes.shows = {"one": seen("b1", tools=tools)}

    made = planned(fleet, tool="auto")

    assert [expected] == [*(host.backend for host in made.hosts), *(one.reason for one in made.left_out)]
