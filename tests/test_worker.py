"""What the service does by itself: on time, beside each other, and without filling the log."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.errors import LeaseHeld, NotAvailable
from orchestrator.worker import TELL_AGAIN, Engines, Every, Worker
from tests.fakes.clock import FakeClock

SOON = 5.0
"""Seconds that something may take which takes none."""


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What is logged."""
    with capture_logs() as entries:
        yield entries


class Job:
    """A job that fails when told to."""

    def __init__(self) -> None:
        self.clock, self.runs = FakeClock(), 0
        self.fails_with: Exception | None = None
        self.every = Every(name="job", interval=timedelta(seconds=10), run=self.run)

    def run(self) -> None:
        """Count, and fail if told to."""
        self.runs += 1
        if self.fails_with is not None:
            raise self.fails_with

    def pass_time(self, seconds: float, times: int = 1) -> None:
        """Look after so many seconds, so many times."""
        for _ in range(times):
            self.clock.advance(seconds)
            if self.every.is_due(self.clock.now()):
                self.every.attempt(self.clock.now())


def test_a_job_runs_at_once_and_then_at_its_interval() -> None:
    """Counted from its start."""
    job = Job()
    runs = []
    for _ in range(25):
        job.pass_time(1)
        runs.append(job.runs)
    assert [1] * 10 + [2] * 10 + [3] * 5 == runs


@pytest.mark.parametrize("error", [NotAvailable("no database"), ValueError("a bug")])
def test_a_failing_job_is_tried_again_and_told_of_once(logged: list[Any], error: Exception) -> None:
    """Then every ten minutes, with how often it was; then once that it is over."""
    job = Job()
    job.fails_with = error

    job.pass_time(10, times=50)
    assert (50, ["job failed"]) == (job.runs, [entry["event"] for entry in logged])
    job.pass_time(10, times=int(TELL_AGAIN.total_seconds() / 10))
    assert [None, 60] == [entry.get("repeated") for entry in logged]
    job.fails_with = None
    job.pass_time(10, times=3)
    assert ["job failed", "job failed", "job works again"] == [entry["event"] for entry in logged]


def test_another_failure_is_news(logged: list[Any]) -> None:
    """What is told once is each failure, not the fact that something fails."""
    job = Job()
    for text in ("one", "one", "two", "one"):
        job.fails_with = NotAvailable(text)
        job.pass_time(10)
    assert ["one", "two", "one"] == [entry["detail"] for entry in logged]


class Driven:
    """Engines over rollouts that rest only when told to."""

    def __init__(self, *rollouts: str) -> None:
        self.rollouts = list(rollouts)
        self.began: list[str] = []
        self.entered = threading.Semaphore(0)
        self.engines = Engines(undriven=lambda: self.rollouts, drive=self.drive, clock=FakeClock())

    def drive(self, rollout: str, stop: Callable[[], bool]) -> None:
        """Until told to stop."""
        self.began.append(rollout)
        self.entered.release()
        waiting = threading.Event()
        while not stop():
            waiting.wait(0.001)


def test_rollouts_are_driven_beside_each_other() -> None:
    """One that soaks for hours does not hold up another; each has one engine here, however often one looks."""
    driven = Driven("r1", "r2")
    for _ in range(3):
        driven.engines.look()
    assert all(driven.entered.acquire(timeout=SOON) for _ in range(2))
    driven.engines.stop(SOON)
    assert ["r1", "r2"] == sorted(driven.began)


def test_stopped_engines_take_up_nothing_more() -> None:
    """The service is going."""
    driven = Driven("r1")
    driven.engines.stop(SOON)
    driven.engines.look()
    assert [] == driven.began


def test_an_engine_that_fails_is_told_of_once(logged: list[Any]) -> None:
    """One that another engine kept out is no warning."""
    ended = threading.Semaphore(0)

    def kept_out(rollout: str, stop: Callable[[], bool]) -> None:
        ended.release()
        raise LeaseHeld("somebody has it")

    engines = Engines(undriven=lambda: ["r1"], drive=kept_out, clock=FakeClock())
    for _ in range(3):
        engines.look()
        assert ended.acquire(timeout=SOON)
        engines._threads["r1"].join(SOON)

    assert [("left to its engine", "info")] == [(entry["event"], entry["log_level"]) for entry in logged]


def test_a_worker_runs_its_jobs_in_threads_of_their_own_and_stops() -> None:
    """A long check does not hold up a rollout."""
    release, ran = threading.Event(), threading.Event()

    def take_long() -> None:
        release.wait(SOON)

    long = Every(name="long", interval=timedelta(hours=1), run=take_long)
    short = Every(name="short", interval=timedelta(hours=1), run=ran.set)
    worker = Worker(jobs=(long, short), clock=FakeClock(), tick=0.001)

    worker.start()
    assert ran.wait(SOON)
    release.set()
    worker.stop(SOON)

    assert not [thread for thread in worker._threads if thread.is_alive()]
