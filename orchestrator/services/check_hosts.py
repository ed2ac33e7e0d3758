"""Check hosts: one script over one channel each, parsed into facts, kept as sightings."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from queue import SimpleQueue
from typing import Protocol

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.core.facts import Facts, Observation
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.sightings import CheckRecord, Sighting
from orchestrator.errors import HostError, IdentityConflict
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.ssh import Transport
from orchestrator.ports.store import Store
from orchestrator.probe.answer import read_answer
from orchestrator.probe.command import check_command
from orchestrator.probe.facts import facts_of
from orchestrator.services.settle_identities import SettleIdentities
from orchestrator.services.update_exposures import UpdateExposures

BATCH = 100
"""Checks that go to the store in one transaction: SQLite has one writer."""

FIRST_BATCH = 20
"""Checks in the first one: a scan of few hosts keeps them while the others still answer, not after all have. Each batch
is twice as large as the one before, so that a scan of many pays for few of them."""

MOST_PACKAGES = 50_000
"""Packages listed in one such transaction, above which it takes no further check: they are in memory until then."""


class Observer(Protocol):
    """Looks at one host: `HostCheck`."""

    def observe(self, host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        """Contact the host. Raises `HostError`."""
        ...


@dataclass(frozen=True, kw_only=True)
class HostCheck:
    """Checks one host. The same code path for scans, for verification, for the soak.

    ``deep_timeout``: the deadline of a deep check, whose slow parts ask vendors over the network.
    """

    transport: Transport
    clock: Clock
    new_nonce: Callable[[], str]
    timeout: timedelta
    deep_timeout: timedelta

    def observe(self, host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        """Contact the host. Raises `HostError`.

        ``before``: what was seen last: its package list is not sent again, and what the last deep check found stands
        until the next one or the next boot.
        """
        nonce, known = self.new_nonce(), _fingerprint(before)
        parts = probe_parts(deep=deep)
        command = check_command(nonce=nonce, become=host.become, known_packages=known, extra=parts)
        deadline = self.deep_timeout if deep else self.timeout
        started_at = self.clock.now()
        completed = self.transport.run(host, command.model_copy(update={"deadline": deadline.total_seconds()}))
        observed_at = self.clock.now()
        answer = read_answer(completed, nonce=nonce)
        facts = facts_of(answer, started_at=started_at, finished_at=observed_at, known_packages=known)
        facts = with_tools(facts, answer, at=observed_at, deep=deep, before=before)
        return Observation(started_at=started_at, observed_at=observed_at, facts=facts)


@dataclass(frozen=True, kw_only=True)
class CheckHosts:
    """Checks many hosts beside each other, keeps what was seen, and brings exposure windows up to date.

    ``ahead``: checks that are under way or wait to be kept, at most: what a first check saw of a host is a megabyte of
    packages. More than the dispatcher runs at a time, so that it has work while a batch is kept.
    """

    check: Observer
    store: Store
    dispatcher: Dispatcher
    clock: Clock
    settle: SettleIdentities
    update_exposures: UpdateExposures
    unknown_after: timedelta
    ahead: int = BATCH

    def __call__(
        self,
        members: Sequence[Member],
        *,
        deep_before: datetime | None = None,
        on_result: Callable[[CheckRecord], None] = lambda _record: None,
    ) -> dict[str, CheckRecord]:
        """Check them all; the record of each by the id it was checked under, as it was stored but for package items. A
        host's failure is a record, no end.

        ``deep_before``: hosts whose last deep check is older get a deep one; None: nobody does. What somebody who died
        left undone of windows is done first, of whatever hosts.
        """
        self.update_exposures.catch_up()
        by_id = {member.record.id: member for member in members}
        sighted: dict[str, str] = {}
        done: dict[str, CheckRecord] = {}
        for batch in _batches(self._finished(self._jobs(members, deep_before, sighted))):
            kept = self._keep(by_id, batch)
            self._follow({*(one.host_id for one in batch), *(one.host_id for one in kept)}, sighted)
            for checked, record in zip(batch, kept, strict=True):
                done[checked.host_id] = slim = _without_items(record)
                on_result(slim)
        return done

    def _jobs(
        self, members: Sequence[Member], deep_before: datetime | None, sighted: dict[str, str]
    ) -> Iterator[Callable[[], CheckRecord]]:
        """A job for each. What is known of a host is read shortly before; ``sighted`` keeps the id of its sighting."""
        for start in range(0, len(members), BATCH):
            some = members[start : start + BATCH]
            before = self.store.sightings.latest([member.record.id for member in some])
            sighted |= {key: sighting.id for key, sighting in before.items()}
            for member in some:
                yield _job(self, member, before.get(member.record.id), deep_before)

    def _finished(self, jobs: Iterator[Callable[[], CheckRecord]]) -> Iterator[CheckRecord]:
        """What they come to, as they end. Nobody but the caller holds on to it."""
        ended = SimpleQueue[Future[CheckRecord]]()
        under_way = self._submit(islice(jobs, self.ahead), ended)
        while under_way:
            record = ended.get().result()
            under_way += self._submit(islice(jobs, 1), ended) - 1
            yield record

    def _submit(self, jobs: Iterable[Callable[[], CheckRecord]], ended: SimpleQueue[Future[CheckRecord]]) -> int:
        count = 0
        for count, job in enumerate(jobs, 1):  # noqa: B007  counted, whether there is one or none
            self.dispatcher.submit(job).add_done_callback(ended.put)
        return count

    def _follow(self, host_ids: Iterable[str], sighted: Mapping[str, str]) -> None:
        """Bring windows up to date where sightings moved: with each batch, so that a scan which is killed leaves little
        behind that no later check moves again."""
        after = self.store.sightings.latest(sorted(host_ids))
        self.update_exposures(key for key, sighting in after.items() if sighted.get(key) != sighting.id)

    def keep(self, member: Member, record: CheckRecord, apart_from: str | None = None) -> CheckRecord:
        """Keep one check; as it was stored. ``apart_from``: the attempt that does not overlap it, because nothing of it
        runs there."""
        (settled,) = self._keep({member.record.id: member}, [record], apart_from)
        self.update_exposures({member.record.id, settled.host_id})
        return settled

    def verify(self, member: Member, apart_from: str | None = None) -> Observation:
        """Check one host for an attempt, and keep what was seen. Raises `HostError`, which is kept as well, and
        `IdentityConflict` when it was another machine that answered: no attempt is judged by what that one shows.

        ``apart_from``: that attempt's id while nothing of it runs on the host. None while its worker may still live:
        then the check overlaps it, and moves no window.
        """
        started_at = self.clock.now()
        try:
            observation = self.check.observe(member.host, self._last_facts(member))
        except HostError as exc:
            self.keep(member, self.record_of(member, started_at, error=exc), apart_from)
            raise
        kept = self.keep(member, self.record_of(member, started_at, observation=observation), apart_from)
        if kept.observation is None:
            raise IdentityConflict(kept.error or "")
        return kept.observation

    def look(self, member: Member, *, deep: bool = False) -> CheckRecord:
        """Check one host, and keep what was seen; the record as it was stored."""
        return self.keep(member, self.one(member, self._last_facts(member), deep=deep))

    def one(self, member: Member, before: Facts | None = None, *, deep: bool = False) -> CheckRecord:
        """Check one host; nothing is stored."""
        started_at = self.clock.now()
        try:
            observation = self.check.observe(member.host, before, deep=deep)
        except HostError as exc:
            return self.record_of(member, started_at, error=exc)
        return self.record_of(member, started_at, observation=observation)

    def record_of(
        self,
        member: Member,
        started_at: datetime,
        *,
        observation: Observation | None = None,
        error: HostError | None = None,
    ) -> CheckRecord:
        """The record of a check that has just ended."""
        finished_at = self.clock.now()
        return CheckRecord(
            host_id=member.record.id,
            incarnation=member.record.incarnation,
            started_at=started_at,
            finished_at=finished_at,
            expected_by=finished_at + self.unknown_after,
            observation=observation,
            error_code=error.code if error else None,
            error=str(error) if error else None,
        )

    def _last_facts(self, member: Member) -> Facts | None:
        last = self.store.sightings.latest([member.record.id]).get(member.record.id)
        return last.known if last is not None else None

    def _keep(
        self, members: Mapping[str, Member], checks: Sequence[CheckRecord], apart_from: str | None = None
    ) -> list[CheckRecord]:
        """As they were stored: under the host that it turned out to be, or refused because it is another machine."""
        since = self.store.attempts.since(min(check.started_at for check in checks), [one.host_id for one in checks])
        mutations = [(attempt, outcome) for attempt, outcome in since if attempt.id != apart_from]
        marked = [check.model_copy(update={"overlapped_mutation": _overlaps(check, mutations)}) for check in checks]
        settled = self.settle(members, marked)
        self.store.sightings.record(settled)
        return settled


def _job(
    hosts: CheckHosts, member: Member, last: Sighting | None, deep_before: datetime | None
) -> Callable[[], CheckRecord]:
    before = last.known if last is not None else None
    deep = deep_before is not None and is_deep_due(before, deep_before)
    return lambda: hosts.one(member, before, deep=deep)


def is_deep_due(before: Facts | None, deep_before: datetime) -> bool:
    """Whether the last deep check of that host is older, or none is known of its boot."""
    last = before.volatile.deep_observed_at if before is not None else None
    return last is None or last < deep_before


def _fingerprint(before: Facts | None) -> str | None:
    """Of the package list that was last seen: the host sends it again only when it changed."""
    packages = before.packages if before is not None else None
    return packages.fingerprint if packages is not None else None


def _overlaps(check: CheckRecord, mutations: Sequence[tuple[Attempt, Outcome | None]]) -> bool:
    return any(
        attempt.host_id == check.host_id
        and attempt.intent_at <= check.finished_at
        and (outcome is None or outcome.finished_at >= check.started_at)
        for attempt, outcome in mutations
    )


def _without_items(record: CheckRecord) -> CheckRecord:
    """The record without the list of packages, which is in the store by now."""
    seen = record.observation
    if seen is None or seen.facts.packages is None:
        return record
    packages = seen.facts.packages.model_copy(update={"items": None})
    facts = seen.facts.model_copy(update={"packages": packages})
    return record.model_copy(update={"observation": seen.model_copy(update={"facts": facts})})


def _batches(records: Iterable[CheckRecord]) -> Iterator[list[CheckRecord]]:
    batch, packages, size = list[CheckRecord](), 0, FIRST_BATCH
    for record in records:
        batch.append(record)
        packages += _listed(record)
        if len(batch) == size or packages >= MOST_PACKAGES:
            yield batch
            batch, packages, size = [], 0, min(2 * size, BATCH)
    if batch:
        yield batch


def _listed(record: CheckRecord) -> int:
    packages = record.observation.facts.packages if record.observation is not None else None
    return len(packages.items or ()) if packages is not None else 0
