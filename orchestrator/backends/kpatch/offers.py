"""What kpatch can put in force that is on the host already: modules installed for the running kernel and not loaded."""

import hashlib
import re

from orchestrator.backends.kpatch.lists import Listed
from orchestrator.backends.vendor import not_root
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, PatchState, Update
from orchestrator.core.offers import TOOL_WORD, Offer
from orchestrator.errors import (
    ForeignPatch,
    NothingOffered,
    OtherLevel,
    PatchRefused,
    ToolNotReady,
    WrongBuild,
)

_MODULE = r"[A-Za-z0-9_]{1,63}"
"""MODULE_NAME_LEN of linux/module.h; a build writes _ for every - of a name."""


def idle_modules(listed: Listed, facts: Facts) -> tuple[str, ...]:
    """Installed for the running kernel, and not loaded. A row is made of a file's name, which may have a dash."""
    loaded = {_module(one.name) for one in listed.told} | {_module(patch.name) for patch in facts.live_patches}
    return tuple(sorted({module for module in installed_modules(listed, facts) if _module(module) not in loaded}))


def installed_modules(listed: Listed, facts: Facts) -> tuple[str, ...]:
    """Installed for the running kernel."""
    running = facts.kernel.running if facts.kernel is not None else None
    return tuple(module for module, kernel in listed.installed if kernel == running)


def updates(listed: Listed, facts: Facts) -> tuple[Update, ...]:
    """What it offers. The version is the level that is in force afterwards: it is loaded beside no other module."""
    return tuple(Update(name=module, version=module) for module in idle_modules(listed, facts))


def level(listed: Listed, facts: Facts) -> str | None:
    """What kpatch calls enabled (old versions list no others) and the kernel applied; None where that is nothing."""
    applied = {patch.name for patch in facts.live_patches if patch.state is PatchState.APPLIED}
    enabled = {one.name for one in listed.told if one.state in (None, PatchState.APPLIED)}
    names = "+".join(sorted(enabled & applied))
    if not names or re.fullmatch(TOOL_WORD, names):
        return names or None
    return f"modules-{hashlib.sha256(names.encode()).hexdigest()[:16]}"


def refused_offer(tool: str, facts: Facts, offer: Offer, action: Action) -> PatchRefused | None:
    """The first reason against it, whatever state the tool is in."""
    if offer.tool != tool:
        return ToolNotReady(f"{tool} applies what it offers itself, not what {offer.tool} offers")
    if action not in (Action.APPLY, Action.REVERT):
        return ToolNotReady(f"{tool} cannot {action} what is on the host already: that is for modules of the catalogue")
    refused = _not_named(facts, offer)
    if refused is None and action is Action.APPLY:
        refused = _wrong_kernel(facts, offer) or _not_verified(offer) or _not_alone(facts, offer)
    return refused or not_root(tool, facts)


def _not_named(facts: Facts, offer: Offer) -> PatchRefused | None:
    if offer.package is None:
        tool = facts.tool(offer.tool)
        offered = tool.deep.updates if tool is not None and tool.deep is not None else None
        names = ", ".join(update.name for update in (offered or ())[:5])
        return NothingOffered(
            f"several modules are installed and not loaded{f' ({names})' if names else ''}: "
            "which one is meant cannot be told"
        )
    if re.fullmatch(_MODULE, offer.package) is None:
        return NothingOffered(f"{offer.package} is no name of a module")
    return None


def _wrong_kernel(facts: Facts, offer: Offer) -> PatchRefused | None:
    kernel = facts.kernel
    if kernel is not None and kernel.running == offer.kernel and offer.build_id in (None, kernel.build_id):
        return None
    running = kernel.running if kernel is not None else "a kernel that could not be read"
    return WrongBuild(f"{offer.package} is installed for {offer.kernel}; the host runs {running}")


def _not_verified(offer: Offer) -> PatchRefused | None:
    """Hosts of one kernel may have different modules: a canary speaks for its own."""
    if offer.level in (None, offer.package):
        return None
    return OtherLevel(f"{offer.level} is to be in force, and {offer.package} is what is installed here")


def _not_alone(facts: Facts, offer: Offer) -> PatchRefused | None:
    """Whether a module replaces all others stands in no file, and in sysfs (``replace``) once it did."""
    if any(field.partition(".")[0] == "live_patches" for field in facts.unknown):
        return ForeignPatch(f"which patches are live could not be read, and {offer.package} might replace them")
    live = [patch.name for patch in facts.live_patches if patch.state is not PatchState.DISABLED]
    others = [name for name in live if name != offer.package]
    return (
        ForeignPatch(f"{', '.join(others[:5])} is in force, and {offer.package} might replace it") if others else None
    )


def _module(name: str) -> str:
    return name.replace("-", "_")
