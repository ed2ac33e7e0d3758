"""What the backend ``kpatch`` makes of what kpatch says, and what it refuses."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.backends.base import Seen
from orchestrator.backends.kpatch import Kpatch
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState, Tool, ToolState, Virtualization
from orchestrator.core.offers import Offer
from orchestrator.core.tools import Told, ToolReport, settle_tools
from tests.backends.answered import absent, is_less, read_cut, section, seen
from tests.backends.local_host import BUILD, KERNEL_BUILD, PATCH, RELEASE

HERE = Path(__file__).parent
OFF = "kpatch.service is off: no patch comes back at the next boot"
ALL = (
    Told(name="lab_0000", state=PatchState.APPLIED),
    Told(name="lab_0001", state=PatchState.TRANSITIONING),
    Told(name="lab_0002", state=PatchState.DISABLED),
    Told(name="lab_0003", state=PatchState.REVERTING),
)
FACTS = Facts(
    kernel=Kernel(running=RELEASE, build_id=KERNEL_BUILD),
    boot_id="11111111-2222-3333-4444-555555555555",
    is_root=True,
    lockdown="none",
    secure_boot=False,
    module_signatures_enforced=False,
    livepatch_supported=True,
    tools=(Tool(name="kpatch", state=ToolState.READY),),
)


def check(case: str, status: int | None = 0, stderr: str = "", changes: Mapping[str, object] | None = None) -> Seen:
    """A check in which kpatch said this."""
    body = (HERE / "lists" / f"{case}.txt").read_bytes()
    return seen(section("kpatch_list", body, status, stderr), facts=FACTS.model_copy(update=changes or {}))


def ready(*told: Told, detail: str | None = None) -> ToolReport:
    """The tool, able to be used; the kernel has nothing in force."""
    return ToolReport(tool=Tool(name="kpatch", state=ToolState.READY, detail=detail), told=told)


def in_force(*names: str, state: PatchState = PatchState.APPLIED) -> dict[str, object]:
    """What the kernel shows."""
    return {"live_patches": tuple(LivePatch(tool="klp", name=name, state=state) for name in names)}


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("empty_lists", ready()),
        ("v0_4_without_states", ready(Told(name="lab_meminfo"), detail=OFF)),
        ("v0_6_enabling_stalled", ready(Told(name="lab_0001", state=PatchState.TRANSITIONING))),
        ("v0_9_11_all_states", ready(*ALL, detail="installed for this kernel and not loaded: lab_0009")),
        ("v0_9_11_crlf", ready(*ALL, detail="installed for this kernel and not loaded: lab_0009")),
        ("v0_9_11_noise_before", ready(*ALL, detail="installed for this kernel and not loaded: lab_0009")),
        ("amazon_tab_between", ready(Told(name="livepatch_CVE_2098_22001", state=PatchState.APPLIED))),
        (
            "malformed_rows",
            ready(
                Told(name="lab_0000", state=PatchState.APPLIED),
                Told(name="lab_0001"),
                Told(name="lab_0004", state=PatchState.FAILED),
            ),
        ),
    ],
)
def test_what_is_loaded(case: str, expected: ToolReport) -> None:
    """With its state where the version tells it; stalled processes, functions and modules of other kernels are none; a
    row that makes no sense tells of nothing, and a state that nobody knows is no patch in force."""
    assert expected == Kpatch().read(check(case))


@pytest.mark.parametrize(
    ("case", "status", "stderr", "said"),
    [
        ("localised", 0, "", "kpatch list (exit status 0) said: Geladene Patch-Module: lab_0000 [aktiv]"),
        ("truncated", 0, "", "kpatch list (exit status 0) said: Loaded patch modules: lab_0000 [enabled] lab_00"),
        ("escapes", 0, "", "kpatch list (exit status 0) said: Loaded patch modules: lab_0000 [enabled]"),
        ("core_module_missing", 0, "", "kpatch list (exit status 0) said: kpatch: can't find core module"),
        ("empty_lists", 126, "bash: bad interpreter", "kpatch list (exit status 126) said: bash: bad interpreter"),
        ("empty_lists", None, "", "the list of modules is too large"),
        ("empty", 0, "", "kpatch list (exit status 0) said: nothing"),
    ],
)
def test_what_is_not_understood_is_an_error_with_the_text(
    case: str, status: int | None, stderr: str, said: str
) -> None:
    """Never "no patches"."""
    tool = Tool(name="kpatch", state=ToolState.ERROR, detail=said)

    assert ToolReport(tool=tool) == Kpatch().read(check(case, status, stderr))


@pytest.mark.parametrize("body", [(HERE / "lists/binary.txt").read_bytes(), b"list\t\n" + b"x" * 10_000_000])
def test_any_bytes_are_an_error_of_a_line(body: bytes) -> None:
    """Bounded, and fit for a terminal."""
    tool = Kpatch().read(seen(section("kpatch_list", body), facts=FACTS)).tool

    assert (ToolState.ERROR, True, True) == (
        tool.state,
        len(tool.detail or "") <= 300,
        (tool.detail or "").isprintable(),
    )


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        (ToolState.READY, {}),
        (ToolState.ABSENT, {"livepatch_supported": False}),
        (ToolState.ERROR, {"livepatch_supported": None}),
        (ToolState.CONTAINER, {"virtualization": Virtualization.CONTAINER}),
    ],
)
def test_what_the_host_is_goes_first(state: ToolState, changes: dict[str, object]) -> None:
    """A kernel that is somebody else's, or knows no live patches."""
    assert state is Kpatch().read(check("empty_lists", changes=changes)).tool.state


def test_without_the_program_or_its_section_there_is_no_list() -> None:
    """Absent where it is not there, an error where the answer was cut off."""
    states = [Kpatch().read(host).tool.state for host in (seen(absent("kpatch_list"), facts=FACTS), seen(facts=FACTS))]

    assert [ToolState.ABSENT, ToolState.ERROR] == states


def test_an_answer_cut_at_any_byte_says_no_more_than_the_whole() -> None:
    """A name that lost its end is no patch of the kernel's."""
    host = check("v0_9_11_all_states", changes=in_force(*(f"lab_000{n}" for n in range(4))))
    whole = Kpatch().read(host)

    for cut in read_cut(Kpatch(), host, "kpatch_list"):
        assert is_less(cut, whole)


def test_kpatch_and_sysfs_are_settled_by_the_modules_name() -> None:
    """Who says less is believed; what kpatch calls enabled and the kernel does not list is a contradiction."""
    live = (LivePatch(tool="klp", name="lab_0000", state=PatchState.TRANSITIONING, build_id="01" * 20),)
    host = check("amazon_tab_between", changes={"live_patches": live})

    settled = settle_tools(host.facts, [Kpatch().read(check("v0_9_11_all_states", changes={"live_patches": live}))])
    tool = settled.tool("kpatch")

    assert PatchState.TRANSITIONING is settled.live_patches[0].state
    assert tool is not None
    assert ("says that lab_0000 is applied, and the kernel says transitioning",) == tool.disagrees


def refused(changes: dict[str, object], action: Action = Action.APPLY, **payload: object) -> str | None:
    """The code of the refusal, if there is one."""
    facts = FACTS.model_copy(update=changes)
    error = Kpatch().refusal(
        facts,
        PATCH,
        payload.get("payload", BUILD),  # type: ignore[arg-type]
        ours={BUILD.module_build_id: PATCH},
        action=action,
    )
    return error.code if error is not None else None


@pytest.mark.parametrize(
    ("code", "action", "changes"),
    [
        (None, Action.APPLY, {}),
        (None, Action.REVERT, {}),
        ("tool_missing", Action.APPLY, {"tools": ()}),
        ("tool_missing", Action.REVERT, {"tools": (Tool(name="kpatch", state=ToolState.ABSENT),)}),
        ("tool_not_ready", Action.APPLY, {"tools": (Tool(name="kpatch", state=ToolState.ERROR),)}),
        ("tool_conflict", Action.APPLY, {"tools": (Tool(name="kpatch", state=ToolState.CONFLICT),)}),
        (None, Action.REVERT, {"tools": (Tool(name="kpatch", state=ToolState.CONFLICT),)}),
        ("wrong_build", Action.APPLY, {"kernel": Kernel(running="6.1.0-other", build_id="cd" * 20)}),
        ("signature_required", Action.APPLY, {"module_signatures_enforced": True}),
        ("livepatch_unsupported", Action.APPLY, {"livepatch_supported": False}),
        ("needs_root", Action.PERSIST, {"is_root": False, "unknown": {"root": "needs_root"}}),
    ],
)
def test_what_is_refused_before_anything_is_sent(code: str | None, action: Action, changes: dict[str, object]) -> None:
    """As for any module of the catalogue, and the program has to be there; ready, unless something is to be undone."""
    assert code == refused(changes, action)


def test_an_offer_is_no_module_of_a_patch() -> None:
    """A catalogue's patch and what is on the host exclude each other."""
    assert "wrong_build" == refused({}, payload=Offer(tool="kpatch", kernel=RELEASE))
