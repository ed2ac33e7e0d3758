"""What the service does by itself: check the fleet when it is due, and drive the rollouts that nobody else drives."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orchestrator.errors import Conflict, PatchwaveError
from orchestrator.ports.runtime import Clock

log = structlog.get_logger()

TELL_AGAIN = timedelta(minutes=10)
"""After which a failure that goes on is logged once more."""


@dataclass(kw_only=True)
class Failures:
    """Which failures were logged.

    One that repeats itself is told of once, then every ten minutes, then when it is over: a job that runs every two
    seconds must not fill the disk because a database is away for a night.
    """

    tell_again: timedelta = TELL_AGAIN
    _told: dict[str, tuple[str, datetime, int]] = field(default_factory=dict)

    def failed(self, name: str, exc: Exception, now: datetime) -> None:
        """Log it, unless it was just said."""
        what = f"{type(exc).__name__}: {exc}"
        told, at, unsaid = self._told.get(name, ("", now, 0))
        if told == what and now < at + self.tell_again:
            self._told[name] = (told, at, unsaid + 1)
            return
        self._told[name] = (what, now, 0)
        repeated = {"repeated": unsaid + 1} if told == what else {}
        if isinstance(exc, Conflict):
            log.info("left to its engine", job=name, error=exc.code, detail=str(exc), **repeated)
        elif isinstance(exc, PatchwaveError):
            log.warning("job failed", job=name, error=exc.code, detail=str(exc), **repeated)
        else:
            log.error("job failed", job=name, exc_info=exc, **repeated)

    def worked(self, name: str) -> None:
        """Say that it is over, if there was anything."""
        if self._told.pop(name, None) is not None:
            log.info("job works again", job=name)


@dataclass(kw_only=True)
class Every:
    """A job with an interval. ``run`` may fail: that is logged, and it is tried again at the next interval."""

    name: str
    interval: timedelta
    run: Callable[[], None]
    due_at: datetime | None = None
    failures: Failures = field(default_factory=Failures)

    def is_due(self, now: datetime) -> bool:
        """Whether it should run now; a job that never ran is due."""
        return self.due_at is None or now >= self.due_at

    def attempt(self, now: datetime) -> None:
        """Run it and set when it is due next, counted from its start."""
        self.due_at = now + self.interval
        try:
            self.run()
        except Exception as exc:
            self.failures.failed(self.name, exc, now)
        else:
            self.failures.worked(self.name)


@dataclass(kw_only=True)
class Engines:
    """Drives each rollout in a thread of its own, so that one that soaks for hours does not hold up another.

    ``undriven`` lists the rollouts that want an engine; ``drive`` drives one to where it rests, or until its second
    argument says stop.
    """

    undriven: Callable[[], Sequence[str]]
    drive: Callable[[str, Callable[[], bool]], object]
    clock: Clock
    failures: Failures = field(default_factory=Failures)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: dict[str, threading.Thread] = field(default_factory=dict)

    def look(self) -> None:
        """Start an engine for each rollout that wants one and has none here."""
        self._threads = {key: thread for key, thread in self._threads.items() if thread.is_alive()}
        for rollout_id in self.undriven():
            if rollout_id not in self._threads and not self._stop.is_set():
                thread = threading.Thread(
                    target=self._run, args=(rollout_id,), name=f"engine-{rollout_id}", daemon=True
                )
                self._threads[rollout_id] = thread
                thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """Ask every engine to give its rollout up between two steps, and wait for that for a while."""
        self._stop.set()
        until = time.monotonic() + timeout
        for thread in self._threads.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self, rollout_id: str) -> None:
        with structlog.contextvars.bound_contextvars(rollout=rollout_id):
            try:
                self.drive(rollout_id, self._stop.is_set)
            except Exception as exc:
                self.failures.failed(rollout_id, exc, self.clock.now())
            else:
                self.failures.worked(rollout_id)


@dataclass(kw_only=True)
class Worker:
    """One thread per job, so that a long check of the fleet does not hold up a rollout."""

    jobs: tuple[Every, ...]
    clock: Clock
    tick: float = 0.5
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start the threads."""
        for job in self.jobs:
            thread = threading.Thread(target=self._loop, args=(job,), name=f"patchwave-{job.name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout: float = 10.0) -> None:
        """Ask the threads to end after what they are at, and wait for that for a while."""
        self._stop.set()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _loop(self, job: Every) -> None:
        while not self._stop.is_set():
            now = self.clock.now()
            if job.is_due(now):
                job.attempt(now)
            self._stop.wait(self.tick)
