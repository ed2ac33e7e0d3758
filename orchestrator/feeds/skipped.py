"""What a file says that is none of our business, by kind: counted while it is read, and told in one log line."""

from collections import Counter

import structlog

log = structlog.get_logger()

_MOST_NAMED = 20
"""Different things that are named; a hostile file may have as many as it has lines."""


class Skipped:
    """Counts what was left out. Nothing of it is an error of the file: TEMP- ids, releases that nobody runs."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, what: str = "") -> None:
        """One more. ``what`` names it, where few different ones are to be expected: a codename, an ecosystem."""
        key = (kind, what)
        if key not in self._counts and len(self._counts) >= _MOST_NAMED:
            key = (kind, "others")
        self._counts[key] += 1

    @property
    def counts(self) -> dict[str, int]:
        """``{"temporary id": 12, "unknown release: hamm": 3}``."""
        return {f"{kind}: {what}" if what else kind: count for (kind, what), count in sorted(self._counts.items())}

    def tell(self, feed: str, source: str) -> None:
        """Log it, when the file has been read to its end."""
        if self._counts:
            log.info("feed.skipped", feed=feed, source=source, skipped=self.counts)
