"""The backend ``canonical``: Canonical Livepatch on Ubuntu, by its client ``canonical-livepatch`` (a snap)."""

import re
from collections.abc import Sequence

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.canonical.lines import read_status
from orchestrator.backends.canonical.meanings import failed, kept, pin_of, said, state_of, updates_of
from orchestrator.backends.canonical.pro import read_pro
from orchestrator.backends.canonical.status import NotUnderstood, Running, Status
from orchestrator.backends.pieces import probe_files
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, Facts, PatchState, Pin, Tool, ToolState, Virtualization
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart

NAME = "canonical"
_PROGRAM = "canonical-livepatch"
_PREFIX = "lkp_Ubuntu_"

_TOLD_STATES: dict[str, PatchState | None] = {
    "applied": PatchState.APPLIED,
    "applying": PatchState.TRANSITIONING,
    "apply-failed": PatchState.FAILED,
    "applied-with-bug": PatchState.FAILED,
    "crashed": PatchState.FAILED,
    # No newer ones will come, and the one that is in force stays: which that is, the kernel alone says.
    "kernel-upgrade-required": None,
}
"""What a state of the client says of the patch whose version stands beside it. The others say that there is none."""


def _part(name: str, *, needs_root: bool = False) -> ProbePart:
    script = probe_files(f"{NAME}/{name}")
    return ProbePart(name=f"{NAME}_{name}", script=script, when=f"has_tool {_PROGRAM}", needs_root=needs_root)


class Canonical(VendorTool):
    """Canonical Livepatch. Its patches are for one kernel build, cumulative, and cannot be taken out again."""

    name = NAME
    actions = "canonical/actions"
    capabilities = Capabilities(
        applies=True,
        reverts=False,
        persists=False,
        pins=True,
        needs_module=False,
        tells_updates=True,
        tells_cves=True,
        tells_coverage=True,
    )
    parts = (_part("status"), _part("pin", needs_root=True))
    deep_parts = (_part("pro"),)

    def read(self, seen: Seen) -> ToolReport:
        """The client's word; its modules that the kernel lists are its own also where it says nothing of them."""
        if seen.facts.virtualization is Virtualization.CONTAINER:
            return ToolReport(tool=_tool(ToolState.CONTAINER, "the kernel belongs to the machine that it runs on"))
        section = seen.sections.get("canonical_status")
        if section is None:
            return _without_patch(seen, ToolState.ERROR, "answer incomplete")
        if section.absent:
            return _without_patch(seen, ToolState.ABSENT, None)
        pin = pin_of(seen.sections.get("canonical_pin"))
        if section.exit_status != 0:
            return _with_pin(_without_patch(seen, *failed(section, pin)), pin)
        status = _status(section, seen.facts)
        if isinstance(status, NotUnderstood):
            detail = kept(f"{status.why}: {said(section)}")
            return _with_pin(_without_patch(seen, ToolState.ERROR, detail), pin)
        return _with_pin(_report(status, seen), pin)

    def read_deep(self, seen: Seen) -> Deep | None:
        """What is to be applied, until when the kernel is covered, and what the subscription says."""
        section = seen.sections.get("canonical_status")
        if section is None or section.exit_status is None:
            return None
        status = _status(section, seen.facts) if section.exit_status == 0 else None
        pro = seen.sections.get("canonical_pro")
        subscription = read_pro(pro.text, seen.at) if pro is not None and pro.exit_status == 0 and pro.body else None
        told = status if isinstance(status, Status) else None
        return Deep(
            updates=updates_of(told, pin_of(seen.sections.get("canonical_pin"))) if told else None,
            coverage_until=told.until if told else None,
            state=subscription.state if subscription else None,
            detail=subscription.detail if subscription else None,
        )


def _tool(state: ToolState, detail: str | None) -> Tool:
    return Tool(name=NAME, state=state, detail=detail)


def _without_patch(seen: Seen, state: ToolState, detail: str | None) -> ToolReport:
    """Where the client tells of no patch. One that answers, and not that it is off, may be at work."""
    was_asked = "canonical_status" in seen.sections
    strays = tuple(Told(name=name) for name in _modules(seen.facts))
    return ToolReport(tool=_tool(state, detail), told=strays, is_in_use=was_asked and state is ToolState.ERROR)


def _with_pin(report: ToolReport, pin: Pin | None) -> ToolReport:
    return report.model_copy(update={"tool": report.tool.model_copy(update={"pin": pin})})


def _modules(facts: Facts) -> list[str]:
    return [patch.name for patch in facts.live_patches if patch.name.lower().startswith(_PREFIX.lower())]


def _status(section: Section, facts: Facts) -> Status | NotUnderstood:
    """The lines before the client's own answer are ours: see status.sh."""
    signature, _, rest = section.text.partition("\n")
    answer = rest.partition("\n")[2]
    words = signature.removeprefix("signature=").split()
    release = facts.kernel.running if facts.kernel else None
    running = Running(kernel=words[1] if len(words) > 1 and words[0] == "Ubuntu" else None, release=release)
    return read_status(answer, running)


def _report(status: Status, seen: Seen) -> ToolReport:
    modules = _modules(seen.facts)
    told = _told(status, modules)
    rest = tuple(Told(name=name) for name in modules if told is None or name != told.name)
    state, detail = state_of(status, seen.at.date())
    tool = Tool(name=NAME, state=state, detail=detail, version=status.client, level=_level(status, told, seen.facts))
    return ToolReport(tool=tool, told=((told,) if told else ()) + rest, is_in_use=True)


def _told(status: Status, modules: Sequence[str]) -> Told | None:
    if status.state not in _TOLD_STATES or status.version is None:
        return None
    state = _TOLD_STATES[status.state]
    counts = state in (PatchState.APPLIED, None)
    return Told(
        name=_module(status.kernel, status.version, modules),
        version=status.version,
        state=state,
        cves=status.cves if counts else (),
    )


def _module(kernel: str | None, version: str, modules: Sequence[str]) -> str:
    """``lkp_Ubuntu_``, the kernel's name, and the version up to its first dot: 5.15.0-100.110-generic at 104.1 is
    lkp_Ubuntu_5_15_0_100_110_generic_104. Where the kernel lists another one of that version, it is that."""
    release = version.partition(".")[0]
    name = f"{_PREFIX}{re.sub('[^A-Za-z0-9]', '_', kernel or 'unknown')}_{release}"
    alike = [module for module in modules if module.endswith(f"_{release}")]
    return alike[0] if len(alike) == 1 else name


def _level(status: Status, told: Told | None, facts: Facts) -> str | None:
    if told is None or told.state not in (PatchState.APPLIED, None):
        return None
    in_force = {patch.name for patch in facts.live_patches if patch.state is PatchState.APPLIED}
    return status.version if told.state is PatchState.APPLIED or told.name in in_force else None
