"""How long a host was exposed to anything at all: overlapping stretches of time count once."""

from array import array
from collections.abc import Iterator, Sequence

_MOST = 1_024
"""Numbers that are kept before stretches that touch are joined."""

Stretch = tuple[float, float]
"""From when to when, in seconds since 1970."""


class ExposedTime:
    """The union of stretches of time."""

    __slots__ = ("_ends", "_join_at")

    def __init__(self) -> None:
        self._ends = array("d")
        self._join_at = _MOST

    def add(self, stretch: Stretch) -> None:
        """Take in one; an empty one or one that ends before it begins is none."""
        if stretch[0] >= stretch[1]:
            return
        self._ends.extend(stretch)
        if len(self._ends) >= self._join_at:
            self._ends = array("d", [end for joined in self.joined() for end in joined])
            # What cannot be joined may grow: or every one more would join all of them again.
            self._join_at = max(_MOST, 2 * len(self._ends))

    def include(self, other: "ExposedTime") -> None:
        """Take in all that the other has."""
        for stretch in other.joined():
            self.add(stretch)

    def seconds(self) -> float:
        """In all."""
        return sum(end - start for start, end in self.joined())

    def joined(self) -> Iterator[Stretch]:
        """In order, none of them touching the next."""
        last: Stretch | None = None
        for start, end in sorted(zip(self._ends[::2], self._ends[1::2], strict=True)):
            if last is not None and start <= last[1]:
                last = (last[0], max(last[1], end))
                continue
            if last is not None:
                yield last
            last = (start, end)
        if last is not None:
            yield last


def without(stretch: Stretch, gaps: Sequence[Stretch]) -> Iterator[Stretch]:
    """What is left of a stretch outside gaps, which are in order and do not overlap."""
    start, end = stretch
    for gap_start, gap_end in gaps:
        if gap_end <= start or gap_start >= end:
            continue
        if gap_start > start:
            yield start, gap_start
        start = gap_end
    if start < end:
        yield start, end
