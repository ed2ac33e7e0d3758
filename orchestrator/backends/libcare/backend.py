"""The backend ``libcare``: live patches of libraries in running processes, by LibCare. State only."""

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.libcare.answers import PatchedObject, read_cve_list, read_patch_info, read_processes
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, PatchState, Tool, ToolState, UserspacePatch
from orchestrator.core.tools import ToolReport
from orchestrator.probe.answer import INCOMPLETE, Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "libcare"

ANY_LIBRARY = "any library"
"""The target of the CVEs that are fixed: LibCare does not say in which library."""

_CACHE = "$root/var/cache/kcare"
_THERE = f'has_tool kcarectl && [ -e "{_CACHE}/libcare_cvelist" -o -d "{_CACHE}/userspace" ] || has_tool libcare-ctl'
"""KernelCare brings LibCare to every host; where it was never switched on, there is nothing of it in the cache."""


def _part(name: str, when: str = _THERE, *, needs_root: bool = True) -> ProbePart:
    return ProbePart(name=name, script=probe_function("libcare/probe", name), when=when, needs_root=needs_root)


class LibCare(VendorTool):
    """LibCare, of KernelCare or by itself. It patches no kernel, and shares a host with every tool."""

    name = NAME
    capabilities = Capabilities(
        applies=False, reverts=False, persists=False, pins=False, needs_module=False, tells_cves=True
    )
    parts = (
        _part("libcare_there", needs_root=False),
        _part("libcare_processes"),
        _part("libcare_cves", f'[ -e "{_CACHE}/libcare_cvelist" ]'),
        _part(
            "libcare_patch_info",
            f'has_tool kcarectl && [ -d "{_CACHE}/userspace" ] && [ ! -e "{_CACHE}/libcare_cvelist" ]',
        ),
    )
    deep_parts: tuple[ProbePart, ...] = ()

    def read(self, seen: Seen) -> ToolReport:
        """Each patched library once, with the number of processes that carry the patch."""
        there, processes = (seen.sections.get(name) for name in ("libcare_there", "libcare_processes"))
        if processes is not None and processes.absent:
            return _report(ToolState.ABSENT)
        if processes is None:
            return _unread(seen, there)
        objects = read_processes(processes)
        if objects is None or (processes.exit_status != 0 and not objects):
            said = clean(" ".join(filter(None, (clean(processes.text, 300), processes.stderr))), 300)
            return _report(ToolState.ERROR, said or f"LibCare's tool ended with exit status {processes.exit_status}")
        return _report(ToolState.READY, patches=_patches(objects, _cves(seen)))

    def read_deep(self, seen: Seen) -> Deep | None:  # noqa: ARG002 - the protocol's
        """Nothing: it has no deep parts."""
        return None


def _unread(seen: Seen, there: Section | None) -> ToolReport:
    if there is not None and there.absent:
        return _report(ToolState.ABSENT)
    if seen.root_lacks in (None, INCOMPLETE):
        return _report(ToolState.ERROR, "answer incomplete")
    return _report(ToolState.ERROR, f"what processes carry needs root ({seen.root_lacks})")


def _cves(seen: Seen) -> tuple[str, ...]:
    listed, info = (seen.sections.get(name) for name in ("libcare_cves", "libcare_patch_info"))
    if listed is not None and not listed.absent and listed.exit_status == 0:
        return read_cve_list(listed)
    if info is not None and not info.absent and info.exit_status == 0:
        return read_patch_info(info)
    return ()


def _patches(objects: tuple[PatchedObject, ...], cves: tuple[str, ...]) -> tuple[UserspacePatch, ...]:
    found = tuple(
        UserspacePatch(tool=NAME, target=one.name, version=one.level, state=PatchState.APPLIED, processes=one.processes)
        for one in objects
    )
    fixing = UserspacePatch(tool=NAME, target=ANY_LIBRARY, state=PatchState.APPLIED, cves=cves)
    return (*found, fixing) if found and cves else found


def _report(state: ToolState, detail: str | None = None, *, patches: tuple[UserspacePatch, ...] = ()) -> ToolReport:
    tool = Tool(name=NAME, state=state, detail=detail)
    return ToolReport(tool=tool, excludes=False, userspace_patches=patches)
