"""What tools tell, settled against the kernel and against each other."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.facts import Deep, Facts, Kernel, LivePatch, PatchState, Tool, ToolState, Update, Volatile
from orchestrator.core.tools import AS_OF_DEEP, LEAST_FIRST, Told, ToolReport, settle_tools, with_deep

AT = datetime(2026, 1, 2, tzinfo=UTC)
LATER = datetime(2026, 1, 3, tzinfo=UTC)
MODULE = "kpatch_5_14_0_70_1_1"


def report(name: str, *told: Told, state: ToolState = ToolState.READY, **more: object) -> ToolReport:
    """What one backend read."""
    values: dict[str, object] = {"tool": Tool(name=name, state=state), "told": told}
    return ToolReport.model_validate(values | more)


def kernel_has(*states: PatchState, name: str = MODULE) -> Facts:
    """A kernel whose sysfs lists one patch per state."""
    patches = tuple(LivePatch(tool="klp", name=name, state=state, build_id="ab" * 20) for state in states)
    return Facts(live_patches=patches, kernel=Kernel(running="5.14.0-70.el9.x86_64"), boot_id="b1")


def states(facts: Facts) -> dict[str, ToolState]:
    """Tool to state."""
    return {tool.name: tool.state for tool in facts.tools}


def test_a_patch_belongs_to_the_first_tool_that_claims_it() -> None:
    """The package manager installed it, `kpatch` merely lists it, sysfs shows it: one patch, under the first."""
    told = Told(name="kpatch-5_14_0-70_1_1", version="1-1.el9", cves=("CVE-2099-0001",))
    listed = Told(name=MODULE, state=PatchState.APPLIED)

    facts = settle_tools(kernel_has(PatchState.APPLIED), [report("dnf", told), report("kpatch", listed), report("klp")])

    (patch,) = facts.live_patches
    assert ("dnf", "1-1.el9", PatchState.APPLIED, ("CVE-2099-0001",), "ab" * 20) == (
        patch.tool,
        patch.version,
        patch.state,
        patch.cves,
        patch.build_id,
    )


def test_what_nobody_claims_stays_the_kernels() -> None:
    """A module that was inserted by hand."""
    facts = settle_tools(kernel_has(PatchState.APPLIED), [report("dnf"), report("klp")])

    assert ["klp"] == [patch.tool for patch in facts.live_patches]


@given(st.sampled_from(PatchState), st.sampled_from(PatchState))
def test_where_tool_and_kernel_differ_the_one_that_says_less_is_believed(told: PatchState, seen: PatchState) -> None:
    """And a tool that says "applied" of what is not is contradicted, by name."""
    facts = settle_tools(kernel_has(seen), [report("kpatch", Told(name=MODULE, state=told))])

    (patch,), (tool,) = facts.live_patches, facts.tools
    overstates = told is PatchState.APPLIED and seen is not PatchState.APPLIED
    assert (min(told, seen, key=LEAST_FIRST.index), overstates) == (patch.state, bool(tool.disagrees))


def test_a_patch_that_the_kernel_does_not_list_is_not_in_force() -> None:
    """Whatever its tool says: the state cannot be told, and the tool is contradicted."""
    facts = settle_tools(kernel_has(), [report("canonical", Told(name="livepatch_a", state=PatchState.APPLIED))])

    assert ([PatchState.FAILED], ("says that livepatch_a is applied, and the kernel lists no such patch",)) == (
        [patch.state for patch in facts.live_patches],
        facts.tools[0].disagrees,
    )


def test_a_list_that_could_not_be_read_contradicts_nobody() -> None:
    """It makes nothing applied either."""
    unread = Facts(unknown={"live_patches": "needs_root"})

    facts = settle_tools(unread, [report("canonical", Told(name="livepatch_a", state=PatchState.APPLIED))])

    assert ([PatchState.FAILED], ()) == ([one.state for one in facts.live_patches], facts.tools[0].disagrees)


def test_a_tool_that_tells_no_state_makes_nothing_live() -> None:
    """An installed package whose module is not loaded is no live patch."""
    assert () == settle_tools(kernel_has(), [report("dnf", Told(name=MODULE))]).live_patches


def test_patches_that_never_show_in_sysfs_are_their_tools_to_tell() -> None:
    """KernelCare and Ksplice patch the kernel by their own means."""
    told = Told(name="kernelcare", version="7", state=PatchState.APPLIED, in_sysfs=False)

    facts = settle_tools(kernel_has(), [report("kernelcare", told, is_in_use=True)])

    (patch,) = facts.live_patches
    assert ("kernelcare", "7", PatchState.APPLIED) == (patch.tool, patch.version, patch.state)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report("canonical", is_in_use=True), report("klp")], {"canonical": "ready", "klp": "conflict"}),
        (
            [report("canonical", is_in_use=True), report("kernelcare", is_in_use=True)],
            {"canonical": "conflict", "kernelcare": "conflict"},
        ),
        ([report("dnf"), report("kernelcare", is_in_use=True)], {"dnf": "conflict", "kernelcare": "ready"}),
        ([report("dnf"), report("klp")], {"dnf": "ready", "klp": "ready"}),
        (
            [report("libpulp", is_in_use=True, excludes=False), report("klp")],
            {"klp": "ready", "libpulp": "ready"},
        ),
        (
            [report("kernelcare", state=ToolState.ABSENT), report("dnf", is_in_use=True)],
            {"dnf": "ready", "kernelcare": "absent"},
        ),
        ([report("suse", state=ToolState.ERROR), report("klp")], {"klp": "conflict", "suse": "error"}),
        (
            [report("suse", state=ToolState.ERROR), report("kernelcare", is_in_use=True)],
            {"kernelcare": "conflict", "suse": "error"},
        ),
    ],
)
def test_two_vendors_must_not_patch_one_kernel(reports: list[ToolReport], expected: dict[str, str]) -> None:
    """Whoever is in use keeps the others out, and so does who cannot be understood; two in use keep each other out.
    Userspace is another matter."""
    assert expected == states(settle_tools(kernel_has(), reports))


def test_modules_of_the_catalogue_keep_vendors_out_and_not_each_other() -> None:
    """What `klp` has loaded, `kpatch` may take the place of; an agent may not."""
    reports = [report("canonical"), report("kpatch"), report("klp")]

    found = states(settle_tools(kernel_has(PatchState.APPLIED), reports))

    assert {"canonical": "conflict", "klp": "ready", "kpatch": "ready"} == found


def test_a_patch_that_nobody_claims_may_be_of_a_tool_that_cannot_be_understood() -> None:
    """It is not held against that tool, whose own words are kept."""
    reports = [report("suse", state=ToolState.ERROR), report("klp")]

    assert {"klp": "conflict", "suse": "error"} == states(settle_tools(kernel_has(PatchState.APPLIED), reports))


def test_the_effective_kernel_is_the_tools_word() -> None:
    """The running one stays what booted."""
    tool = Tool(name="ksplice", state=ToolState.READY, effective_kernel="5.14.0-90.el9.x86_64")

    facts = settle_tools(kernel_has(), [ToolReport(tool=tool)])

    assert facts.kernel is not None
    assert ("5.14.0-70.el9.x86_64", "5.14.0-90.el9.x86_64") == (facts.kernel.running, facts.kernel.effective)


def host(level: str | None = "1", *, deep: Deep | None = None, boot_id: str = "b1", at: datetime | None = AT) -> Facts:
    """What an earlier check left."""
    tool = Tool(name="dnf", state=ToolState.READY, level=level, deep=deep)
    return Facts(tools=(tool,), boot_id=boot_id, volatile=Volatile(deep_observed_at=at))


OFFERED = Deep(updates=(Update(name="kpatch-patch", version="2"),))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (host(), OFFERED),
        (host("2"), Deep(updates=())),
        (host("3"), Deep(updates=None)),
        (host(None), Deep(updates=None)),
        (host(boot_id="b2"), None),
    ],
)
def test_a_deep_check_stands_until_it_is_overtaken(now: Facts, expected: Deep | None) -> None:
    """An ordinary check keeps what it found. Nothing more is offered once the last that was offered is in force, nobody
    knows once something else is, and nothing of it is known after a reboot."""
    blank = now.model_copy(update={"volatile": Volatile()})

    kept = with_deep(host(deep=OFFERED), blank, at=LATER, is_deep=False)

    assert (expected, AT if expected is not None else None) == (
        kept.tools[0].deep,
        kept.volatile.deep_observed_at,
    )


def test_a_deep_check_replaces_the_one_before() -> None:
    """Nothing of the old one is carried over."""
    kept = with_deep(host(deep=OFFERED), host(deep=Deep(), at=None), at=AT, is_deep=True)

    assert (Deep(), AT) == (kept.tools[0].deep, kept.volatile.deep_observed_at)


def test_what_asking_brought_to_light_stands_against_a_tool_that_looks_ready() -> None:
    """Also in the ordinary checks that follow."""
    found = Deep(state=ToolState.UNLICENSED, detail="the subscription expired")

    kept = with_deep(host(deep=found), host(), at=LATER, is_deep=False)

    assert (ToolState.UNLICENSED, f"the subscription expired; {AS_OF_DEEP}") == (
        kept.tools[0].state,
        kept.tools[0].detail,
    )


@pytest.mark.parametrize("level", ["7; reboot", "-7", "", "7\n", "x" * 201])
def test_a_level_that_is_no_word_is_not_believed(level: str) -> None:
    """It would go into commands on other hosts, as what they are to have."""
    told = ToolReport(tool=Tool(name="ksplice", state=ToolState.READY, level=level))

    (tool,) = settle_tools(kernel_has(), [told]).tools

    assert (ToolState.ERROR, None) == (tool.state, tool.level)


@pytest.mark.parametrize(
    ("until", "state"), [(date(2026, 1, 3), ToolState.READY), (date(2026, 1, 2), ToolState.COVERAGE_EXPIRED)]
)
def test_coverage_ends_with_its_last_day(until: date, state: ToolState) -> None:
    """Without anybody asking again: an expired kernel looks healthy to its tool."""
    kept = with_deep(host(deep=Deep(coverage_until=until)), host(), at=LATER, is_deep=False)

    assert state is kept.tools[0].state
