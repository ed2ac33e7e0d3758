"""The backend ``kpatch``: modules of the catalogue, loaded, unloaded and kept for the next boot by that program; and
modules that are installed on the host already, loaded and unloaded.

It reads what kpatch says of all modules that are loaded, whoever loaded them; sysfs has the last word.
"""

from orchestrator.backends.base import Capabilities, Seen, Work
from orchestrator.backends.guard import GuardAnswer, parse_answer, start_command, start_tool, status_command
from orchestrator.backends.kpatch.lists import Listed, read_list
from orchestrator.backends.kpatch.offers import (
    idle_modules,
    installed_modules,
    level,
    refused_offer,
    updates,
)
from orchestrator.backends.modules import Ours, kernel_state, module_order, refused_module
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import tool_order
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Deep, Facts, Tool, ToolState
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Patch
from orchestrator.core.tools import ToolReport
from orchestrator.errors import PatchRefused, ToolConflict, ToolMissing, ToolNotReady
from orchestrator.ports.ssh import Command, Completed
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "kpatch"
MOST_DETAIL = 300
LIST = "list\t\n"
"""Before what kpatch says."""

PARTS = (
    "guard/common",
    "guard/actions",
    "guard/tool",
    "guard/klp",
    "guard/persist",
    "klp/actions",
    "kpatch/actions",
    "guard/worker",
)
"""What its worker is put together from: klp's actions, with kpatch in place of insmod."""

OFFER_ACTIONS = "kpatch/offer_actions"
OFFER_PARTS = ("guard/klp", "klp/actions", "kpatch/actions")
"""What those of a module on the host need besides."""


class Kpatch:
    """kpatch, with our modules and with those that it finds on the host."""

    name = NAME
    capabilities = Capabilities(
        applies=True, reverts=True, persists=True, pins=False, needs_module=True, tells_updates=True
    )
    parts = (
        ProbePart(name="kpatch_list", script=probe_function("kpatch/list", "kpatch_list"), when="has_tool kpatch"),
    )
    deep_parts: tuple[ProbePart, ...] = ()

    def read(self, seen: Seen) -> ToolReport:
        """Its state, and the modules that it calls loaded."""
        section = seen.sections.get("kpatch_list")
        if section is None:
            return _report(ToolState.ERROR, "answer incomplete")
        if section.absent:
            return _report(ToolState.ABSENT, "kpatch is not on this host")
        state, detail = kernel_state(seen.facts)
        if state is not ToolState.READY:
            return _report(state, detail)
        listed = _listed(section)
        if listed is None:
            return _report(ToolState.ERROR, _not_understood(section))
        detail = _detail(listed, seen.facts, comes_back="boot\t" in section.text.partition(LIST)[0])
        tool = Tool(name=NAME, state=state, detail=detail, level=level(listed, seen.facts))
        return ToolReport(tool=tool, told=listed.told)

    def read_deep(self, seen: Seen) -> Deep | None:
        """What is installed for the running kernel and not loaded: the ordinary section tells it already."""
        section = seen.sections.get("kpatch_list")
        if section is None or section.absent or kernel_state(seen.facts)[0] is not ToolState.READY:
            return None
        listed = _listed(section)
        return None if listed is None else Deep(updates=updates(listed, seen.facts))

    def refusal(
        self, facts: Facts, patch: Patch | None, payload: Payload | None, *, ours: Ours, action: Action
    ) -> PatchRefused | None:
        """The program has to be there; else as for any module of the catalogue, or what a module on the host needs."""
        if (refused := _not_ready(facts, action)) is not None:
            return refused
        if patch is None and isinstance(payload, Offer):
            return refused_offer(NAME, facts, payload, action)
        return refused_module(NAME, facts, patch, payload, ours=ours, action=action)

    def start(self, host: Host, work: Work, nonce: str) -> Command:
        """Under the host-side guard."""
        if isinstance(work.payload, Offer):
            return start_tool(host, tool_order(NAME, work), OFFER_ACTIONS, nonce, more=OFFER_PARTS)
        return start_command(host, module_order(NAME, work), work.module, nonce, parts=PARTS)

    def status(self, host: Host, attempt_id: str, nonce: str) -> Command:
        """The guard's record of it."""
        return status_command(host, attempt_id, nonce)

    def answer(self, host: Host, completed: Completed, nonce: str) -> GuardAnswer:
        """The guard's answer."""
        return parse_answer(host, completed, nonce)


def _report(state: ToolState, detail: str | None) -> ToolReport:
    return ToolReport(tool=Tool(name=NAME, state=state, detail=detail))


def _listed(section: Section) -> Listed | None:
    _, found, text = section.text.partition(LIST)
    return read_list(text) if found and section.exit_status == 0 else None


def _not_understood(section: Section) -> str:
    if section.exit_status is None:
        return "the list of modules is too large"
    text = section.text.partition(LIST)[2][-2 * MOST_DETAIL :]
    said = clean(section.stderr, MOST_DETAIL) or clean(text, MOST_DETAIL) or "nothing"
    return f"kpatch list (exit status {section.exit_status}) said: {said}"[:MOST_DETAIL]


def _detail(listed: Listed, facts: Facts, *, comes_back: bool) -> str | None:
    """What is installed for the running kernel and did not get in, and whether anything comes back at boot."""
    idle = idle_modules(listed, facts)
    notes = [f"installed for this kernel and not loaded: {', '.join(idle[:5])}"] if idle else []
    if installed_modules(listed, facts) and not comes_back:
        notes.append("kpatch.service is off: no patch comes back at the next boot")
    return "; ".join(notes)[:MOST_DETAIL] or None


def _not_ready(facts: Facts, action: Action) -> PatchRefused | None:
    """To take something out again it need only be there."""
    tool = facts.tool(NAME)
    if tool is None or tool.state in (ToolState.ABSENT, ToolState.CONTAINER):
        return ToolMissing(f"{NAME} is not on this host")
    if tool.state is ToolState.READY or action is Action.REVERT:
        return None
    if tool.state is ToolState.CONFLICT:
        return ToolConflict(tool.detail or "another live-patch tool patches this kernel")
    return ToolNotReady(f"{NAME} is {tool.state}: {tool.detail or tool.state.value}")
