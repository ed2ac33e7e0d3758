"""The processes of simulated hosts: found by the mark that they carry in their environment, and ended by id."""

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "SIMULATED_ROOT"
"""Every process of a host has this variable: the host's root folder. The stand-in of sudo hands it on."""


def processes_below(folder: Path) -> list[int]:
    """Process ids of the host whose root that is, or of all hosts below it."""
    exact = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(variable == exact or variable.startswith(exact + b"/") for variable in variables):
            found.append(int(entry.name))
    return found


def kill_below(folder: Path, seconds: float = 5.0) -> None:
    """End them all, as a power cut does; those that they start meanwhile too."""
    deadline = time.monotonic() + seconds
    while (found := processes_below(folder)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
