"""`core.planning`: every target ends in exactly one wave, or left out by name and reason."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.amounts import rounded_up
from orchestrator.core.exposure_states import ExposureState, Remedy
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState, Virtualization
from orchestrator.core.patches import Fix, Patch, Severity
from orchestrator.core.planning import Candidate, plan
from orchestrator.core.plans import LeftOut, LeftOutReason, Plan, held_slots
from orchestrator.core.playbooks import Playbook
from orchestrator.core.windows import Exposure
from orchestrator.errors import PlaybookInvalid
from tests.core.rollout_world import NOW, build_id, candidate, patch, planned, playbook


def facts(**more: Any) -> Facts:
    """Facts of a host that runs our kernel 0."""
    known: dict[str, Any] = {"boot_id": "b", "kernel": Kernel(running="6.1.0-0", build_id=build_id(0))}
    return Facts.model_validate(known | more)


def live(build: str, state: PatchState = PatchState.APPLIED) -> tuple[LivePatch, ...]:
    """One live patch with that module build id."""
    return (LivePatch(tool="klp", name="lab", build_id=build, state=state),)


def exposure(state: ExposureState, since: datetime = NOW) -> Exposure:
    """Where a host stands with our CVE."""
    return Exposure(
        host_id="id-h",
        cve="CVE-2099-0001",
        severity=Severity.HIGH,
        state=state,
        remedy=Remedy.LIVE_PATCH,
        since=since,
        windows=(),
    )


OURS = patch().builds[0].module_build_id
CUMULATIVE = patch(3, "LAB-0002", replaces=("LAB-0001",))
NEWER = CUMULATIVE.builds[0].module_build_id


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"is_retired": True}, LeftOutReason.RETIRED),
        ({"quarantine_reason": "bad disk"}, LeftOutReason.QUARANTINED),
        ({"is_reachable": False, "error_code": "connect_timed_out"}, LeftOutReason.UNREACHABLE),
        ({"facts": None, "is_reachable": False}, LeftOutReason.UNREACHABLE),
        ({"facts": None, "error_code": "answer_garbled"}, LeftOutReason.UNKNOWN_FACTS),
        ({"facts": facts(kernel=None)}, LeftOutReason.UNKNOWN_FACTS),
        ({"facts": facts(boot_id=None)}, LeftOutReason.UNKNOWN_FACTS),
        ({"facts": facts(kernel=Kernel(running="6.1.0-0"))}, LeftOutReason.UNKNOWN_FACTS),
        ({"facts": facts(unknown={"live_patches": "needs_root"})}, LeftOutReason.UNKNOWN_FACTS),
        ({"facts": facts(virtualization=Virtualization.CONTAINER)}, LeftOutReason.CONTAINER),
        ({"facts": facts(kernel=Kernel(running="6.1.0-9", build_id=build_id(0)))}, LeftOutReason.NO_BUILD),
        ({"facts": facts(kernel=Kernel(running="6.1.0-0", build_id=build_id(1)))}, LeftOutReason.NO_BUILD),
        ({"facts": facts(live_patches=live(OURS))}, LeftOutReason.ALREADY_PATCHED),
        ({"facts": facts(live_patches=live(NEWER))}, LeftOutReason.SUPERSEDED),
        ({"refusal": "needs_root"}, LeftOutReason.NEEDS_ROOT),
        ({"refusal": "foreign_patch"}, LeftOutReason.FOREIGN_PATCH),
        ({"refusal": "livepatch_unsupported"}, LeftOutReason.UNSUPPORTED),
        ({"refusal": "signature_required"}, LeftOutReason.SIGNATURE_REQUIRED),
        ({"refusal": "downgrade"}, LeftOutReason.SUPERSEDED),
        ({"refusal": "host_disk_full"}, LeftOutReason.REFUSED),
    ],
)
def test_who_cannot_or_need_not_be_patched_is_left_out_by_reason(more: dict[str, Any], expected: LeftOutReason) -> None:
    """What cannot be told leaves a host out like what is known to be in the way."""
    made = plan(playbook(), [candidate("h", **more)], patch(), now=NOW, catalogue=[patch(), CUMULATIVE])
    assert ([expected], ()) == ([left.reason for left in made.left_out], made.hosts)


@pytest.mark.parametrize("state", [PatchState.TRANSITIONING, PatchState.STALLED, PatchState.DISABLED])
def test_a_module_that_is_not_in_force_is_still_needed(state: PatchState) -> None:
    """Only an applied patch counts as there."""
    made = plan(playbook(), [candidate("h", facts=facts(live_patches=live(OURS, state)))], patch(), now=NOW)
    assert ["h"] == [host.name for host in made.hosts]


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [
        ((exposure(ExposureState.EXPOSED),), []),
        ((exposure(ExposureState.COVERED),), [LeftOutReason.NOT_EXPOSED]),
        ((), [LeftOutReason.NOT_EXPOSED]),
        ((exposure(ExposureState.UNKNOWN),), [LeftOutReason.UNKNOWN_EXPOSURE]),
    ],
)
@pytest.mark.parametrize("asked", [["CVE-2099-0001"], {"severity": ["high"]}])
def test_only_the_exposed_are_patched_when_asked(
    exposures: tuple[Exposure, ...], expected: list[LeftOutReason], asked: object
) -> None:
    """By CVE or by severity; an exposure that cannot be told has its own reason."""
    book = playbook(targets={"exposed_to": asked})
    made = plan(book, [candidate("h", exposures=exposures)], patch(), now=NOW)
    assert expected == [left.reason for left in made.left_out]


@pytest.mark.parametrize(
    ("in_force", "wanted", "expected"),
    [
        ({"cves": "12"}, {"cves": "1"}, [LeftOutReason.SUPERSEDED]),
        ({"cves": "1"}, {"cves": "1"}, [LeftOutReason.SUPERSEDED]),
        ({"cves": "12"}, {"cves": "1", "replaces": "all", "later": True}, [LeftOutReason.SUPERSEDED]),
        ({"cves": "1"}, {"cves": "1", "replaces": "all"}, [LeftOutReason.SUPERSEDED]),
        ({"cves": "1"}, {"cves": "1", "replaces": "all", "later": True}, []),
        ({"cves": "1"}, {"cves": "1", "replaces": ("LAB-0002",), "later": True}, []),
        ({"cves": "1"}, {"cves": "1", "later": True}, [LeftOutReason.SUPERSEDED]),
        ({"cves": "1"}, {"cves": "12"}, []),
        ({"cves": "13"}, {"cves": "12"}, []),
        ({"cves": "1", "replaces": "none"}, {"cves": "1"}, []),
    ],
)
def test_what_replaces_all_and_fixes_as_much_supersedes(
    in_force: dict[str, Any], wanted: dict[str, Any], expected: list[LeftOutReason]
) -> None:
    """Unless the other one was added later to take its place: that is a rebuild."""
    made = plan(
        playbook(),
        [candidate("h", facts=facts(live_patches=live(NEWER)))],
        _fixing(**wanted),
        now=NOW,
        catalogue=[_fixing("LAB-0002", **{"replaces": "all"} | in_force)],
    )
    assert expected == [left.reason for left in made.left_out]


def _fixing(patch_id: str = "LAB-0001", *, cves: str, replaces: Any = "none", later: bool = False) -> Patch:
    """An item that fixes these CVEs, by their last digit."""
    fixes = tuple(Fix(cve=f"CVE-2099-000{number}") for number in cves)
    made = patch(3, patch_id, replaces=replaces, fixes=fixes)
    return made.model_copy(update={"added_at": made.added_at + timedelta(days=later)})


def test_the_second_name_of_one_machine_is_refused() -> None:
    """Also where the first name is no target; a quarantine of the first does not make room for it."""
    made = plan(playbook(), [candidate("b", facts=facts(), duplicate_of="a")], patch(), now=NOW)
    assert () == made.hosts
    assert [("b", LeftOutReason.DUPLICATE, "of a")] == [(x.name, x.reason, x.detail) for x in made.left_out]


def test_labels_choose_the_targets() -> None:
    """A host without the label is no target, so it is not left out either."""
    some = [candidate("a", labels={"role": "web"}), candidate("b", labels={"role": "db"})]
    made = plan(playbook(targets={"labels": {"role": "web"}}), some, patch(), now=NOW)
    assert (["a"], ()) == ([host.name for host in made.hosts], made.left_out)


def canaries_of(made: Plan) -> list[str]:
    """The names in the first wave."""
    return [host.name for host in made.hosts if host.is_canary]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ({"per_kernel": 1}, ["h00", "h01", "h02"]),
        ({"per_kernel": 2}, ["h00", "h01", "h02", "h03", "h04", "h05"]),
        ({"count": 2}, ["h00", "h01"]),
        ({"count": 4}, ["h00", "h01", "h02", "h03"]),
        ({"percent": "5%"}, ["h00"]),
    ],
)
def test_canaries_are_chosen_by_name_every_build_in_turn(way: dict[str, Any], expected: list[str]) -> None:
    """Twelve hosts that run three kernels in turn."""
    assert expected == canaries_of(planned(12, 3, strategy={"canary": way}))


def test_canaries_can_be_chosen_by_label() -> None:
    """Builds without such a host are left out."""
    some = [candidate("a", labels={"canary": "yes"}), candidate("b"), candidate("c", 1)]
    made = plan(playbook(strategy={"canary": {"labels": {"canary": "yes"}}}), some, patch(), now=NOW)
    assert (["a"], ["a", "b"]) == (canaries_of(made), [host.name for host in made.hosts])
    assert [("c", LeftOutReason.NO_CANARY)] == [(left.name, left.reason) for left in made.left_out]


def test_budgets_are_numbers_in_the_plan() -> None:
    """Rounded down; the canary wave's is always zero."""
    made = planned(30, 1, budget={"per_wave": "20%", "total": "10%"})
    assert ([0, 0, 2, 3], 3) == ([wave.budget for wave in made.waves], made.budget_total)
    assert [1, 2, 12, 15] == [len(wave.host_ids) for wave in made.waves]


@pytest.mark.parametrize("book", [playbook(apply={}), playbook(apply={"patch": "LAB-0009"})])
def test_a_playbook_without_this_patch_cannot_be_planned(book: Playbook) -> None:
    """klp offers nothing by itself, and another patch than the one named is a mistake."""
    with pytest.raises(PlaybookInvalid):
        plan(book, [], patch(), now=NOW)


def test_who_is_unreachable_is_warned_about() -> None:
    """Left out, and said so to the person who starts it; never that no host needs the patch."""
    made = plan(playbook(), [candidate("h", is_reachable=False)], patch(), now=NOW)
    spent = "1 host cannot be reached or told (h): more than the budget of 0"
    advice = "exclude them by pattern or raise budget.total"
    assert (
        "1 left out as unreachable: The last check could not reach it.",
        "nothing would be done: no host is known to need this patch",
        f"a rollout would fail before anything is sent: {spent}; {advice}",
    ) == made.warnings


@pytest.mark.parametrize(
    ("more", "held"),
    [
        ({"is_reachable": False}, 1),
        ({"facts": None}, 1),
        ({"facts": Facts(boot_id="b")}, 1),
        ({"is_retired": True}, 0),
        ({"quarantine_reason": "broken disk", "is_reachable": False}, 0),
    ],
)
def test_who_cannot_be_told_holds_a_slot_of_the_total_budget(more: dict[str, Any], held: int) -> None:
    """Unreachable, stale or never checked; not those that somebody set aside."""
    candidates = [candidate("a"), candidate("b", **more)]
    made = plan(playbook(budget={"total": 3}), candidates, patch(), now=NOW)
    assert (3, held) == (made.budget_total, made.budget_held)
    told = "1 host cannot be reached or told (b): 2 of the budget of 3 are left for the rollout"
    assert (held == 1) == (told in made.warnings)


def test_an_exposure_that_nobody_can_tell_holds_a_slot() -> None:
    """It may be exposed to what the playbook is for."""
    left_out = [LeftOut(host_id=f"id-{n}", name=n, reason=LeftOutReason.UNKNOWN_EXPOSURE) for n in "edcba"]
    assert "5 hosts cannot be reached or told (a, b, c and 2 more)" == held_slots(left_out).described


fleets = st.lists(
    st.builds(
        candidate,
        st.text("abcdef", min_size=1, max_size=4),
        st.integers(0, 4),
        is_reachable=st.sampled_from([True, True, True, False]),
        labels=st.sampled_from([{}, {"canary": "yes"}]),
    ),
    max_size=40,
    unique_by=lambda host: host.name,
)
ways = st.one_of(
    st.builds(lambda n: {"per_kernel": n}, st.integers(1, 3)),
    st.builds(lambda n: {"count": n}, st.integers(1, 10)),
    st.builds(lambda n: {"percent": f"{n}%"}, st.integers(1, 100)),
    st.just({"labels": {"canary": "yes"}}),
)
slices = st.lists(st.integers(1, 99), max_size=4, unique=True).map(lambda p: [*(f"{n}%" for n in sorted(p)), "100%"])


@given(fleet=fleets, way=ways, waves=slices, percent=st.integers(0, 100))
def test_waves_partition_the_hosts(fleet: list[Candidate], way: dict[str, Any], waves: list[str], percent: int) -> None:
    """Every target once; every build with its canary in wave 0; slices cumulative and rounded up; budgets within."""
    book = playbook(strategy={"canary": way, "waves": waves}, budget={"per_wave": f"{percent}%"})
    made = plan(book, fleet, patch(4), now=NOW)

    in_waves = [host_id for wave in made.waves for host_id in wave.host_ids]
    assert sorted(in_waves) == sorted(host.host_id for host in made.hosts)
    assert sorted(host.host_id for host in fleet) == sorted(in_waves + [left.host_id for left in made.left_out])
    assert {host.group for host in made.hosts} == {host.group for host in made.hosts if host.wave == 0}
    assert all(wave.host_ids for wave in made.waves)
    assert [wave.index for wave in made.waves] == list(range(len(made.waves)))

    sizes = [len(wave.host_ids) for wave in made.waves]
    reached = {sum(sizes[: n + 1]) for n in range(len(sizes))}
    total, canaries = len(in_waves), sizes[0] if sizes else 0
    assert reached == ({max(canaries, rounded_up(wave, total)) for wave in waves} | {canaries} if total else set())
    assert all(wave.budget <= len(wave.host_ids) * percent / 100 for wave in made.waves)
    assert made.budget_total <= total * percent / 100
    assert all(a < b for a, b in pairwise(sorted(reached)))


@given(fleet=fleets)
def test_a_plan_is_deterministic_and_survives_json(fleet: list[Candidate]) -> None:
    """The order of the candidates does not matter; the database gives back what was frozen."""
    made = plan(playbook(), fleet, patch(4), now=NOW)
    assert made == plan(playbook(), fleet[::-1], patch(4), now=NOW)
    assert made == Plan.model_validate_json(made.model_dump_json())
