"""The dispatcher for one machine: a bounded pool of threads."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class ThreadDispatcher:
    """Runs at most ``forks`` jobs at a time; the rest wait in the order they came."""

    def __init__(self, forks: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=forks, thread_name_prefix="patchwave")

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Queue a job."""
        return self._pool.submit(job)

    def close(self) -> None:
        """Wait for what runs; what has not begun is cancelled."""
        self._pool.shutdown(wait=True, cancel_futures=True)
