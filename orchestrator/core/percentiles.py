"""Percentiles of many durations that come one after the other, in bounded memory."""

from array import array
from collections.abc import Sequence
from itertools import chain

EXACT = 16_384
"""Durations that are kept as they came. What is more is merged, and then rounded if that is not enough."""


class Batch:
    """Some durations in seconds, each so many times, made once for all that they are to be added to. ``pairs`` are
    durations, each with how many times before the next, the longest first; ``count`` is all the times together."""

    __slots__ = ("count", "pairs")

    def __init__(self, pairs: Sequence[float], count: int) -> None:
        self.pairs, self.count = pairs, count


class Durations:
    """Durations in seconds, each so many times.

    Up to `EXACT` different ones every percentile is exact; beyond, those kept before are rounded to three digits, so
    that a percentile is off by 0.5 % at most. ``count`` and ``most`` are always exact.
    """

    __slots__ = ("count", "kept", "most")

    def __init__(self) -> None:
        self.kept = array("d")
        self.count = 0
        self.most: float | None = None

    def add(self, batch: Batch) -> None:
        """Take in all of these."""
        if not batch.count:
            return
        self._take(batch.pairs, batch.count, batch.pairs[0])

    def include(self, other: "Durations") -> None:
        """Take in all that the other has."""
        if other.most is not None:
            self._take(other.kept, other.count, other.most)

    def _take(self, pairs: Sequence[float], count: int, most: float) -> None:
        self.kept.extend(pairs)
        self.count += count
        if self.most is None or most > self.most:
            self.most = most
        if len(self.kept) >= 4 * EXACT:
            self._shrink()

    def percentile(self, percent: int) -> float | None:
        """The nearest rank: the least duration that at least so many percent are not longer than. None without any."""
        return self.percentiles(percent)[0]

    def percentiles(self, *percents: int) -> tuple[float | None, ...]:
        """The same for several, in one pass for each."""
        ordered = sorted(self._merged().items())
        return tuple(self._at_rank(ordered, -(-self.count * percent // 100)) for percent in percents)

    def _at_rank(self, ordered: list[tuple[float, float]], rank: int) -> float | None:
        reached = 0.0
        for seconds, times in ordered:
            reached += times
            if reached >= rank:
                return seconds
        return None

    def _merged(self) -> dict[float, float]:
        found: dict[float, float] = {}
        for seconds, times in zip(self.kept[::2], self.kept[1::2], strict=True):
            found[seconds] = found.get(seconds, 0.0) + times
        return found

    def _shrink(self) -> None:
        merged = self._merged()
        if len(merged) > EXACT:
            exact, merged = merged, {}
            for seconds, times in exact.items():
                near = float(f"{seconds:.2e}")
                merged[near] = merged.get(near, 0.0) + times
        self.kept = array("d", chain.from_iterable(merged.items()))
