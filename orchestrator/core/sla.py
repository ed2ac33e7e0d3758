"""When exposure windows are due, and how they stand against it.

A due date is counted from notice: for each grade of severity, from the later of the window's detection on this host
and the instant when we first knew the CVE to be that bad. Such a clock is started once for a window and never again.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from orchestrator.core.acceptances import Acceptance, AcceptedRisks, bears, end_of_day
from orchestrator.core.exposure_states import ClosedBy
from orchestrator.core.identity import HostRecord
from orchestrator.core.meanings import Meaning
from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import NO_LIMIT, Adopted, DueSoon, Levels, in_force
from orchestrator.core.standings import Graded, Span, Standing
from orchestrator.core.windows import Window

SURVIVES = timedelta(days=30)
"""A window that reopens so soon after it closed keeps its due date."""


class SlaState(Meaning):
    """How a window stands against its due date."""

    NONE = "none", "No policy sets it a date."
    OK = "ok", "Open, and there is time."
    DUE_SOON = "due_soon", "Open, and due within the time that the policy warns of."
    BREACHED = "breached", "Open, and overdue."
    ACCEPTED = (
        "accepted",
        "Open, and somebody bears the risk for now; or closed too late, and somebody bore it till then.",
    )
    MET = "met", "Closed in time."
    MISSED = "missed", "Closed too late."
    WITHDRAWN = "withdrawn", "Over before it was due, and not by a fix."


class Due(NamedTuple):
    """When a window is due, and the policy that says so. ``at`` None: it sets no date."""

    at: datetime | None
    policy: str


def due(
    policies: Sequence[Adopted],
    host: HostRecord,
    spans: Sequence[Span],
    *,
    kev_due: date | None = None,
    kev_since: datetime | None = None,
    until: datetime,
) -> Due:
    """When the last of these windows of one host and CVE is due.

    ``spans`` are all its windows so far, oldest first (``due_at`` and ``policy`` are not looked at); ``until`` is when
    the last one closed, or now: the policy of then decides, and nothing that was learned later counts.
    """
    policy = in_force(policies, until)
    return Due(due_at(policy.levels_for(host), spans, kev_due=kev_due, kev_since=kev_since, until=until), policy.id)


def due_at(
    levels: Levels,
    spans: Sequence[Span],
    *,
    kev_due: date | None = None,
    kev_since: datetime | None = None,
    until: datetime,
) -> datetime | None:
    """The same by levels: for whoever asks for many windows of a host."""
    found: datetime | None = None
    for index, span in enumerate(spans):
        end = until if span.closed_at is None else min(until, span.closed_at)
        known = kev_due if kev_since is None or kev_since <= end else None
        own = _earliest(_by_severity(levels, span, end), _by_kev(levels, span, known, kev_since))
        found = _earliest(own, found) if index and _survives(spans[index - 1], span) else own
    return found


def sla_state(
    window: Window | Span,
    now: datetime,
    acceptances: Sequence[Acceptance] = (),
    due_soon: DueSoon = DueSoon(),  # noqa: B008  frozen
) -> SlaState:
    """How it stands now. ``acceptances`` are those that concern its host and CVE (`AcceptedRisks.concerning`), ended
    ones included; ``due_soon`` is of the policy in force."""
    if window.closed_at is not None:
        return _closed(window, window.closed_at, acceptances)
    if any(one.holds(now) for one in acceptances):
        return SlaState.ACCEPTED
    if window.due_at is None:
        return SlaState.NONE
    if now > window.due_at:
        return SlaState.BREACHED
    warned_at = window.due_at - due_soon.before(window.due_at - window.detected_at)
    return SlaState.DUE_SOON if now >= warned_at else SlaState.OK


def breaches(
    standings: Iterable[Standing], hosts: Mapping[str, HostRecord], risks: AcceptedRisks, now: datetime
) -> Counter[Severity]:
    """How many open windows are overdue, by severity, those left out whose risk somebody bears. ``hosts`` by id: the
    windows of others are not counted."""
    counted: Counter[Severity] = Counter()
    for one in standings:
        host, last = hosts.get(one.host_id), one.spans[-1] if one.spans else None
        if host is None or last is None or sla_state(last, now) is not SlaState.BREACHED:
            continue
        accepted = risks.cves.intersection(mark.cve for mark in one.marks)
        borne = sum(any(risk.holds(now) for risk in risks.concerning(host, cve)) for cve in accepted)
        counted[one.severity] += len(one.marks) - borne
    return +counted


def _by_severity(levels: Levels, span: Span, end: datetime) -> datetime | None:
    """The earliest of the clocks of the grade that is known at the end, and of the milder ones that it had.

    So a raise can only shorten, and counts from the raise; taking it back gives the date as if it had never been; and
    a grade that comes back finds its old clock.
    """
    known = [(levels.allowances[grade.severity], grade.since) for grade in _grades(span, end)]
    running = {allowance for allowance, _ in known if known[-1][0] <= allowance < NO_LIMIT}
    started = {allowance: min(since for other, since in known if other <= allowance) for allowance in running}
    return min((since + allowance for allowance, since in started.items()), default=None)


def _grades(span: Span, end: datetime) -> tuple[Graded, ...]:
    """What was known of the severity from detection to that instant. Before the first grade it was unknown."""
    if not span.grades:
        return (Graded(span.severity, span.detected_at),)
    before = [grade.severity for grade in span.grades if grade.since <= span.detected_at]
    first = Graded(before[-1] if before else Severity.UNKNOWN, span.detected_at)
    return (first, *(grade for grade in span.grades if span.detected_at < grade.since <= end))


def _by_kev(levels: Levels, span: Span, kev_due: date | None, kev_since: datetime | None) -> datetime | None:
    """The end of KEV's day (in UTC: it names no zone), but no earlier than the policy's time from notice."""
    if kev_due is None or levels.kev == NO_LIMIT:
        return None
    notice = span.detected_at if kev_since is None else max(span.detected_at, kev_since)
    return max(end_of_day(kev_due), notice + levels.kev)


def _survives(before: Span, span: Span) -> bool:
    """Whether the window is the one before it again, and not that of another machine under the same name."""
    same = before.method is not ClosedBy.HOST_REPLACED
    return same and before.closed_at is not None and span.since - before.closed_at <= SURVIVES


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _closed(window: Window | Span, closed_at: datetime, acceptances: Sequence[Acceptance]) -> SlaState:
    if window.due_at is None:
        return SlaState.NONE
    if closed_at > window.due_at:
        return SlaState.ACCEPTED if bears(acceptances, window.due_at, closed_at) else SlaState.MISSED
    not_fixed = window.method in {ClosedBy.WITHDRAWN, ClosedBy.HOST_REPLACED}
    return SlaState.WITHDRAWN if not_fixed else SlaState.MET
