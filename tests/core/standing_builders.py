"""Per-CVE exposures grouped into standings, to hold grouping against what it came from."""

from collections import defaultdict
from collections.abc import Iterable

from orchestrator.core.standing_groups import mark_of, span_of
from orchestrator.core.standings import Mark, Standing
from orchestrator.core.windows import Exposure


def standings_of(exposures: Iterable[Exposure]) -> tuple[Standing, ...]:
    """Exposures that share everything but CVE and dates, together; `core.standings.exposures` takes them apart again.

    A window does not say where its gaps were, only how much of them each clock had: they are put where that is so.
    """
    found: defaultdict[Standing, list[Mark]] = defaultdict(list)
    for one in exposures:
        shared = Standing(
            host_id=one.host_id,
            severity=one.severity,
            state=one.state,
            reason=one.reason,
            remedy=one.remedy,
            since=one.since,
            spans=tuple(span_of(window) for window in one.windows),
            unknown_seconds=one.unknown_seconds,
            is_over=one.is_over,
            marks=(),
        )
        found[shared].append(mark_of(one.cve, one.windows))
    return tuple(
        shared.model_copy(update={"marks": tuple(sorted(marks, key=lambda mark: mark.cve))})
        for shared, marks in found.items()
    )
