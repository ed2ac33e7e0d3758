"""The backend ``userspace``: processes that still run libraries or programs which are gone from the disk. State only.

The answer of needrestart and checkrestart, from /proc alone, so that no host needs either: a file that was upgraded is
another one than what older processes have in memory. What these two leave out is left out here, too: mappings that are
not executable, and files that no package brings.
"""

import re
from collections import Counter

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, OutdatedProcess, Tool, ToolState
from orchestrator.core.tools import ToolReport
from orchestrator.probe.answer import INCOMPLETE
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "userspace"

MOST_PROGRAMS = 200
MOST_LIBRARIES = 50

_PIECES = ("userspace_outdated", "userspace_maps", "userspace_files", "userspace_names", "userspace_print")
_LINE = re.compile(r" *(?P<count>[0-9]{1,9}) (?P<command>[^\t]*)\t(?P<files>.*)")
_LONGEST_LINE = 1500
"""As the script cuts them, counted in bytes: the last file of such a line may not be whole."""

_UPGRADING = re.compile(r"(?:;[0-9a-f]{8}|\.#prelink#\.\w+|\.dpkg-(?:new|tmp))$")
"""What rpm, prelink and dpkg put behind a file's name while they replace it."""


class Userspace(VendorTool):
    """Every host has it: it is /proc. It patches nothing."""

    name = NAME
    capabilities = Capabilities(applies=False, reverts=False, persists=False, pins=False, needs_module=False)
    parts: tuple[ProbePart, ...] = ()
    deep_parts = (
        ProbePart(
            name="userspace_outdated",
            script="\n".join(probe_function("userspace/probe", name) for name in _PIECES),
            needs_root=True,
        ),
    )

    def read(self, seen: Seen) -> ToolReport:  # noqa: ARG002 - the protocol's
        """Nothing that an ordinary check could tell."""
        return ToolReport(tool=Tool(name=NAME, state=ToolState.READY), excludes=False)

    def read_deep(self, seen: Seen) -> Deep:
        """The programs that run files which are gone. ``outdated`` None: it could not be told, and why is in the
        detail."""
        section = seen.sections.get("userspace_outdated")
        if section is None:
            lacks = seen.root_lacks
            return Deep(detail="answer incomplete" if lacks in (None, INCOMPLETE) else f"needs root ({lacks})")
        lines = section.text.split("\n")
        if section.exit_status != 0 or "end" not in lines:
            return Deep(detail=clean(section.stderr, 300) or "answer incomplete")
        return Deep(outdated=_outdated(lines), detail=clean(section.stderr, 300) or None)


def _outdated(lines: list[str]) -> tuple[OutdatedProcess, ...]:
    counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is not None:
            counts[_program(found["command"], _files(line, found["files"]))] += int(found["count"])
    programs = sorted(program for program in counts if program[1])[:MOST_PROGRAMS]
    return tuple(OutdatedProcess(command=name, libraries=files, count=counts[name, files]) for name, files in programs)


def _program(command: str, files: list[str]) -> tuple[str, tuple[str, ...]]:
    plain = {clean(_UPGRADING.sub("", file), 300) for file in files}
    return clean(command, 64) or "unknown", tuple(sorted(plain - {""}))[:MOST_LIBRARIES]


def _files(line: str, files: str) -> list[str]:
    found = files.split("\t")
    is_cut = len(line.encode()) >= _LONGEST_LINE and len(found) > 1
    return found[:-1] if is_cut else found
