"""Dispatchers without threads, so that every run of a test takes the same order."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class InlineDispatcher:
    """Runs a job at once, in the caller's thread. What is no `Exception` (a kill) goes through to the caller."""

    def submit(self, job: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        _run(job, future)
        return future

    def close(self) -> None:
        """Nothing waits."""


class HeldDispatcher:
    """Keeps jobs until it is told to run them."""

    def __init__(self) -> None:
        self._held: list[tuple[Callable[[], Any], Future[Any]]] = []

    def __len__(self) -> int:
        return len(self._held)

    def submit(self, job: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._held.append((job, future))
        return future

    def run_all(self) -> None:
        """Run what is held now."""
        held, self._held = self._held, []
        for job, future in held:
            _run(job, future)

    def close(self) -> None:
        """Nothing waits."""


def _run(job: Callable[[], T], future: Future[T]) -> None:
    try:
        future.set_result(job())
    except Exception as exc:
        future.set_exception(exc)
