"""A host at a glance: what lists and metrics count by, without all that its checks saw."""

from collections.abc import Iterable
from datetime import date

from orchestrator.core.facts import PatchState, Tool
from orchestrator.core.model import Frozen, Moment


class HostGlance(Frozen):
    """A listed host and its last checks.

    ``is_reachable`` None: it was never checked. The rest is of its latest sighting, and None or empty without any:
    ``live_patches`` are the tool and the state of each that it saw; see `covered_until`.
    """

    host_id: str
    name: str
    is_quarantined: bool
    is_reachable: bool | None = None
    last_seen: Moment | None = None
    expected_by: Moment | None = None
    live_patches: tuple[tuple[str, PatchState], ...] = ()
    covered_until: date | None = None

    def is_overdue(self, now: Moment) -> bool:
        """Whether nobody saw it in time."""
        return self.expected_by is None or now > self.expected_by


def covered_until(tools: Iterable[Tool]) -> date | None:
    """The last day on which the running kernel gets live patches, by the tool that lasts longest; None: none told."""
    deep = [tool.deep for tool in tools if tool.deep is not None]
    return max((found.coverage_until for found in deep if found.coverage_until is not None), default=None)
