"""The exposure report as programs read it: one JSON document, or one flat row per line."""

from collections.abc import Iterator
from typing import Any

from orchestrator.core.exposure_counts import ClockSummary, ExposureRow
from orchestrator.core.exposure_states import ClosedBy, ExposureClock
from orchestrator.core.exposure_summary import ExposureSummary
from orchestrator.core.host_view import moment

Json = dict[str, Any]

COUNTS = ("open", "breached", "due_soon", "accepted", "unknown", "closed", "withdrawn", "host_replaced")
METHODS = tuple(method for method in ClosedBy if method.is_fix)
DAYS = ("exposed_host_days", "exposed_cve_days")


def summary_document(summary: ExposureSummary) -> Json:
    """One JSON document. Durations are seconds, null where none can be told; ``by`` is null without rows."""
    asked = summary.asked
    return {
        "from": moment(asked.period.start),
        "to": moment(asked.period.end),
        "as_of": moment(summary.now),
        "by": asked.by and asked.by.value,
        "severities": sorted(severity.value for severity in asked.severities),
        "kev": asked.kev_only,
        "total": _row(summary.total),
        "rows": [{"key": row.key, **_row(row)} for row in summary.rows],
    }


def _row(row: ExposureRow) -> Json:
    return {
        **{name: getattr(row, name) for name in COUNTS},
        "methods": {method.value: row.methods.get(method, 0) for method in METHODS},
        "time_to_patch": {clock.value: _clock(found) for clock, found in row.time_to_patch.items()},
        "hosts": row.hosts,
        "reboots_avoided": row.reboots_avoided,
        **{name: round(getattr(row, name), 4) for name in DAYS},
    }


def _clock(found: ClockSummary) -> Json:
    seconds = {"median": found.median, "p90": found.p90, "max": found.max}
    told = {f"{name}_seconds": None if value is None else round(value, 3) for name, value in seconds.items()}
    return {"windows": found.windows, "untold": found.untold, **told}


def flat_rows(summary: ExposureSummary) -> Iterator[dict[str, object]]:
    """The total, and then each row, with the same columns in the same order. None: cannot be told."""
    by = summary.asked.by
    yield _flat("total", None, summary.total)
    for row in summary.rows:
        yield _flat(by.value if by is not None else "", row.key, row)


def _flat(by: str, key: str | None, row: ExposureRow) -> dict[str, object]:
    found = _row(row)
    methods, clocks = found.pop("methods"), found.pop("time_to_patch")
    flat: dict[str, object] = {"by": by, "key": key, **{name: found[name] for name in COUNTS}}
    flat |= {f"closed_by_{method}": count for method, count in methods.items()}
    for clock in ExposureClock:
        flat |= {f"{clock.value}_{name}": value for name, value in clocks[clock.value].items()}
    return flat | {name: found[name] for name in ("hosts", "reboots_avoided", *DAYS)}
