"""A process is known by its id and its start, and ended as exactly that."""

import os
import signal
import subprocess

from orchestrator.lab.processes import end, is_alive, start_ticks


def test_a_process_is_known_by_its_start_time() -> None:
    """The same number with another start time is somebody else's process."""
    started = start_ticks(os.getpid())
    assert started is not None
    assert (True, False) == (is_alive(os.getpid(), started), is_alive(os.getpid(), started + 1))


def test_a_process_that_ended_is_not_alive() -> None:
    """Neither is one that nobody has waited for yet."""
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_ticks(child.pid) is None
    assert start_ticks(child.pid) is None


def test_that_process_is_ended_and_no_other() -> None:
    """A process with the number but another start time is left alone, and counts as gone."""
    with subprocess.Popen(["sleep", "60"]) as child:
        started = start_ticks(child.pid)
        assert started is not None
        assert end(child.pid, started - 1, signal.SIGTERM, seconds=5)
        assert child.poll() is None
        assert end(child.pid, started, signal.SIGTERM, seconds=5)
        assert child.wait() == -signal.SIGTERM


def test_a_process_that_does_not_end_in_time_is_told() -> None:
    """It may take the signal as it likes: the next one is the caller's to send."""
    program = "trap '' TERM; echo ready; while :; do sleep 1; done"
    with subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        assert b"ready\n" == child.stdout.readline()
        started = start_ticks(child.pid)
        assert started is not None
        assert not end(child.pid, started, signal.SIGTERM, seconds=0.2)
        assert end(child.pid, started, signal.SIGKILL, seconds=5)
