"""Tracks: what one CVE was found to be under unchanging facts, as the catalogue and the advisories changed."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from orchestrator.core.findings import Finding, Kind, kind_of

EVER = datetime.min.replace(tzinfo=UTC)
"""From when on what the host itself tells holds."""


class Step(NamedTuple):
    """From ``at`` on. ``is_told``: somebody still tells of the CVE; a finding of None then says that nothing can be
    told of this host."""

    at: datetime
    finding: Finding | None
    kind: Kind | None
    is_told: bool


NOTHING = Step(EVER, None, None, False)


class Track:
    """The steps of one CVE under one set of facts, the oldest first; before the first it was not known."""

    __slots__ = ("_of_kinds", "instants", "steps")

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.instants = tuple(step.at for step in steps)
        self._of_kinds: Track | None = None

    @property
    def kinds(self) -> tuple[tuple[datetime, Kind | None, bool], ...]:
        """What windows depend on, comparable: tracks that are equal in it are so at all times."""
        return tuple((one.at, one.kind, one.is_told) for one in self.steps)

    @property
    def of_kinds(self) -> "Track":
        """The same without the steps that change nothing that windows depend on."""
        if self._of_kinds is None:
            kept = [
                one
                for before, one in zip((None, *self.steps), self.steps, strict=False)
                if before is None or (one.kind, one.is_told) != (before.kind, before.is_told)
            ]
            self._of_kinds = self if len(kept) == len(self.steps) else Track(kept)
        return self._of_kinds

    def at(self, moment: datetime) -> Step:
        """What held then."""
        index = bisect_right(self.instants, moment)
        return self.steps[index - 1] if index else NOTHING

    def before(self, moment: datetime) -> Step:
        """What held until then."""
        index = bisect_left(self.instants, moment)
        return self.steps[index - 1] if index else NOTHING

    def within(self, start: datetime, end: datetime, *, last: bool) -> tuple[Step, ...]:
        """The steps after ``start`` and before ``end``; one at the very end only where nothing follows (``last``)."""
        until = bisect_right(self.instants, end)
        if not last:
            while until and self.instants[until - 1] == end:
                until -= 1
        return self.steps[bisect_right(self.instants, start) : until]


def step(at: datetime, finding: Finding | None, *, is_told: bool) -> Step:
    """A step, its kind worked out once."""
    return Step(at, finding, kind_of(finding), is_told)
