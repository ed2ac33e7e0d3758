"""A host at a glance: what lists and metrics count by, without all that its checks saw."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from orchestrator.core.facts import PatchState, Tool


class HostGlance(NamedTuple):
    """A listed host and its last checks. There are as many as hosts, and every scrape makes them: none is validated.

    ``is_reachable`` None: it was never checked. The rest is of its latest sighting, and None or empty without any:
    ``live_patches`` are the tool and the state of each that it saw; see `covered_until`.
    """

    host_id: str
    name: str
    is_quarantined: bool
    is_reachable: bool | None = None
    last_seen: datetime | None = None
    expected_by: datetime | None = None
    live_patches: tuple[tuple[str, PatchState], ...] = ()
    covered_until: date | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether nobody saw it in time."""
        return self.expected_by is None or now > self.expected_by


def covered_until(tools: Iterable[Tool]) -> date | None:
    """The last day on which the running kernel gets live patches, by the tool that lasts longest; None: none told."""
    deep = [tool.deep for tool in tools if tool.deep is not None]
    return max((found.coverage_until for found in deep if found.coverage_until is not None), default=None)
