"""Processes that a lab started, known by id and start time: the id alone may be somebody else's by now."""

import contextlib
import os
import signal
import time
from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since the boot of this machine (proc(5), field 22 of stat); None when
    there is none, or only its remains that nobody has waited for.

    While other threads of a killed process still end, its first one looks dead, but its ports are not free yet.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, started = fields[0], int(fields[17]), int(fields[19])  # proc(5) counts from 1, and from the pid
    return None if state in {"Z", "X"} and threads <= 1 else started


def is_alive(pid: int, started: int) -> bool:
    """Whether the very process that started then still runs."""
    return start_ticks(pid) == started


def end(pid: int, started: int, number: signal.Signals, *, seconds: float) -> bool:
    """Send a signal to that very process, if it runs; whether it is gone by then."""
    deadline = time.monotonic() + seconds
    if is_alive(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    while is_alive(pid, started) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_alive(pid, started)
