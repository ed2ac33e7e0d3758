"""The backend ``libpulp``: live patches of libraries in running processes, by SUSE's libpulp. State only.

Source: the format strings of https://github.com/SUSE/libpulp, tools/patches.c.
"""

import re
from collections import Counter
from collections.abc import Iterator

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, PatchState, Tool, ToolState, UserspacePatch
from orchestrator.core.model import Frozen
from orchestrator.core.tools import ToolReport
from orchestrator.probe.answer import INCOMPLETE, Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "libpulp"

MOST_PATCHES = 200

_PROCESS = re.compile(r"PID: (?P<pid>[0-9]{1,10}), name: (?P<name>.*)")
_STATUS = re.compile(r"  Livepatching status: (?P<status>\S.*)")
_LIBRARY = re.compile(r"    in (?P<path>/.*?)(?: \([0-9a-f]{8,}\))?(?: \(version [^)]*\))?:")
_PATCH = re.compile(r"      livepatch: (?P<name>\S+?)(?: loaded on .*?)?(?P<labels>\s+bug labels: .*)?")
_LABELS = re.compile(r"\s*bug labels: (?P<labels>.*)")
_CVE = re.compile(r"CVE-\d{4}-\d{4,19}", re.IGNORECASE)


class Carried(Frozen):
    """One live patch in one process. ``labels``: the CVEs among the bugs that it names."""

    target: str
    name: str
    labels: tuple[str, ...] = ()
    is_on: bool


class Libpulp(VendorTool):
    """libpulp. It patches no kernel, and shares a host with every tool."""

    name = NAME
    capabilities = Capabilities(
        applies=False, reverts=False, persists=False, pins=False, needs_module=False, tells_cves=True
    )
    parts = tuple(
        ProbePart(
            name=name,
            script=probe_function("libpulp/probe", name),
            when="has_tool ulp",
            needs_root=name == "libpulp_processes",
        )
        for name in ("libpulp_there", "libpulp_processes")
    )
    deep_parts: tuple[ProbePart, ...] = ()

    def read(self, seen: Seen) -> ToolReport:
        """Each live patch once, with the number of processes that carry it."""
        there, processes = (seen.sections.get(name) for name in ("libpulp_there", "libpulp_processes"))
        if processes is not None and not processes.absent:
            return _told(processes)
        if processes is not None or (there is not None and there.absent):
            return _report(ToolState.ABSENT)
        if seen.root_lacks in (None, INCOMPLETE):
            return _report(ToolState.ERROR, "answer incomplete")
        return _report(ToolState.ERROR, f"what processes carry needs root ({seen.root_lacks})")

    def read_deep(self, seen: Seen) -> Deep | None:  # noqa: ARG002 - the protocol's
        """Nothing: it has no deep parts."""
        return None


def _told(section: Section) -> ToolReport:
    """``ulp patches`` exits 1 where one of the processes could not be looked into: the others count."""
    carried = list(read_patches(section.text))
    has_processes = any(_PROCESS.fullmatch(line) for line in section.text.splitlines())
    is_empty = section.exit_status == 0 and not section.text.strip() and not section.stderr
    if not has_processes and not is_empty:
        said = clean(" ".join(filter(None, (clean(section.text, 300), section.stderr))), 300)
        return _report(ToolState.ERROR, said or f"ulp ended with exit status {section.exit_status}")
    detail = None if section.exit_status == 0 else "some processes could not be looked into"
    return _report(ToolState.READY, detail, patches=_counted(carried))


def read_patches(text: str) -> Iterator[Carried]:
    """Every live patch of every process. Old versions print no status, and put the labels of bugs on the line of the
    patch itself where it has no time of loading; a last line without an end was cut off."""
    target, is_on, pending = "", True, None
    for raw in text.rpartition("\n")[0].split("\n"):
        line = raw[:2000].rstrip()
        labels = _LABELS.fullmatch(line)
        if labels is not None and pending is not None:
            pending = pending.model_copy(update={"labels": _cves(labels["labels"])})
            continue
        if pending is not None:
            yield pending
            pending = None
        if _PROCESS.fullmatch(line):
            target, is_on = "", True
        elif (status := _STATUS.fullmatch(line)) is not None:
            is_on = status["status"] == "enabled"
        elif (library := _LIBRARY.fullmatch(line)) is not None:
            target = library["path"].rpartition("/")[2]
        elif target and (patch := _PATCH.fullmatch(line)) is not None:
            pending = _carried(target, patch, is_on)
    if pending is not None:
        yield pending


def _carried(target: str, patch: re.Match[str], is_on: bool) -> Carried:
    name = clean(patch["name"].rpartition("/")[2].removesuffix(".so"), 200)
    return Carried(target=clean(target, 200), name=name, labels=_cves(patch["labels"] or ""), is_on=is_on)


def _cves(labels: str) -> tuple[str, ...]:
    return tuple(sorted({one.upper() for one in labels.split() if _CVE.fullmatch(one)}))


def _counted(carried: list[Carried]) -> tuple[UserspacePatch, ...]:
    counts = Counter(carried)
    found = sorted(counts, key=lambda one: (one.target, one.name, one.is_on, one.labels))[:MOST_PATCHES]
    return tuple(
        UserspacePatch(
            tool=NAME,
            target=one.target,
            version=one.name,
            state=PatchState.APPLIED if one.is_on else PatchState.DISABLED,
            processes=counts[one],
            cves=one.labels if one.is_on else (),
        )
        for one in found
    )


def _report(state: ToolState, detail: str | None = None, *, patches: tuple[UserspacePatch, ...] = ()) -> ToolReport:
    tool = Tool(name=NAME, state=state, detail=detail)
    return ToolReport(tool=tool, excludes=False, userspace_patches=patches)
