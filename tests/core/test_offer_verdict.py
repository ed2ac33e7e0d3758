"""`core.verdict` on what a host's own tool brought: judged by the tool's level, unless the kernel contradicts it."""

import pytest

from orchestrator.core.facts import Deep, Facts, Kernel, LivePatch, PatchState, Tool, ToolState
from orchestrator.core.offers import Offer
from orchestrator.core.verdict import Verdict, describe, judge_apply, judge_revert, level_of

NEWEST = Offer(tool="kernelcare", kernel="5.14.0-70.el9.x86_64")
EXACT = NEWEST.model_copy(update={"level": "7"})


def host(
    level: str | None,
    *,
    boot_id: str | None = "b1",
    patch: PatchState | None = PatchState.APPLIED,
    state: ToolState = ToolState.READY,
    disagrees: tuple[str, ...] = (),
    deep: Deep | None = None,
    **more: object,
) -> Facts:
    """A host whose tool has that level in force, one live patch of the tool's in that state."""
    live = () if patch is None else (LivePatch(tool="kernelcare", name="kernelcare", state=patch),)
    tool = Tool(name="kernelcare", state=state, level=level, disagrees=disagrees, deep=deep)
    kernel = Kernel(running=NEWEST.kernel)
    return Facts.model_validate({"boot_id": boot_id, "kernel": kernel, "tools": (tool,), "live_patches": live} | more)


BEFORE = host("6")
GARBLED = Deep(state=ToolState.ERROR, detail="what?")


@pytest.mark.parametrize(
    ("after", "newest", "exact"),
    [
        (host("7"), Verdict.IN_FORCE, Verdict.IN_FORCE),
        (host("8"), Verdict.IN_FORCE, Verdict.OTHER_PATCH),
        (host("6"), Verdict.NOT_IN_FORCE, Verdict.NOT_IN_FORCE),
        (host(None, patch=None), Verdict.NOT_IN_FORCE, Verdict.NOT_IN_FORCE),
        (host("7", patch=PatchState.DISABLED), Verdict.NOT_IN_FORCE, Verdict.NOT_IN_FORCE),
        (host("7", patch=None), Verdict.NOT_IN_FORCE, Verdict.NOT_IN_FORCE),
        (host("7", patch=PatchState.TRANSITIONING), Verdict.TRANSITIONING, Verdict.TRANSITIONING),
        (host("7", patch=PatchState.STALLED), Verdict.STALLED, Verdict.STALLED),
        (host("7", disagrees=("says so",)), Verdict.CONTRADICTED, Verdict.CONTRADICTED),
        (host("7", state=ToolState.ERROR), Verdict.UNREADABLE, Verdict.UNREADABLE),
        (host("7", state=ToolState.ERROR, deep=GARBLED), Verdict.IN_FORCE, Verdict.IN_FORCE),
        (host(None, state=ToolState.ERROR, deep=GARBLED), Verdict.UNREADABLE, Verdict.UNREADABLE),
        (host("7", kernel=Kernel(running="5.14.0-99")), Verdict.NOT_IN_FORCE, Verdict.NOT_IN_FORCE),
        (host("7", unknown={"live_patches": "needs_root"}), Verdict.UNREADABLE, Verdict.UNREADABLE),
        (host("7", boot_id="b2"), Verdict.REBOOTED, Verdict.REBOOTED),
        (host("7", boot_id=None), Verdict.UNREADABLE, Verdict.UNREADABLE),
        (Facts(boot_id="b1"), Verdict.UNREADABLE, Verdict.UNREADABLE),
    ],
)
def test_an_apply_is_judged_by_the_level(after: Facts, newest: Verdict, exact: Verdict) -> None:
    """The level that was asked for, or, where none was, another one than before. A level alone is no live patch, nor
    is one of another kernel. A deep check that was not understood takes nothing from what the ordinary one told."""
    assert (newest, exact) == (judge_apply(BEFORE, after, NEWEST), judge_apply(BEFORE, after, EXACT))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (host(None, patch=None), Verdict.NOT_IN_FORCE),
        (host("6"), Verdict.NOT_IN_FORCE),
        (host("7"), Verdict.IN_FORCE),
        (host(None, patch=None, boot_id="b2"), Verdict.REBOOTED),
        (host(None, patch=PatchState.REVERTING), Verdict.REVERTING),
        (host(None, patch=None, state=ToolState.ERROR), Verdict.UNREADABLE),
    ],
)
def test_a_revert_is_judged_by_what_it_was_to_take_out(after: Facts, expected: Verdict) -> None:
    """A tool that goes back by one level has taken this one out."""
    assert expected is judge_revert(host("7"), after, EXACT)


def test_a_revert_of_nobody_knows_what_wants_nothing_left() -> None:
    """Where the level was never seen, any level may be the one."""
    assert Verdict.IN_FORCE is judge_revert(host("7"), host("6"), NEWEST)


@pytest.mark.parametrize(
    ("verdict", "after", "expected"),
    [
        (Verdict.CONTRADICTED, host("7", disagrees=("says that it is, and it is not",)), "kernelcare says that it is,"),
        (Verdict.OTHER_PATCH, host("8"), "kernelcare has 8 in force, not 7"),
        (Verdict.IN_FORCE, host("7"), "kernelcare 7 is in force"),
        (Verdict.NOT_IN_FORCE, host("6"), "kernelcare has 6 in force"),
        (Verdict.UNREADABLE, host(None, state=ToolState.ERROR), "kernelcare: "),
    ],
)
def test_a_person_reads_which_level_and_why(verdict: Verdict, after: Facts, expected: str) -> None:
    """One line."""
    assert describe(verdict, after, EXACT).startswith(expected)
    assert after.tools[0].level == level_of(after, EXACT)
