"""Time that passes when it is told to."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """`ports.runtime.Clock`: sleeping takes no time, and the time is later afterwards. ``slept`` adds it up."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self.slept = 0.0

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._now += timedelta(seconds=seconds)
