"""The controller's clock."""

import time
from datetime import UTC, datetime


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """Aware, UTC."""
        return datetime.now(tz=UTC)

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""
        time.sleep(seconds)
