"""Accepted risks: who bears which CVE where, why, and until when.

An accepted risk changes who is alerted. It changes neither that a host is exposed nor when its window is due.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import StringConstraints, model_validator

from orchestrator.core.durations import parse_duration
from orchestrator.core.identity import HostRecord
from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve

Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")
]
"""One line of text."""


class Scope(Meaning):
    """Where a risk is accepted."""

    HOST = "host", "One host, by its id."
    GROUP = "group", "The hosts in a group of the inventory, as it is at the time."
    CUSTOMER = "customer", "The hosts of a customer."
    LABEL = "label", "The hosts with a label: `name=value`."
    EVERYWHERE = "everywhere", "All hosts."


class AcceptanceState(Meaning):
    """Where an accepted risk stands."""

    IN_FORCE = "in_force", "The risk is borne."
    EXPIRED = "expired", "Its time is over; it ended by itself."
    REVOKED = "revoked", "Somebody took it back before its time was over."


class Acceptance(Frozen):
    """One accepted risk. ``value`` names the host (its id), group, customer or label; empty for everywhere. ``owner``
    bears the risk, ``accepted_by`` is who entered it. Nothing of it changes, but that it may be revoked once."""

    id: str
    cve: Cve
    scope: Scope
    value: str = ""
    owner: Line
    reason: Line
    accepted_by: str
    accepted_at: Moment
    expires_at: Moment
    revoked_at: Moment | None = None
    revoked_by: str | None = None

    @model_validator(mode="after")
    def _has_time_and_place(self) -> "Acceptance":
        if self.expires_at <= self.accepted_at:
            raise ValueError("it must expire after it begins")
        if (self.scope is Scope.EVERYWHERE) is not (self.value == ""):
            raise ValueError("a value goes with every scope but everywhere")
        return self

    @property
    def ended_at(self) -> datetime:
        """When it ends, or ended."""
        return self.expires_at if self.revoked_at is None else min(self.expires_at, self.revoked_at)

    def holds(self, at: datetime) -> bool:
        """Whether the risk is borne at that instant."""
        return self.accepted_at <= at < self.ended_at

    def state(self, now: datetime) -> AcceptanceState:
        """Where it stands."""
        if self.revoked_at is not None and self.revoked_at < self.expires_at:
            return AcceptanceState.REVOKED
        return AcceptanceState.IN_FORCE if now < self.expires_at else AcceptanceState.EXPIRED

    def contains(self, host: HostRecord) -> bool:
        """Whether that host is in its scope."""
        match self.scope:
            case Scope.HOST:
                return host.id == self.value
            case Scope.GROUP:
                return self.value in host.groups
            case Scope.CUSTOMER:
                return host.customer == self.value
            case Scope.LABEL:
                name, _, value = self.value.partition("=")
                return host.labels.get(name) == value
            case _:
                return True


class AcceptedRisks:
    """Acceptances, found by CVE. Those of a fleet are few, its exposures are not."""

    def __init__(self, acceptances: Iterable[Acceptance] = ()) -> None:
        self._by_cve: defaultdict[str, list[Acceptance]] = defaultdict(list)
        for one in acceptances:
            self._by_cve[one.cve].append(one)

    @property
    def cves(self) -> frozenset[str]:
        """What is or was accepted anywhere."""
        return frozenset(self._by_cve)

    def concerning(self, host: HostRecord, cve: str) -> tuple[Acceptance, ...]:
        """All for that host and CVE, ended ones included."""
        return tuple(one for one in self._by_cve.get(cve, ()) if one.contains(host))


def accepted_until(acceptances: Iterable[Acceptance], now: datetime) -> datetime | None:
    """When the last of those that hold now ends; None: none does. They are to be of one host and CVE."""
    return max((one.ended_at for one in acceptances if one.holds(now)), default=None)


def bears(acceptances: Sequence[Acceptance], start: datetime, end: datetime) -> bool:
    """Whether the risk was borne at every instant from start to end. They are to be of one host and CVE."""
    reached = start
    for one in sorted(acceptances, key=lambda one: one.accepted_at):
        if one.accepted_at <= reached:
            reached = max(reached, one.ended_at)
    return reached >= end


def read_expiry(text: str, now: datetime) -> datetime:
    """When it is to expire, as people write it: a day (its end in UTC), an instant with its zone, or a duration from
    now. Raises `ValueError`."""
    try:
        return now + parse_duration(text)
    except ValueError:
        pass
    try:
        if len(text) == len("2026-01-31"):
            return end_of_day(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"{text[:40]!r} is neither a day (2026-01-31), nor an instant, nor a duration (90d)") from exc
    if moment.tzinfo is None:
        raise ValueError(f"{text[:40]!r} has no zone: add Z for UTC, or +02:00")
    return moment.astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """The first instant after it, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)
