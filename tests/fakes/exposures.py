"""Standings and closures in memory, as `tests/adapters/store` holds every store to it."""

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.exposure_tally import ExposureTally, summed
from orchestrator.core.patches import Severity
from orchestrator.core.standing_groups import ClosureKey, new_closures
from orchestrator.core.standings import Closure, Standing
from orchestrator.ports.store import Basis, Pending
from tests.fakes.register import FakeHosts


class FakeExposures:
    """`ports.store.ExposureStore`."""

    def __init__(self, hosts: FakeHosts) -> None:
        self._hosts = hosts
        self._standings: dict[str, tuple[Standing, ...]] = {}
        self._closures: tuple[Closure, ...] = ()
        self._known: defaultdict[ClosureKey, set[str]] = defaultdict(set)
        self._lock = threading.Lock()

    def replace_many(self, standings: Mapping[str, Sequence[Standing]], made_of: Basis | None = None) -> frozenset[str]:
        self._hosts.require(standings)
        with self._lock:
            left = frozenset[str]()
            if made_of is not None:
                left = self._moved(standings, made_of)
                self._hosts.changes.made(standings.keys() - left, made_of)
            standings = {host: found for host, found in standings.items() if host not in left}
            self._standings |= {host: tuple(found) for host, found in standings.items()}
            new = new_closures((one for host in sorted(standings) for one in standings[host]), self._known)
            self._closures += new
            for one in new:
                assert one.span.closed_at is not None
                key = (one.host_id, one.span.detected_at, one.span.closed_at)
                self._known[key] |= {mark.cve for mark in one.marks}

        return left

    def _moved(self, hosts: Iterable[str], made_of: Basis) -> frozenset[str]:
        now = self._hosts.changes.basis(hosts)
        is_late = now.version != made_of.version
        return frozenset(host for host in hosts if is_late or now.moves.get(host) != made_of.moves.get(host))

    def basis(self, host_ids: Iterable[str]) -> Basis:
        return self._hosts.changes.basis(host_ids)

    def pending(self) -> Pending:
        return self._hosts.changes.pending()

    def handled(self, numbers: Iterable[int]) -> None:
        self._hosts.changes.handled(numbers)

    def of(self, host_ids: Iterable[str]) -> Mapping[str, tuple[Standing, ...]]:
        return {host: self._standings[host] for host in sorted(set(host_ids)) if self._standings.get(host)}

    def all(self) -> Iterator[Standing]:
        return iter([one for host in sorted(self._standings) for one in self._standings[host]])

    def with_cve(self, cve: str) -> tuple[Standing, ...]:
        return tuple(one for one in self.all() if any(mark.cve == cve for mark in one.marks))

    def hosts_with(self, cves: Collection[str]) -> frozenset[str]:
        return frozenset(one.host_id for one in self.all() if any(mark.cve in cves for mark in one.marks))

    def tallies(self, now: datetime) -> tuple[ExposureTally, ...]:
        return summed(_tally(one) for one in self._current(now))

    def overdue(self, now: datetime) -> Mapping[Severity, int]:
        counted = Counter[Severity]()
        for one in self._current(now):
            span = one.spans[-1] if one.spans else None
            if span is not None and span.closed_at is None and span.due_at is not None and span.due_at < now:
                counted[one.severity] += len(one.marks)
        return counted

    def exposed_by_host(self, now: datetime) -> Mapping[str, int]:
        counted = Counter[str]()
        for one in self._current(now):
            counted[one.host_id] += len(one.marks) if one.state is ExposureState.EXPOSED else 0
        return +counted

    def _current(self, now: datetime) -> Iterator[Standing]:
        listed = {one.host_id: one for one in self._hosts.glances()}
        for one in self.all():
            if one.host_id in listed and not one.is_over:
                due = listed[one.host_id].expected_by
                is_silent = due is not None and now > due
                yield one.model_copy(update={"state": ExposureState.UNKNOWN}) if is_silent else one

    def closures(self, skip: int = 0, most: int | None = None) -> tuple[Closure, ...]:
        return self._closures[skip : None if most is None else skip + most]

    def closed_since(self, moment: datetime) -> tuple[Closure, ...]:
        return tuple(one for one in self._closures if one.span.closed_at is not None and one.span.closed_at >= moment)


def _tally(standing: Standing) -> ExposureTally:
    last = standing.spans[-1] if standing.spans else None
    return ExposureTally(
        severity=standing.severity,
        state=standing.state,
        remedy=standing.remedy,
        count=len(standing.marks),
        oldest=last.detected_at if last is not None and last.closed_at is None else None,
    )
