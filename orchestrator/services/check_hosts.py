"""Check hosts: one script over one channel each, parsed into facts, kept as sightings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from datetime import timedelta

from orchestrator.backends.registry import BACKENDS
from orchestrator.core.facts import Facts, Observation
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.sightings import CheckRecord
from orchestrator.errors import HostError
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.ssh import Transport
from orchestrator.ports.store import Store
from orchestrator.probe.check import check_command, parse_check

BATCH = 100
"""Checks that go to the store in one transaction: SQLite has one writer."""


@dataclass(frozen=True, kw_only=True)
class HostCheck:
    """Checks one host. The same code path for scans, for verification, for the soak."""

    transport: Transport
    clock: Clock
    new_nonce: Callable[[], str]
    timeout: timedelta

    def observe(self, host: Host, known_packages: str | None = None) -> Observation:
        """Contact the host. Raises `HostError`."""
        nonce = self.new_nonce()
        command = check_command(nonce=nonce, become=host.become, known_packages=known_packages)
        started_at = self.clock.now()
        completed = self.transport.run(host, command.model_copy(update={"deadline": self.timeout.total_seconds()}))
        observed_at = self.clock.now()
        facts = parse_check(completed, nonce=nonce, started_at=started_at, finished_at=observed_at)
        return Observation(started_at=started_at, observed_at=observed_at, facts=with_tools(facts))


def with_tools(facts: Facts) -> Facts:
    """The facts with the state of every backend's tool."""
    return facts.model_copy(update={"tools": tuple(backend.tool(facts) for backend in BACKENDS.values())})


@dataclass(frozen=True, kw_only=True)
class CheckHosts:
    """Checks many hosts beside each other and keeps what was seen."""

    check: HostCheck
    store: Store
    dispatcher: Dispatcher
    clock: Clock
    unknown_after: timedelta

    def __call__(
        self, members: Sequence[Member], *, on_result: Callable[[Member, CheckRecord], None] = lambda _m, _r: None
    ) -> dict[str, CheckRecord]:
        """Check them all and return the record of each by host id. A host's failure is a record, never an end."""
        fingerprints = self._known_packages(members)
        futures: dict[Future[CheckRecord], Member] = {
            self.dispatcher.submit(lambda m=member: self.one(m, fingerprints.get(m.record.id))): member  # type: ignore[misc]
            for member in members
        }
        done: dict[str, CheckRecord] = {}
        for batch in _batches(as_completed(futures)):
            records = [future.result() for future in batch]
            self.store.sightings.record(records)
            for future, record in zip(batch, records, strict=True):
                done[record.host_id] = record
                on_result(futures[future], record)
        return done

    def one(self, member: Member, known_packages: str | None = None) -> CheckRecord:
        """Check one host; nothing is stored. An overlap with a mutation is told by the locks held at its end."""
        started_at = self.clock.now()
        observation, error = None, None
        try:
            observation = self.check.observe(member.host, known_packages)
        except HostError as exc:
            error = exc
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

    def _known_packages(self, members: Sequence[Member]) -> Mapping[str, str]:
        latest = self.store.sightings.latest([member.record.id for member in members])
        return {
            host_id: sighting.facts.packages.fingerprint
            for host_id, sighting in latest.items()
            if sighting.facts.packages is not None
        }


def _batches(futures: Iterable[Future[CheckRecord]]) -> Iterable[list[Future[CheckRecord]]]:
    batch: list[Future[CheckRecord]] = []
    for future in futures:
        batch.append(future)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
