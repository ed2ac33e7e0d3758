"""A plan: who is patched with which module in which wave, who is left out and why, with every number resolved.

A plan is frozen when a rollout starts: what the inventory or the catalogue say later does not change it.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.offers import Offer, Payload
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
    NO_TOOL = "no_tool", "It has no live-patch tool that could patch it."
    UNLICENSED = "unlicensed", "Its tool has no valid licence or subscription."
    TOOL_DISABLED = "tool_disabled", "Its tool is installed and switched off."
    COVERAGE_EXPIRED = "coverage_expired", "Its kernel no longer gets live patches."
    TOOL_LOCKED = "tool_locked", "Its tool refuses to act until somebody clears its lock."
    TOOL_CONFLICT = "tool_conflict", "Another live-patch tool patches its kernel already."
    TOOL_ERROR = "tool_error", "What its tool answers cannot be understood."
    UNKNOWN_UPDATES = "unknown_updates", "What its tool offers is not known: no deep check told of it."
    REBOOT_ONLY = "reboot_only", "What it needs is fixed by a new kernel alone, not in memory."
    NO_CANARY = "no_canary", "The playbook's canaries do not cover its kernel build."


HOLDS_SLOT = frozenset(
    {
        LeftOutReason.UNREACHABLE,
        LeftOutReason.UNKNOWN_FACTS,
        LeftOutReason.UNKNOWN_EXPOSURE,
        LeftOutReason.UNKNOWN_UPDATES,
        LeftOutReason.TOOL_ERROR,
    }
)
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
    """One host of the plan, on the boot that the plan was made for. It gets the module ``build``, or what its own tool
    offers; exactly one of the two is there. ``level_before``: what that tool has in force already. ``reverts``: whether
    its backend can take out again what it brings.
    """

    host_id: str
    name: str
    site: str | None = None
    customer: str | None = None
    wave: int
    is_canary: bool
    backend: str
    build: Build | None = None
    offer: Offer | None = None
    level_before: str | None = None
    reverts: bool = True
    boot_id: str

    @model_validator(mode="after")
    def _exactly_one(self) -> "PlannedHost":
        if (self.build is None) == (self.offer is None):
            raise ValueError("a planned host gets a module or what its tool offers, and not both")
        return self

    @property
    def payload(self) -> Payload:
        """What it gets."""
        payload = self.build or self.offer
        assert payload is not None  # noqa: S101  validated above
        return payload

    @property
    def group(self) -> str:
        """What a canary stands for: its backend and kernel build."""
        return group_of(self.backend, self.payload)


def group_of(backend: str, payload: Payload) -> str:
    """The name of all hosts that one canary speaks for."""
    return f"{backend}:{payload.kernel}:{payload.build_id or '-'}"


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
    """The whole plan. ``patch_id`` None: every host gets what its own tool offers. ``budget_held``: slots of the total
    budget that are held by hosts that were left out without anybody being able to tell whether they need the patch.
    ``rollback_reopens``: (host name, CVE) that a rollback would expose again. ``settings`` spells every default out;
    ``warnings`` are lines for the person who starts it."""

    playbook: Playbook
    patch_id: PatchId | None
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
