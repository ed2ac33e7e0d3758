"""`core.verdict`: what facts before and after say about one module."""

import pytest

from orchestrator.core.attempts import OutcomeCode
from orchestrator.core.facts import BlockingTask, Facts, LivePatch, PatchState
from orchestrator.core.patches import Build
from orchestrator.core.verdict import (
    Verdict,
    describe,
    judge_apply,
    judge_revert,
    outcome_of_apply,
    outcome_of_revert,
)

BUILD = Build(
    module="lab.ko",
    kernel="6.1.0-1-amd64",
    build_id="a" * 40,
    sha256="b" * 64,
    name="lab_0001",
    module_build_id="c" * 40,
    size=1,
)
BEFORE = Facts(boot_id="boot-1")


def live(state: PatchState, **more: object) -> LivePatch:
    """Our module in that state."""
    known: dict[str, object] = {"tool": "klp", "name": "lab_0001", "build_id": "c" * 40, "state": state}
    return LivePatch.model_validate(known | more)


def after(*patches: LivePatch, boot_id: str | None = "boot-1", **more: object) -> Facts:
    """Facts with those patches."""
    return Facts.model_validate({"boot_id": boot_id, "live_patches": patches} | more)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (after(live(PatchState.APPLIED)), Verdict.IN_FORCE),
        (after(live(PatchState.TRANSITIONING)), Verdict.TRANSITIONING),
        (after(live(PatchState.STALLED)), Verdict.STALLED),
        (after(live(PatchState.REVERTING)), Verdict.REVERTING),
        (after(live(PatchState.DISABLED)), Verdict.NOT_IN_FORCE),
        (after(live(PatchState.FAILED)), Verdict.UNREADABLE),
        (after(), Verdict.NOT_IN_FORCE),
        (after(boot_id="boot-2"), Verdict.REBOOTED),
        (after(live(PatchState.APPLIED), boot_id="boot-2"), Verdict.REBOOTED),
        (after(live(PatchState.APPLIED), boot_id=None), Verdict.UNREADABLE),
        (after(live(PatchState.APPLIED), unknown={"live_patches": "needs_root"}), Verdict.UNREADABLE),
        (after(live(PatchState.APPLIED), unknown={"live_patches.lab_0001.transition": "x"}), Verdict.UNREADABLE),
        (after(live(PatchState.APPLIED), unknown={"live_patches.lab_0001.blocking": "needs_root"}), Verdict.IN_FORCE),
        (after(live(PatchState.APPLIED, build_id=None)), Verdict.UNREADABLE),
        (after(live(PatchState.APPLIED, build_id="d" * 40)), Verdict.OTHER_PATCH),
        (after(live(PatchState.APPLIED, build_id="d" * 40, name="other")), Verdict.OTHER_PATCH),
        (after(live(PatchState.APPLIED), live(PatchState.TRANSITIONING, tool="kpatch")), Verdict.TRANSITIONING),
    ],
)
def test_only_the_module_itself_applied_on_the_same_boot_is_in_force(facts: Facts, expected: Verdict) -> None:
    """Apply and soak judge alike: anything but that build id, applied, on that boot has another name."""
    assert expected == judge_apply(BEFORE, facts, BUILD)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (after(), Verdict.NOT_IN_FORCE),
        (after(live(PatchState.DISABLED)), Verdict.NOT_IN_FORCE),
        (after(live(PatchState.APPLIED)), Verdict.IN_FORCE),
        (after(live(PatchState.REVERTING)), Verdict.REVERTING),
        (after(boot_id="boot-2"), Verdict.REBOOTED),
        (after(live(PatchState.APPLIED), boot_id="boot-2"), Verdict.IN_FORCE),
        (after(boot_id=None), Verdict.UNREADABLE),
        (after(unknown={"live_patches": "connection_dropped"}), Verdict.UNREADABLE),
    ],
)
def test_a_revert_is_done_when_the_module_is_out_of_force(facts: Facts, expected: Verdict) -> None:
    """A persisted module that came back with the next boot is in force: the revert did not hold."""
    assert expected == judge_revert(after(live(PatchState.APPLIED)), facts, BUILD)


def test_a_patch_that_was_there_before_is_not_in_our_place() -> None:
    """A patch that `before` knew already says nothing about ours."""
    old = live(PatchState.APPLIED, name="old", build_id="e" * 40)
    assert Verdict.NOT_IN_FORCE == judge_apply(after(old), after(old), BUILD)


def test_a_boot_that_was_not_known_before_cannot_be_compared() -> None:
    """Without a boot id before, the same boot cannot be claimed."""
    assert Verdict.UNREADABLE == judge_apply(Facts(), after(live(PatchState.APPLIED)), BUILD)


def test_a_stall_is_described_by_its_blocking_tasks() -> None:
    """The line for a person names who blocks."""
    facts = after(live(PatchState.STALLED, blocking=(BlockingTask(pid=37, command="kswapd0"),)))
    assert describe(Verdict.STALLED, facts, BUILD) == "the transition of lab_0001 is blocked by kswapd0 (37)"


def test_what_cannot_be_told_is_an_unknown_outcome() -> None:
    """Only a verified state is done; a reboot is lost; everything unclear is unknown."""
    assert {
        Verdict.IN_FORCE: OutcomeCode.DONE,
        Verdict.NOT_IN_FORCE: OutcomeCode.FAILED,
        Verdict.TRANSITIONING: OutcomeCode.UNKNOWN,
        Verdict.STALLED: OutcomeCode.UNKNOWN,
        Verdict.REVERTING: OutcomeCode.UNKNOWN,
        Verdict.REBOOTED: OutcomeCode.LOST,
        Verdict.OTHER_PATCH: OutcomeCode.DRIFTED,
        Verdict.CONTRADICTED: OutcomeCode.UNKNOWN,
        Verdict.UNREADABLE: OutcomeCode.UNKNOWN,
    } == {verdict: outcome_of_apply(verdict) for verdict in Verdict}
    assert [OutcomeCode.DONE, OutcomeCode.FAILED] == [
        outcome_of_revert(Verdict.NOT_IN_FORCE),
        outcome_of_revert(Verdict.IN_FORCE),
    ]
