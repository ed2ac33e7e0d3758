"""What backends share that load modules of the catalogue: what is refused before anything is sent, and the order."""

from collections.abc import Callable, Mapping

from orchestrator.backends.base import Work
from orchestrator.backends.guard import Order
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, LivePatch, PatchState, ToolState, Virtualization
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Build, Patch
from orchestrator.errors import (
    BuildUnreadable,
    Downgrade,
    ForeignPatch,
    LivepatchUnsupported,
    NeedsRoot,
    PatchRefused,
    SignatureRequired,
    ToolConflict,
    WrongBuild,
)

Ours = Mapping[str, Patch]
"""By the build ids of modules that our catalogue knows: its items."""


def kernel_state(facts: Facts) -> tuple[ToolState, str | None]:
    """Whether live-patch modules can be loaded into the host's kernel at all, and why not."""
    if facts.virtualization is Virtualization.CONTAINER:
        return ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on"
    if facts.livepatch_supported is None:
        return ToolState.ERROR, "whether the kernel supports live patching could not be read"
    if not facts.livepatch_supported:
        return ToolState.ABSENT, "the kernel was built without CONFIG_LIVEPATCH"
    return ToolState.READY, None


def refused_module(
    tool: str, facts: Facts, patch: Patch | None, payload: Payload | None, *, ours: Ours, action: Action
) -> PatchRefused | None:
    """The first reason against it. A transition under way is none: it is waited for on the host."""
    if patch is None or isinstance(payload, Offer):
        return _offers_nothing(tool)
    build = payload
    refused = _unsupported(facts) or _in_conflict(tool, facts, action)
    if refused is None and (build is None or action is not Action.REVERT):
        refused = _wrong_build(facts, patch, build)
    if refused is not None or build is None:
        return refused
    refused = _not_root(facts) or _name_taken(facts, build, ours)
    if refused is not None or action is Action.REVERT:
        return refused
    return _unsigned(facts, build) or (_replaces_wrongly(facts, patch, build, ours) if action is Action.APPLY else None)


def module_order(tool: str, work: Work) -> Order:
    """What the guard is to do with the module. Raises a `PatchRefused` for what is no module, or for no known boot."""
    attempt, build, patch = work.attempt, work.payload, work.patch
    if not isinstance(build, Build) or patch is None:
        raise _offers_nothing(tool)
    if attempt.boot_id is None:
        raise BuildUnreadable(f"{attempt.host}: its boot id is not known, so nothing may be sent to it")
    return Order(
        attempt_id=attempt.id,
        controller=work.controller,
        action=attempt.action,
        boot_id=attempt.boot_id,
        release=build.kernel,
        kernel_build=build.build_id,
        name=build.name,
        module_build=build.module_build_id,
        sha256=build.sha256,
        limit_seconds=work.limit_seconds,
        replaces=patch.replaces != "none",
        known=work.ours,
    )


def _offers_nothing(tool: str) -> WrongBuild:
    return WrongBuild(f"{tool} offers nothing by itself: it loads modules of the catalogue")


def _unsupported(facts: Facts) -> PatchRefused | None:
    state, detail = kernel_state(facts)
    return None if state is ToolState.READY else LivepatchUnsupported(detail or state.value)


def _in_conflict(name: str, facts: Facts, action: Action) -> PatchRefused | None:
    """Another vendor's tool patches this kernel. Taking ours out again stays possible."""
    tool = facts.tool(name)
    if tool is None or tool.state is not ToolState.CONFLICT or action is Action.REVERT:
        return None
    return ToolConflict(tool.detail or "another live-patch tool is in use on this host")


def _wrong_build(facts: Facts, patch: Patch, build: Build | None) -> PatchRefused | None:
    kernel = facts.kernel
    if kernel is None or kernel.build_id is None:
        return BuildUnreadable(
            "the build id of the running kernel could not be read, so no module can be said to fit it"
        )
    if build is None:
        return WrongBuild(
            f"{patch.id} has no module for the kernel {kernel.running} with the build id {kernel.build_id}"
        )
    if (build.kernel, build.build_id) == (kernel.running, kernel.build_id):
        return None
    return WrongBuild(
        f"{build.module} is for {build.kernel} with the build id {build.build_id}; "
        f"the host runs {kernel.running} with {kernel.build_id}"
    )


def _not_root(facts: Facts) -> PatchRefused | None:
    """The login may be root, or the check became root through sudo: then nothing says why it could not."""
    if facts.is_root or "root" not in facts.unknown:
        return None
    return NeedsRoot(f"loading a module needs root ({facts.unknown['root']}): log in as root or set up sudo")


def _name_taken(facts: Facts, build: Build, ours: Ours) -> PatchRefused | None:
    """Another module under the module's name. One of ours that is disabled is removed by the guard."""
    for live in facts.live_patches:
        if live.name != build.name or live.build_id == build.module_build_id:
            continue
        if live.state is PatchState.DISABLED and live.build_id in ours:
            continue
        return ForeignPatch(f"another module is loaded as {live.name} (build id {live.build_id or 'unreadable'})")
    return None


def _unsigned(facts: Facts, build: Build) -> PatchRefused | None:
    """Whether a signature holds is the kernel's to say; that there is none is ours. Cannot tell: refused."""
    if build.signed:
        return None
    for enforces, why in _ENFORCERS:
        if enforces(facts):
            return SignatureRequired(f"{build.module} carries no signature, and {why}")
    return None


def _may_enforce_signatures(facts: Facts) -> bool:
    """A kernel built without CONFIG_MODULE_SIG has no such file: it enforces nothing."""
    return facts.module_signatures_enforced is None and facts.unknown.get("module_signatures_enforced") != "absent"


def _may_be_locked_down(facts: Facts) -> bool:
    """A kernel without the lockdown module, or without securityfs, has no such file: Secure Boot decides then."""
    is_absent = facts.unknown.get("lockdown") == "absent"
    return facts.lockdown is None and not (is_absent and facts.secure_boot is False)


_ENFORCERS: tuple[tuple[Callable[[Facts], bool], str], ...] = (
    (lambda facts: facts.module_signatures_enforced is True, "the kernel enforces module signatures"),
    (lambda facts: facts.lockdown not in (None, "none"), "the kernel is locked down"),
    (_may_enforce_signatures, "whether the kernel enforces module signatures could not be read"),
    (_may_be_locked_down, "whether the kernel is locked down could not be read"),
)


def _replaces_wrongly(facts: Facts, patch: Patch, build: Build, ours: Ours) -> PatchRefused | None:
    """The kernel lets a patch that replaces take the place of ALL others, whichever its catalogue item names."""
    if patch.replaces == "none":
        return None
    if any(field.partition(".")[0] == "live_patches" for field in facts.unknown):
        return ForeignPatch("which patches are live could not be read, and they would be replaced")
    others = (live for live in facts.live_patches if live.build_id != build.module_build_id)
    refusals = (_replaces_one_wrongly(live, patch, ours) for live in others if live.state is not PatchState.DISABLED)
    return next((refused for refused in refusals if refused is not None), None)


def _replaces_one_wrongly(live: LivePatch, patch: Patch, ours: Ours) -> PatchRefused | None:
    old = ours.get(live.build_id or "")
    if old is None:
        return ForeignPatch(f"{patch.id} would replace {live.name}, which is not from our catalogue")
    lost = sorted({fix.cve for fix in old.fixes} - {fix.cve for fix in patch.fixes})
    return Downgrade(f"{patch.id} would replace {old.id} and does not fix {', '.join(lost)}") if lost else None
