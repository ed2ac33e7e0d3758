"""What the service does by itself: check the fleet when it is due, and drive the rollouts that nobody else drives."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from orchestrator.errors import PatchwaveError
from orchestrator.ports.runtime import Clock

log = structlog.get_logger()


@dataclass(kw_only=True)
class Every:
    """A job with an interval. ``run`` may fail: that is logged, and it is tried again at the next interval."""

    name: str
    interval: timedelta
    run: Callable[[], None]
    due_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether it should run now; a job that never ran is due."""
        return self.due_at is None or now >= self.due_at

    def attempt(self, now: datetime) -> None:
        """Run it and set when it is due next, counted from its start."""
        self.due_at = now + self.interval
        try:
            self.run()
        except PatchwaveError as exc:
            log.warning("job failed", job=self.name, error=exc.code, detail=str(exc))
        except Exception:
            log.exception("job failed", job=self.name)


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
        """Ask the threads to end after what they are at, and wait for them for a while."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout)

    def _loop(self, job: Every) -> None:
        while not self._stop.is_set():
            now = self.clock.now()
            if job.is_due(now):
                job.attempt(now)
            self._stop.wait(self.tick)
