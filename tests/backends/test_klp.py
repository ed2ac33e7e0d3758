"""What the backend says of a host before anything is sent to it."""

import pytest

from orchestrator.backends.base import Backend, Seen
from orchestrator.backends.klp import Klp
from orchestrator.backends.registry import BACKENDS, backend
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState, ToolState, Virtualization
from orchestrator.core.patches import Build, Fix, Patch
from orchestrator.errors import NotFound
from tests.backends.local_host import BUILD, KERNEL_BUILD, NOW, PATCH, RELEASE

OLD = Patch(
    id="LAB-0000",
    summary="older",
    fixes=(Fix(cve="CVE-2099-0001"), Fix(cve="CVE-2099-0009")),
    builds=(BUILD.model_copy(update={"module_build_id": "0a" * 20, "name": "lab_0000"}),),
    added_at=NOW,
)
OURS = {"0a" * 20: OLD, BUILD.module_build_id: PATCH}
REPLACING = PATCH.model_copy(update={"replaces": "all"})
FACTS = Facts(
    kernel=Kernel(running=RELEASE, build_id=KERNEL_BUILD),
    boot_id="11111111-2222-3333-4444-555555555555",
    is_root=True,
    lockdown="none",
    secure_boot=False,
    module_signatures_enforced=False,
    livepatch_supported=True,
)


def live(name: str, build_id: str | None, state: PatchState = PatchState.APPLIED) -> LivePatch:
    """A live patch."""
    return LivePatch(tool="klp", name=name, state=state, build_id=build_id)


def refused(
    changes: dict[str, object], *, patch: Patch = PATCH, build: Build | None = BUILD, action: Action = Action.APPLY
) -> str | None:
    """The error's code for such facts."""
    error = Klp().refusal(FACTS.model_copy(update=changes), patch, build, ours=OURS, action=action)
    return error.code if error else None


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (None, {}),
        ("livepatch_unsupported", {"livepatch_supported": False}),
        ("livepatch_unsupported", {"livepatch_supported": None}),
        ("livepatch_unsupported", {"virtualization": Virtualization.CONTAINER}),
        ("build_unreadable", {"kernel": None}),
        ("build_unreadable", {"kernel": Kernel(running=RELEASE)}),
        ("wrong_build", {"kernel": Kernel(running="6.1.0-other", build_id=KERNEL_BUILD)}),
        ("wrong_build", {"kernel": Kernel(running=RELEASE, build_id="cd" * 20)}),
        ("needs_root", {"is_root": False, "unknown": {"root": "sudo_refused"}}),
        (None, {"is_root": False}),
        ("signature_required", {"module_signatures_enforced": True}),
        ("signature_required", {"module_signatures_enforced": None}),
        (
            "signature_required",
            {"module_signatures_enforced": None, "unknown": {"module_signatures_enforced": "unreadable"}},
        ),
        (None, {"module_signatures_enforced": None, "unknown": {"module_signatures_enforced": "absent"}}),
        ("signature_required", {"lockdown": "integrity"}),
        ("signature_required", {"lockdown": "confidentiality"}),
        ("signature_required", {"lockdown": None, "unknown": {"lockdown": "unreadable"}}),
        (None, {"lockdown": None, "unknown": {"lockdown": "absent"}}),
        ("signature_required", {"lockdown": None, "unknown": {"lockdown": "absent"}, "secure_boot": True}),
        ("signature_required", {"lockdown": None, "unknown": {"lockdown": "absent"}, "secure_boot": None}),
        ("foreign_patch", {"live_patches": (live("lab_0001", "ff" * 20),)}),
        ("foreign_patch", {"live_patches": (live("lab_0001", None),)}),
        (None, {"live_patches": (live("lab_0001", "0a" * 20, PatchState.DISABLED),)}),
        (None, {"live_patches": (live("kpatch_1", "ee" * 20),)}),
        (None, {"live_patches": (live("kpatch_1", "ee" * 20, PatchState.TRANSITIONING),)}),
    ],
)
def test_each_reason_against_an_apply_has_its_own_error(code: str | None, changes: dict[str, object]) -> None:
    """Found in the facts. What cannot be told is a refusal; a transition under way is waited for on the host."""
    assert code == refused(changes)


def test_no_build_at_all_is_the_wrong_build() -> None:
    """The patch has no module for this kernel."""
    assert "wrong_build" == refused({}, build=None)


def test_a_signed_module_is_the_kernels_to_judge() -> None:
    """Whether the key is trusted, only insmod can tell."""
    signed = BUILD.model_copy(update={"signed": True})

    assert None is refused({"lockdown": "integrity", "module_signatures_enforced": True}, build=signed)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        (None, live("lab_0001", BUILD.module_build_id)),
        ("foreign_patch", live("kpatch_1", "ee" * 20)),
        ("foreign_patch", live("kpatch_1", None)),
        ("foreign_patch", live("kpatch_1", "ee" * 20, PatchState.TRANSITIONING)),
        (None, live("kpatch_1", "ee" * 20, PatchState.DISABLED)),
        ("downgrade", live("lab_0000", "0a" * 20)),
    ],
)
@pytest.mark.parametrize("replaces", ["all", ("LAB-0007",)])
def test_what_a_replacement_may_replace(code: str | None, found: LivePatch, replaces: object) -> None:
    """The kernel replaces all others, whichever the item names: ours only, and none whose fixes would be lost."""
    patch = PATCH.model_copy(update={"replaces": replaces})

    assert code == refused({"live_patches": (found,)}, patch=patch)


def test_a_cumulative_patch_replaces_what_it_covers() -> None:
    """It fixes all that the older one fixes."""
    cumulative = REPLACING.model_copy(update={"fixes": OLD.fixes})

    assert None is refused({"live_patches": (live("lab_0000", "0a" * 20),)}, patch=cumulative)


def test_unreadable_live_patches_are_not_replaced() -> None:
    """Cannot tell: do not proceed."""
    assert "foreign_patch" == refused({"unknown": {"live_patches": "unreadable"}}, patch=REPLACING)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        (None, {}),
        (None, {"lockdown": "integrity", "live_patches": (live("lab_0001", BUILD.module_build_id),)}),
        ("foreign_patch", {"live_patches": (live("lab_0001", "ff" * 20),)}),
        ("needs_root", {"is_root": False, "unknown": {"root": "needs_root"}}),
        (None, {"kernel": Kernel(running="6.1.0-other", build_id="cd" * 20)}),
    ],
)
def test_a_revert_needs_root_and_the_very_module(code: str | None, changes: dict[str, object]) -> None:
    """It loads nothing, so signatures do not matter to it, nor which kernel runs by now."""
    assert code == refused(changes, action=Action.REVERT)


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        (ToolState.READY, {}),
        (ToolState.ABSENT, {"livepatch_supported": False}),
        (ToolState.ERROR, {"livepatch_supported": None}),
        (ToolState.CONTAINER, {"virtualization": Virtualization.CONTAINER}),
    ],
)
def test_the_tools_state_on_a_host(state: ToolState, changes: dict[str, object]) -> None:
    """The kernel itself is the tool."""
    assert state is Klp().read(Seen(sections={}, facts=FACTS.model_copy(update=changes), at=NOW)).tool.state


def test_the_registry_knows_its_backends_by_their_own_names() -> None:
    """And names them where an unknown one is asked for."""
    klp: Backend = backend("klp")

    assert [one.name for one in BACKENDS.values()] == list(BACKENDS)
    assert "klp" == klp.name
    with pytest.raises(NotFound, match=r"'yum'; there are: .*klp"):
        backend("yum")
