"""What ``kpatch list`` says, in all its versions.

``kpatch/kpatch`` of github.com/dynup/kpatch: names alone until 0.4; ``NAME [STATE]`` and a section of stalled processes
since 0.5; a table of functions since 0.9.11. Modules are installed for any kernel, not the running one alone.
"""

import re
from collections.abc import Iterator

from orchestrator.core.facts import PatchState
from orchestrator.core.model import Frozen
from orchestrator.core.tools import Told

_LOADED, _INSTALLED = "Loaded patch modules:", "Installed patch modules:"
_OTHERS = ("Stalled processes:", "Currently livepatched functions:")
_MOST = 200
_STATES = {
    "enabled": PatchState.APPLIED,
    "enabling...": PatchState.TRANSITIONING,
    "disabled": PatchState.DISABLED,
    "disabling...": PatchState.REVERTING,
}
_ROW = re.compile(r"(?P<name>[A-Za-z0-9][\w.+-]{0,63})(?:\s+\[(?P<state>[^\]\s]{1,20})\])?")
_INSTALLED_ROW = re.compile(r"(?P<name>[A-Za-z0-9][\w.+-]{0,63})\s+\((?P<kernel>[^()\s]{1,100})\)")


class Listed(Frozen):
    """``told``: the loaded modules; ``installed``: module and kernel of each that is installed for the next boot."""

    told: tuple[Told, ...]
    installed: tuple[tuple[str, str], ...]


def read_list(text: str) -> Listed | None:
    """The list; None where it is not whole. A row that makes no sense tells of no patch."""
    sections = _sections(text)
    if _LOADED not in sections or _INSTALLED not in sections:
        return None
    return Listed(told=tuple(_told(sections[_LOADED])), installed=tuple(_installed(sections[_INSTALLED])))


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line in (_LOADED, _INSTALLED, *_OTHERS):
            rows = found.setdefault(line, [])
        elif line and len(rows) < _MOST:
            rows.append(line)
    return found


def _told(rows: list[str]) -> Iterator[Told]:
    """Without a state: an old version, and the kernel alone knows. One that we do not know is no patch in force."""
    for row in rows:
        found = _ROW.fullmatch(row)
        if found is not None:
            state = None if found["state"] is None else _STATES.get(found["state"], PatchState.FAILED)
            yield Told(name=found["name"], state=state)


def _installed(rows: list[str]) -> Iterator[tuple[str, str]]:
    for row in rows:
        found = _INSTALLED_ROW.fullmatch(row)
        if found is not None:
            yield found["name"], found["kernel"]
