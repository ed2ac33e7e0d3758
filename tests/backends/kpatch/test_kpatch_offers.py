"""Modules that are on the host already: what kpatch offers, what it calls in force, and what is refused."""

import pytest

from orchestrator.backends.kpatch import Kpatch
from orchestrator.backends.kpatch.lists import Listed
from orchestrator.backends.kpatch.offers import level, updates
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Deep, Facts, Kernel, LivePatch, PatchState, Tool, ToolState, Update, Virtualization
from orchestrator.core.offering import offered
from orchestrator.core.offers import Offer
from orchestrator.core.tools import Told
from tests.backends.answered import absent, seen
from tests.backends.kpatch.test_kpatch_answers import FACTS, check, in_force
from tests.backends.local_host import KERNEL_BUILD, RELEASE

OFFER = Offer(tool="kpatch", kernel=RELEASE, build_id=KERNEL_BUILD, package="lab_0009", level="lab_0009")


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("empty_lists", []),
        ("v0_9_11_all_states", ["lab_0009"]),
        ("v0_9_11_crlf", ["lab_0009"]),
        ("v0_9_11_noise_before", ["lab_0009"]),
        ("v0_4_without_states", []),
        ("installed_three", ["lab_0003", "lab_0005"]),
    ],
)
def test_what_is_installed_for_the_running_kernel_and_not_loaded_is_offered(case: str, names: list[str]) -> None:
    """Never what is for another kernel, never what is loaded in whatever state. The version is the level to come."""
    expected = Deep(updates=tuple(Update(name=name, version=name) for name in names))

    assert expected == Kpatch().read_deep(check(case))


@pytest.mark.parametrize("case", ["localised", "truncated", "escapes", "core_module_missing", "empty", "binary"])
def test_of_a_list_that_is_not_understood_nothing_is_offered(case: str) -> None:
    """Nor that there was nothing."""
    assert Kpatch().read_deep(check(case)) is None


def test_who_has_no_such_tool_offers_nothing() -> None:
    """Without the program, without its section, on a kernel that is somebody else's."""
    container = check("v0_9_11_all_states", changes={"virtualization": Virtualization.CONTAINER})

    for host in (seen(absent("kpatch_list"), facts=FACTS), seen(facts=FACTS), container):
        assert Kpatch().read_deep(host) is None


def test_a_list_cut_at_any_byte_offers_no_more() -> None:
    """A name or a kernel that lost its end is none."""
    host = check("installed_three")
    section = host.sections["kpatch_list"]
    whole = Kpatch().read_deep(host)
    assert whole is not None
    assert whole.updates is not None

    for at in range(len(section.body)):
        cut = section.model_copy(update={"body": section.body[:at]})
        deep = Kpatch().read_deep(host.model_copy(update={"sections": {"kpatch_list": cut}}))
        assert deep is None or set(deep.updates or ()) <= set(whole.updates)


@pytest.mark.parametrize(
    ("case", "live", "expected"),
    [
        ("empty_lists", {}, None),
        ("v0_9_11_all_states", in_force("lab_0000"), "lab_0000"),
        ("v0_9_11_all_states", in_force("lab_0000", "lab_0001", "lab_0002"), "lab_0000"),
        ("v0_9_11_all_states", in_force("lab_0000", state=PatchState.TRANSITIONING), None),
        ("v0_9_11_all_states", in_force("lab_0009"), None),
        ("v0_4_without_states", in_force("lab_meminfo"), "lab_meminfo"),
        ("v0_4_without_states", {}, None),
        ("malformed_rows", in_force("lab_0000", "lab_0001"), "lab_0000+lab_0001"),
    ],
)
def test_the_level_is_what_kpatch_and_the_kernel_both_call_in_force(
    case: str, live: dict[str, object], expected: str | None
) -> None:
    """Sorted; where the version tells no states, what the kernel says of those that it lists."""
    assert expected == Kpatch().read(check(case, changes=live)).tool.level


@pytest.mark.parametrize("names", [[f"lab_{number:060}" for number in range(4)], ["lab_é"]])
def test_a_level_that_is_no_word_is_told_by_its_digest(names: list[str]) -> None:
    """The same on every host that has the same, whatever the order; another one where one more is in force."""

    def of(*modules: str) -> str | None:
        told = tuple(Told(name=name, state=PatchState.APPLIED) for name in modules)
        return level(Listed(told=told, installed=()), FACTS.model_copy(update=in_force(*modules)))

    digest = of(*names)
    assert digest is not None
    assert digest.startswith("modules-")
    assert (digest, True) == (of(*reversed(names)), digest != of(*names, "more"))


def test_a_file_with_dashes_is_no_second_module() -> None:
    """Old versions and new ones write what is loaded with underscores."""
    listed = Listed(told=(Told(name="lab_0001"),), installed=(("lab-0001", RELEASE),))

    assert () == updates(listed, FACTS)


def host(**changes: object) -> Facts:
    """A host on which that module is installed, and nothing loaded."""
    tool = Tool(name="kpatch", state=ToolState.READY, deep=Deep(updates=(Update(name="lab_0009", version="lab_0009"),)))
    return FACTS.model_copy(update={"tools": (tool,), **changes})


def refused(facts: Facts, offer: Offer = OFFER, action: Action = Action.APPLY) -> str | None:
    """The code of the refusal, if there is one."""
    error = Kpatch().refusal(facts, None, offer, ours={}, action=action)
    return error.code if error is not None else None


def test_what_planning_makes_of_it_may_be_applied_and_taken_out() -> None:
    """The module is the package, and the level afterwards."""
    facts = host()

    offer = offered(facts, ["kpatch"])

    assert OFFER == offer
    assert [None, None] == [refused(facts, OFFER, action) for action in (Action.APPLY, Action.REVERT)]


LIVE = LivePatch(tool="klp", name="lab_0001", state=PatchState.APPLIED)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("wrong_build", {"kernel": Kernel(running="6.1.0-other", build_id=KERNEL_BUILD)}),
        ("wrong_build", {"kernel": Kernel(running=RELEASE, build_id="cd" * 20)}),
        ("wrong_build", {"kernel": None}),
        ("foreign_patch", {"live_patches": (LIVE,)}),
        ("foreign_patch", {"live_patches": (LIVE.model_copy(update={"state": PatchState.TRANSITIONING}),)}),
        ("foreign_patch", {"unknown": {"live_patches": "denied"}}),
        ("needs_root", {"is_root": False, "unknown": {"root": "needs_root"}}),
        (None, {"live_patches": (LIVE.model_copy(update={"state": PatchState.DISABLED}),)}),
        (None, {"live_patches": (LIVE.model_copy(update={"name": "lab_0009"}),)}),
        (None, {"kernel": Kernel(running=RELEASE, build_id=KERNEL_BUILD, package="linux-image")}),
    ],
)
def test_what_the_host_is_refuses_it(code: str | None, changes: dict[str, object]) -> None:
    """Another kernel; another patch in force or under way, which it might replace; nothing known of those; no root."""
    assert code == refused(host(**changes))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ToolState.ABSENT, ("tool_missing", "tool_missing")),
        (ToolState.ERROR, ("tool_not_ready", None)),
        (ToolState.CONFLICT, ("tool_conflict", None)),
    ],
)
def test_the_tool_has_to_be_ready(state: ToolState, expected: tuple[str | None, ...]) -> None:
    """To take it out again it need only be there."""
    facts = host(tools=(Tool(name="kpatch", state=state),))

    assert expected == tuple(refused(facts, action=action) for action in (Action.APPLY, Action.REVERT))


@pytest.mark.parametrize(
    ("code", "changes", "action"),
    [
        ("nothing_offered", {"package": None, "level": None}, Action.APPLY),
        ("nothing_offered", {"package": None}, Action.REVERT),
        ("nothing_offered", {"package": "lab.0009"}, Action.APPLY),
        ("other_level", {"level": "lab_0008"}, Action.APPLY),
        (None, {"level": None}, Action.APPLY),
        (None, {"level": "lab_0001+lab_0009"}, Action.REVERT),
        ("tool_not_ready", {"tool": "dnf"}, Action.APPLY),
        ("tool_not_ready", {}, Action.PERSIST),
        ("tool_not_ready", {}, Action.PIN),
    ],
)
def test_what_is_offered_refuses_it(code: str | None, changes: dict[str, object], action: Action) -> None:
    """Several modules, of which nobody said which; another one than the canary was verified with; what is for modules
    of the catalogue alone."""
    assert code == refused(host(), Offer.model_validate(OFFER.model_dump() | changes), action)


def test_several_modules_are_named() -> None:
    """Whoever reads the plan can decide."""
    several = Deep(updates=(Update(name="lab_0003"), Update(name="lab_0005")))
    facts = host(tools=(Tool(name="kpatch", state=ToolState.READY, deep=several),))
    offer = offered(facts, ["kpatch"])
    assert isinstance(offer, Offer)

    error = Kpatch().refusal(facts, None, offer, ours={}, action=Action.APPLY)

    assert "(lab_0003, lab_0005)" in str(error)
