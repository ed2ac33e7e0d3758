"""The backend ``klp``: modules of the catalogue, loaded and driven through the kernel's own sysfs alone."""

from orchestrator.backends.base import Capabilities, Seen, Work
from orchestrator.backends.guard import GuardAnswer, parse_answer, start_command, status_command
from orchestrator.backends.modules import Ours, kernel_state, module_order, refused_module
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Deep, Facts, Tool
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Payload
from orchestrator.core.patches import Patch
from orchestrator.core.tools import ToolReport
from orchestrator.errors import PatchRefused
from orchestrator.ports.ssh import Command, Completed
from orchestrator.probe.script import ProbePart

NAME = "klp"

PARTS = ("guard/common", "guard/actions", "guard/klp", "guard/persist", "klp/actions", "guard/worker")
"""What its worker is put together from."""


class Klp:
    """The kernel's own live patching, without any tool on the host."""

    name = NAME
    capabilities = Capabilities(applies=True, reverts=True, persists=True, pins=False, needs_module=True)
    parts: tuple[ProbePart, ...] = ()
    deep_parts: tuple[ProbePart, ...] = ()

    def read(self, seen: Seen) -> ToolReport:
        """Its state on a host. The patches of sysfs that nobody else claims are its own already."""
        state, detail = kernel_state(seen.facts)
        return ToolReport(tool=Tool(name=NAME, state=state, detail=detail))

    def read_deep(self, seen: Seen) -> Deep | None:  # noqa: ARG002 - the protocol's
        """Nothing: what the catalogue offers is not the host's to tell."""
        return None

    def refusal(
        self, facts: Facts, patch: Patch | None, payload: Payload | None, *, ours: Ours, action: Action
    ) -> PatchRefused | None:
        """The first reason against it."""
        return refused_module(NAME, facts, patch, payload, ours=ours, action=action)

    def start(self, host: Host, work: Work, nonce: str) -> Command:
        """Under the host-side guard."""
        return start_command(host, module_order(NAME, work), work.module, nonce, parts=PARTS)

    def status(self, host: Host, attempt_id: str, nonce: str) -> Command:
        """The guard's record of it."""
        return status_command(host, attempt_id, nonce)

    def answer(self, host: Host, completed: Completed, nonce: str) -> GuardAnswer:
        """The guard's answer."""
        return parse_answer(host, completed, nonce)
