"""The ports to the controller's own surroundings: time, concurrency, files, a person watching."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """The controller's time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        ...


class Dispatcher(Protocol):
    """Runs jobs beside each other, at most so many at a time."""

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Queue a job."""
        ...

    def close(self) -> None:
        """Wait for what runs; start nothing more."""
        ...


class ModuleFiles(Protocol):
    """The bytes of catalogued modules."""

    def read(self, patch_id: str, module: str, sha256: str) -> bytes:
        """The module's bytes, their hash checked. Raises `ModuleInvalid`."""
        ...
