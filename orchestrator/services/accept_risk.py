"""Accept the risk of a CVE for a while, and take that back."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from orchestrator.core.acceptances import Acceptance, AcceptanceState, Scope, end_of_day, read_expiry
from orchestrator.core.durations import format_duration
from orchestrator.core.identity import HostRecord, host_called
from orchestrator.errors import Conflict, InvalidInput, NotFound
from orchestrator.ports.runtime import Clock
from orchestrator.ports.sla import AcceptanceStore
from orchestrator.ports.store import HostRegister

LATELY = timedelta(days=30)
"""So long lists show what ended."""


class Wanted(NamedTuple):
    """What somebody wants accepted. ``value`` is a host's name or id, a group, a customer, ``name=value``; ``until`` a
    day, an instant or a duration."""

    cve: str
    scope: Scope
    value: str
    owner: str
    reason: str
    until: str


@dataclass(frozen=True, kw_only=True)
class AcceptRisk:
    """Who is alerted changes, and nothing else: hosts stay exposed, due dates stay as they are. No host is changed:
    read-only mode allows it."""

    acceptances: AcceptanceStore
    hosts: HostRegister
    clock: Clock
    new_id: Callable[[], str]
    at_most: timedelta

    def accept(self, wanted: Wanted, accepted_by: str) -> Acceptance:
        """Accept it from now on.

        Raises `InvalidInput` for what does not make sense, `NotFound` where no listed host is in the scope (a typo
        would accept nothing and look as if it did), `Conflict` where the same is accepted for as long already.
        """
        now = self.clock.now()
        acceptance = self._made(wanted, self._value(wanted), accepted_by, now)
        self._require_news(acceptance, now)
        self.acceptances.add(acceptance)
        return acceptance

    def revoke(self, acceptance_id: str, by: str) -> Acceptance:
        """Take it back now. The end of an id is enough. Raises `NotFound`, and `Conflict` when it has ended already."""
        now, found = self.clock.now(), self._find(acceptance_id)
        if (state := found.state(now)) is not AcceptanceState.IN_FORCE:
            raise Conflict(
                f"{found.id} has ended already: it is {state} since {found.ended_at.isoformat(' ', 'minutes')}"
            )
        self.acceptances.revoke(found.id, now, by)
        return found.model_copy(update={"revoked_at": now, "revoked_by": by})

    def accepted(self, *, everything: bool = False) -> tuple[Acceptance, ...]:
        """What is accepted now or was lately (`LATELY`), or ever; by when it ends, the last first."""
        since = self.clock.now() - LATELY
        kept = [one for one in self.acceptances.all() if everything or one.ended_at >= since]
        return tuple(sorted(kept, key=lambda one: (one.ended_at, one.id), reverse=True))

    def hosts_in(self, acceptance: Acceptance) -> tuple[HostRecord, ...]:
        """The listed hosts in its scope, by name."""
        return tuple(one for one in self.hosts.all() if not one.is_retired and acceptance.contains(one))

    def _made(self, wanted: Wanted, value: str, accepted_by: str, now: datetime) -> Acceptance:
        try:
            return Acceptance(
                id=self.new_id(),
                cve=wanted.cve.upper(),
                scope=wanted.scope,
                value=value,
                owner=wanted.owner,
                reason=wanted.reason,
                accepted_by=accepted_by,
                accepted_at=now,
                expires_at=self._expiry(wanted.until, now),
            )
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or None
            raise InvalidInput(first["msg"].removeprefix("Value error, "), field=field) from exc

    def _expiry(self, text: str, now: datetime) -> datetime:
        try:
            at = read_expiry(text, now)
        except ValueError as exc:
            raise InvalidInput(str(exc), field="until") from exc
        if at <= now:
            raise InvalidInput(f"{text} is over: an accepted risk ends in the future", field="until")
        # To the end of a day: or a day so far away could never be named.
        if at > end_of_day((now + self.at_most).date()):
            most = format_duration(self.at_most)
            raise InvalidInput(f"{text} is too far away: a risk is accepted for at most {most}", field="until")
        return at

    def _value(self, wanted: Wanted) -> str:
        listed = [one for one in self.hosts.all() if not one.is_retired]
        match wanted.scope:
            case Scope.HOST:
                return host_called(listed, wanted.value).id
            case Scope.GROUP:
                return _one_of(wanted, {group for one in listed for group in one.groups})
            case Scope.CUSTOMER:
                return _one_of(wanted, {one.customer for one in listed if one.customer is not None})
            case Scope.LABEL:
                return _one_of(wanted, {f"{name}={value}" for one in listed for name, value in one.labels.items()})
            case _:
                return ""

    def _require_news(self, wanted: Acceptance, now: datetime) -> None:
        for one in self.acceptances.all():
            same = (one.cve, one.scope, one.value) == (wanted.cve, wanted.scope, wanted.value)
            if same and one.holds(now) and one.ended_at >= wanted.expires_at:
                until = one.ended_at.isoformat(" ", "minutes")
                raise Conflict(f"{one.cve} is accepted there until {until} already, by {one.owner} ({one.id})")

    def _find(self, text: str) -> Acceptance:
        found = [one for one in self.acceptances.all() if one.id == text or (text and one.id.endswith(text.upper()))]
        if len(found) != 1:
            raise NotFound(f"{'no accepted risk' if not found else 'more than one accepted risk'} ends with {text!r}")
        return found[0]


def _one_of(wanted: Wanted, known: set[str]) -> str:
    if wanted.value in known:
        return wanted.value
    close = difflib.get_close_matches(wanted.value, sorted(known), n=3, cutoff=0.6)
    hint = f"; did you mean {', '.join(close)}?" if close else ""
    raise NotFound(f"no listed host has the {wanted.scope} {wanted.value!r}{hint}")
