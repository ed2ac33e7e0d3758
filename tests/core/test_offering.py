"""Which tool patches a host, and with what."""

import pytest

from orchestrator.core.facts import Deep, Facts, Kernel, Tool, ToolState, Update
from orchestrator.core.offering import NoOffer, offered
from orchestrator.core.offers import Offer
from orchestrator.core.plans import LeftOutReason

TOOLS = ("dnf", "kernelcare")
KERNEL = Kernel(running="5.14.0-70.el9.x86_64", build_id="ab" * 20)
LIVE = Update(name="kpatch-patch-5_14_0-70", version="1-2.el9", cves=("CVE-2099-0002", "CVE-2099-0001"))


def tool(
    name: str = "dnf", state: ToolState = ToolState.READY, *updates: Update, known: bool = True, **more: object
) -> Tool:
    """A tool as a deep check left it."""
    deep = Deep(updates=updates) if known else None
    return Tool.model_validate({"name": name, "state": state, "detail": None, "deep": deep} | more)


def offer_of(*tools: Tool, only: str | None = None) -> Offer | NoOffer:
    """What a host with these tools is offered."""
    return offered(Facts(tools=tools, kernel=KERNEL), TOOLS, only=only)


def test_an_offer_names_package_level_and_what_it_fixes() -> None:
    """Of several versions of a package the last is what is to be in force, fixing what all of them fix."""
    older = LIVE.model_copy(update={"version": "1-1.el9", "cves": ("CVE-2099-0003",)})

    found = offer_of(tool("dnf", ToolState.READY, older, LIVE))

    assert found == Offer(
        tool="dnf",
        kernel=KERNEL.running,
        build_id=KERNEL.build_id,
        package="kpatch-patch-5_14_0-70",
        level="1-2.el9",
        cves=("CVE-2099-0001", "CVE-2099-0002", "CVE-2099-0003"),
    )


def test_several_patches_make_one_set_whose_level_a_canary_shows() -> None:
    """Ksplice and its like apply everything that there is."""
    found = offer_of(tool("kernelcare", ToolState.READY, LIVE, Update(name="another")))

    assert isinstance(found, Offer)
    assert (None, None) == (found.package, found.level)


REASONS = {
    ToolState.ABSENT: LeftOutReason.NO_TOOL,
    ToolState.UNLICENSED: LeftOutReason.UNLICENSED,
    ToolState.DISABLED: LeftOutReason.TOOL_DISABLED,
    ToolState.UNSUPPORTED_KERNEL: LeftOutReason.UNSUPPORTED,
    ToolState.COVERAGE_EXPIRED: LeftOutReason.COVERAGE_EXPIRED,
    ToolState.LOCKED: LeftOutReason.TOOL_LOCKED,
    ToolState.CONFLICT: LeftOutReason.TOOL_CONFLICT,
    ToolState.CONTAINER: LeftOutReason.CONTAINER,
    ToolState.ERROR: LeftOutReason.TOOL_ERROR,
}


@pytest.mark.parametrize("state", [state for state in ToolState if state is not ToolState.READY])
def test_a_tool_that_is_not_ready_offers_nothing_for_a_named_reason(state: ToolState) -> None:
    """Every state of a tool but `ready` has one."""
    found = offer_of(tool("dnf", state, LIVE))

    assert isinstance(found, NoOffer)
    assert REASONS[state] is found.reason


def test_the_ready_tool_is_chosen_and_otherwise_the_first_one_says_why() -> None:
    """A host may have a package manager that could and an agent that does."""
    unlicensed = tool("dnf", ToolState.UNLICENSED)

    ready = offer_of(unlicensed, tool("kernelcare", ToolState.READY, LIVE))
    neither = offer_of(unlicensed, tool("kernelcare", ToolState.DISABLED))

    assert isinstance(ready, Offer)
    assert isinstance(neither, NoOffer)
    assert ("kernelcare", LeftOutReason.UNLICENSED) == (ready.tool, neither.reason)


def test_a_named_tool_is_the_only_one_that_counts() -> None:
    """Another that would be ready does not stand in for it."""
    found = offer_of(tool("dnf", ToolState.READY, LIVE), only="kernelcare")

    assert NoOffer(reason=LeftOutReason.NO_TOOL, detail="kernelcare") == found


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (tool(known=False), LeftOutReason.UNKNOWN_UPDATES),
        (tool(deep=Deep(updates=None)), LeftOutReason.UNKNOWN_UPDATES),
        (tool(), LeftOutReason.ALREADY_PATCHED),
        (tool("dnf", ToolState.READY, Update(name="kernel", needs_reboot=True)), LeftOutReason.REBOOT_ONLY),
        (tool("dnf", ToolState.READY, Update(name="-rf /")), LeftOutReason.TOOL_ERROR),
        (tool("dnf", ToolState.READY, LIVE, disagrees=("says too much",)), LeftOutReason.TOOL_ERROR),
    ],
)
def test_what_is_not_known_or_not_live_is_no_offer(given: Tool, reason: LeftOutReason) -> None:
    """Never asked, nothing newer, a new kernel alone, a name that must not go into a command, a tool that lies."""
    found = offer_of(given)

    assert isinstance(found, NoOffer)
    assert reason is found.reason
