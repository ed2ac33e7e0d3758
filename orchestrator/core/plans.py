"""A plan: who is patched with which module in which wave, who is left out and why, with every number resolved.

A plan is frozen when a rollout starts: what the inventory or the catalogue say later does not change it.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Build, PatchId
from orchestrator.core.playbooks import Playbook


class LeftOutReason(Meaning):
    """Why a host that the playbook targets is not in the plan."""

    RETIRED = "retired", "The inventory no longer lists it."
    QUARANTINED = "quarantined", "It was set aside by hand."
    UNREACHABLE = "unreachable", "The last check could not reach it."
    UNKNOWN_FACTS = "unknown_facts", "What is needed to choose a module could not be read."
    DUPLICATE = "duplicate", "It has the boot id of another name: one machine must not be patched twice."
    CONTAINER = "container", "Its kernel belongs to the machine that it runs on."
    NOT_EXPOSED = "not_exposed", "It is not exposed to what the playbook asks for."
    UNKNOWN_EXPOSURE = "unknown_exposure", "Whether it is exposed to what the playbook asks for cannot be told."
    ALREADY_PATCHED = "already_patched", "The module is in force already."
    SUPERSEDED = "superseded", "A patch that replaces this one is in force; loading the older one would be a downgrade."
    NO_BUILD = "no_build", "The patch has no module for its exact kernel build."
    NEEDS_ROOT = "needs_root", "Root is needed there and not to be had."
    FOREIGN_PATCH = "foreign_patch", "A live patch that we did not load would be replaced."
    UNSUPPORTED = "unsupported", "Its kernel cannot be live-patched."
    SIGNATURE_REQUIRED = "signature_required", "Its kernel wants signed modules and this one is not signed."
    REFUSED = "refused", "The backend would refuse; the detail says why."
    NO_CANARY = "no_canary", "The playbook's canaries do not cover its kernel build."


HOLDS_SLOT = frozenset({LeftOutReason.UNREACHABLE, LeftOutReason.UNKNOWN_FACTS, LeftOutReason.UNKNOWN_EXPOSURE})
"""Reasons that say nothing of whether the host needs the patch: it holds a slot of the total budget."""

MOST_NAMED = 3


class LeftOut(Frozen):
    """A targeted host that is not in the plan."""

    host_id: str
    name: str
    reason: LeftOutReason
    detail: str = ""


class HeldSlots(Frozen):
    """Slots of the total budget that are held before anything is sent. ``names``: the first few who hold them."""

    count: int = 0
    names: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """Who holds them, for a person."""
        more = f" and {self.count - len(self.names)} more" if self.count > len(self.names) else ""
        hosts = "1 host" if self.count == 1 else f"{self.count} hosts"
        return f"{hosts} cannot be reached or told ({', '.join(self.names)}{more})"

    def overspent(self, budget: int) -> str:
        """Why nothing may be sent, for a person."""
        return f"{self.described}: more than the budget of {budget}; exclude them by pattern or raise budget.total"


class PlannedHost(Frozen):
    """One host of the plan: the module it gets, on the boot that the plan was made for."""

    host_id: str
    name: str
    site: str | None = None
    customer: str | None = None
    wave: int
    is_canary: bool
    backend: str
    build: Build
    boot_id: str

    @property
    def group(self) -> str:
        """What a canary stands for: its backend and kernel build."""
        return group_of(self.backend, self.build)


def group_of(backend: str, build: Build) -> str:
    """The name of all hosts that one canary speaks for."""
    return f"{backend}:{build.kernel}:{build.build_id}"


class PlannedWave(Frozen):
    """One wave: its hosts by id, and how many of them may fail."""

    index: int
    is_canary: bool
    host_ids: tuple[str, ...]
    budget: int


class SpelledOut(Frozen):
    """One setting of the playbook as it is in force."""

    field: str
    value: Any
    is_default: bool


class Plan(Frozen):
    """The whole plan. ``budget_held``: slots of the total budget that are held by hosts that were left out without
    anybody being able to tell whether they need the patch. ``rollback_reopens``: (host name, CVE) that a rollback
    would expose again. ``settings`` spells every default out; ``warnings`` are lines for the person who starts it."""

    playbook: Playbook
    patch_id: PatchId
    planned_at: Moment
    hosts: tuple[PlannedHost, ...]
    waves: tuple[PlannedWave, ...]
    left_out: tuple[LeftOut, ...]
    budget_total: int
    budget_held: int = 0
    rollback_reopens: tuple[tuple[str, str], ...] = ()
    settings: tuple[SpelledOut, ...] = ()
    warnings: tuple[str, ...] = Field(default=())

    @property
    def held(self) -> HeldSlots:
        """Who holds slots of the budget from the start."""
        return held_slots(self.left_out)


def held_slots(left_out: Iterable[LeftOut]) -> HeldSlots:
    """What these leave of a budget: one slot less for each that cannot be reached or told."""
    names = sorted(left.name for left in left_out if left.reason in HOLDS_SLOT)
    return HeldSlots(count=len(names), names=tuple(names[:MOST_NAMED]))
