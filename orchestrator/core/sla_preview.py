"""What another policy would change: due dates of open windows, counted, before anybody decides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.host_view import moment
from orchestrator.core.identity import HostRecord
from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Severity
from orchestrator.core.sla import SlaState, due_at, sla_state
from orchestrator.core.sla_policy import Levels, Policy
from orchestrator.core.standings import Mark, Span, Standing

LISTED = 50
"""Windows that a preview names; it counts all."""


class Shift(Meaning):
    """What becomes of the due date of an open window."""

    SAME = "same", "It stays."
    EARLIER = "earlier", "It is due earlier."
    LATER = "later", "It is due later."
    DATED = "dated", "It had no due date, and gets one."
    UNDATED = "undated", "It loses its due date."


class Breach(Frozen):
    """A window that would be overdue at once."""

    host: str
    cve: str
    severity: Severity
    due_at: Moment


class Preview(Frozen):
    """Open windows of listed hosts, counted. ``shifts`` by severity; ``breached`` those that would be overdue and are
    not, ``relieved`` those that are and would not be, accepted risks left out of both; ``examples`` the first of the
    breached by host and CVE, at most `LISTED`."""

    shifts: Mapping[Severity, Mapping[Shift, int]]
    breached: int = 0
    relieved: int = 0
    examples: tuple[Breach, ...] = ()

    @property
    def changed(self) -> int:
        """How many windows would get another due date, or lose theirs."""
        return sum(count for row in self.shifts.values() for shift, count in row.items() if shift is not Shift.SAME)


def preview(
    policy: Policy,
    standings: Iterable[Standing],
    hosts: Mapping[str, HostRecord],
    risks: AcceptedRisks,
    now: datetime,
) -> Preview:
    """What would change if the policy came into force now. ``hosts`` by id: windows of others are not counted."""
    tally = _Tally(risks, now)
    levels: dict[str, Levels] = {}
    for one in standings:
        host = hosts.get(one.host_id)
        if host is None or not one.spans or one.spans[-1].closed_at is not None:
            continue
        if host.id not in levels:
            levels[host.id] = policy.levels_for(host)
        for span, marks in _dated(one, levels[host.id], now):
            tally.add(host, one.severity, one.spans[-1], span, marks)
    return tally.preview()


def preview_row(found: Preview) -> dict[str, Any]:
    """As ``sla preview --json`` shows it."""
    return {
        "changed": found.changed,
        "severities": {
            severity.value: {shift.value: found.shifts.get(severity, {}).get(shift, 0) for shift in Shift}
            for severity in Severity
        },
        "breached_at_once": found.breached,
        "no_longer_breached": found.relieved,
        "examples": [
            {"host": one.host, "cve": one.cve, "severity": one.severity.value, "due_at": moment(one.due_at)}
            for one in found.examples
        ],
    }


def _dated(one: Standing, levels: Levels, now: datetime) -> Iterator[tuple[Span, Sequence[Mark]]]:
    """The last window with its new date, and whose it is: CVEs of KEV have dates of their own."""
    by_kev: dict[tuple[Any, Any], list[Mark]] = {}
    for mark in one.marks:
        by_kev.setdefault((mark.kev_due, mark.kev_since if mark.kev_due is not None else None), []).append(mark)
    for (kev_due, kev_since), marks in by_kev.items():
        at = due_at(levels, one.spans, kev_due=kev_due, kev_since=kev_since, until=now)
        yield one.spans[-1].model_copy(update={"due_at": at}), marks


class _Tally:
    """Counts, window by window or standing by standing."""

    def __init__(self, risks: AcceptedRisks, now: datetime) -> None:
        self._risks, self._now = risks, now
        self._shifts: dict[Severity, Counter[Shift]] = {}
        self._breached = self._relieved = 0
        self._examples: list[Breach] = []

    def add(self, host: HostRecord, severity: Severity, before: Span, after: Span, marks: Sequence[Mark]) -> None:
        self._shifts.setdefault(severity, Counter())[_shift(before.due_at, after.due_at)] += len(marks)
        was, will = (sla_state(span, self._now) is SlaState.BREACHED for span in (before, after))
        if was == will:
            return
        alerted = [mark.cve for mark in marks if not self._is_borne(host, mark.cve)]
        self._relieved += len(alerted) if was else 0
        self._breached += len(alerted) if will else 0
        if will and after.due_at is not None:
            self._name(host.name, severity, after.due_at, alerted)

    def _is_borne(self, host: HostRecord, cve: str) -> bool:
        return any(risk.holds(self._now) for risk in self._risks.concerning(host, cve))

    def _name(self, host: str, severity: Severity, at: datetime, cves: Sequence[str]) -> None:
        """Only the first ones in order are kept: a fleet may have millions."""
        self._examples += [Breach(host=host, cve=cve, severity=severity, due_at=at) for cve in sorted(cves)[:LISTED]]
        if len(self._examples) > 100 * LISTED:
            self._examples = self._first()

    def _first(self) -> list[Breach]:
        return sorted(self._examples, key=lambda one: (one.host, one.cve))[:LISTED]

    def preview(self) -> Preview:
        return Preview(
            shifts=self._shifts, breached=self._breached, relieved=self._relieved, examples=tuple(self._first())
        )


def _shift(before: datetime | None, after: datetime | None) -> Shift:
    if before == after:
        return Shift.SAME
    if before is None:
        return Shift.DATED
    if after is None:
        return Shift.UNDATED
    return Shift.EARLIER if after < before else Shift.LATER
