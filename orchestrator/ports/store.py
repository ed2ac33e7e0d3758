"""The ports to the database. One small protocol per subject; one contract suite runs over every implementation.

All writes are transactions: they happen whole or not at all. Every method raises `NotAvailable` when the database
cannot be reached.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from orchestrator.core.advisories import PackageKey
from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure_tally import ExposureTally
from orchestrator.core.facts import Packages
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import Cve, Patch, Severity
from orchestrator.core.sightings import CheckRecord, Sighting
from orchestrator.core.standings import Closure, Standing
from orchestrator.ports.advisories import AdvisoryIndex, AdvisoryStore, FeedStore
from orchestrator.ports.sla import AcceptanceStore, PolicyStore

Json = dict[str, Any]


HostChange = Callable[[tuple[HostRecord, ...]], Iterable[HostRecord]]
"""From all records to those that are to be inserted or replaced."""


class HostRegister(Protocol):
    """Every host that was ever listed."""

    def all(self) -> tuple[HostRecord, ...]:
        """All of them, retired ones included, by name."""
        ...

    def some(self, host_ids: Iterable[str]) -> tuple[HostRecord, ...]:
        """Those with these ids, by name; an id that nobody has is left out."""
        ...

    def glances(self) -> tuple[HostGlance, ...]:
        """All that are not retired, by name."""
        ...

    def save(self, records: Sequence[HostRecord]) -> None:
        """Insert or replace by id."""
        ...

    def change(self, decide: HostChange, seen: Mapping[str, Evidence] | None = None) -> tuple[HostRecord, ...]:
        """Read, decide, save what was decided, in one transaction that no other writer of hosts comes between.

        Read are all records; with ``seen`` (evidence by host id) those that it takes to tell who was seen: of these
        ids, of the same machine-id or boot id as these are known by or showed now, and one that was listed last.
        Returns what was saved. What the decision raises is raised, and nothing is written.
        """
        ...


class SightingStore(Protocol):
    """Sightings and the last check of each host."""

    def record(self, checks: Sequence[CheckRecord]) -> None:
        """Keep these checks in one transaction: extend the latest sighting of the host where the facts are the same and
        the check came by its ``expected_by``, else start a new one; remember the check itself as the host's last.
        Raises `NotFound` when a host is not registered."""
        ...

    def latest(self, host_ids: Sequence[str] | None = None) -> Mapping[str, Sighting]:
        """The latest sighting by host id. Facts come without volatile values (those are in the last check) and without
        package items (`packages` has them by fingerprint); so do those of `history`."""
        ...

    def history(self, host_ids: Sequence[str]) -> Mapping[str, tuple[Sighting, ...]]:
        """All sightings by host id, oldest first; those that overlap a mutation left out."""
        ...

    def last_checks(self, host_ids: Sequence[str] | None = None) -> Mapping[str, CheckRecord]:
        """The last check of each host, or of each of these, by host id, failed ones included (``observation`` without
        package items)."""
        ...

    def packages(self, fingerprint: str) -> Packages | None:
        """A stored package list by its fingerprint."""
        ...

    def distributions(self) -> frozenset[str]:
        """The distributions (`core.distributions`) of the hosts that are not retired, as they were seen last."""
        ...

    def concerned(self, packages: Collection[PackageKey]) -> frozenset[str]:
        """Hosts, those not retired, whose latest sighting has one of these packages of its distribution installed, by
        the name of the binary or of the source package, or runs a kernel that was built from one."""
        ...


class CatalogueStore(Protocol):
    """The catalogue's items. Removed ones stay known, because windows were decided with them."""

    def all(self) -> tuple[Patch, ...]:
        """All items in force of the catalogue, by id."""
        ...

    def history(self) -> Catalogue:
        """Every item there ever was, and since when the removed ones are out."""
        ...

    def add(self, patch: Patch) -> None:
        """Add an item. The same again changes nothing, and a removed one comes back with its new ``added_at``.

        Raises `Conflict` when the id is taken by different content."""
        ...

    def remove(self, patch_id: str, at: Moment) -> None:
        """Take an item out. Raises `NotFound`."""
        ...


class Basis(Frozen):
    """What standings of some hosts are made of. ``version``: how many changes of what concerns hosts together there
    were (`Change`); ``moves``: how often something changed of each of these hosts, those left out of which nothing
    ever did."""

    version: int
    moves: Mapping[str, int]


class Change(Frozen):
    """Something that concerns the hosts that have one of these packages or CVEs, or every host: an import, another
    catalogue, other service levels. Numbered from 1 without a gap."""

    number: int
    packages: frozenset[PackageKey] = frozenset()
    cves: frozenset[Cve] = frozenset()
    is_everything: bool = False


class Pending(Frozen):
    """What standings were not made anew for: changes, and hosts of which something changed."""

    changes: tuple[Change, ...] = ()
    hosts: frozenset[str] = frozenset()


class ExposureStore(Protocol):
    """What is derived from sightings and from all that was told: where hosts stand, and the append-only closures.

    Whatever changes what standings are made of says so in its own transaction, in whichever store it happens: an import
    that changed something, an item that comes into the catalogue or goes, a policy; of a host a new sighting, another
    incarnation, its retirement or return, and what service levels look at. `pending` has it until it was followed up.
    """

    def replace_many(self, standings: Mapping[str, Sequence[Standing]], made_of: Basis | None = None) -> frozenset[str]:
        """Put these in the place of all standings of these hosts, by host id, in one transaction, and append closures
        of what was not closed before: grouped by host and span; known by host, CVE, ``detected_at`` and ``closed_at``,
        however they were grouped before. Raises `NotFound` when a host is not registered.

        ``made_of``: what they were made of, read before anything else was: hosts of which that is not what there is now
        are left as they are, and returned: their standings are to be made again."""
        ...

    def basis(self, host_ids: Iterable[str]) -> Basis:
        """What the standings of these hosts would be made of now."""
        ...

    def pending(self) -> Pending:
        """What is to be followed up. Cheap where that is nothing."""
        ...

    def handled(self, numbers: Iterable[int]) -> None:
        """These changes were followed up."""
        ...

    def of(self, host_ids: Iterable[str]) -> Mapping[str, tuple[Standing, ...]]:
        """The standings of these hosts; one without any is left out."""
        ...

    def all(self) -> Iterator[Standing]:
        """All standings, by host id, one by one: there are very many. Marks that are equal are the same object, here
        and wherever standings are read."""
        ...

    def with_cve(self, cve: str) -> tuple[Standing, ...]:
        """The standings that have that CVE, by host id."""
        ...

    def hosts_with(self, cves: Collection[str]) -> frozenset[str]:
        """Hosts that have a standing with one of these CVEs."""
        ...

    def tallies(self, now: Moment) -> tuple[ExposureTally, ...]:
        """Exposures that are not over, of hosts that are not retired, counted by severity, state and remedy, in that
        order. Of hosts whose next check is overdue all are unknown."""
        ...

    def overdue(self, now: Moment) -> Mapping[Severity, int]:
        """Exposures whose window is open and past its due date, of hosts that are not retired, by severity; a severity
        without any is left out."""
        ...

    def exposed_by_host(self, now: Moment) -> Mapping[str, int]:
        """To how many CVEs each host is exposed: without those that are retired, overdue or exposed to none."""
        ...

    def closures(self, skip: int = 0, most: int | None = None) -> tuple[Closure, ...]:
        """Every closure ever appended but the first ``skip``, at most so many, in the order in which they were: whoever
        has read some reads on from there."""
        ...

    def closed_since(self, moment: Moment) -> tuple[Closure, ...]:
        """The closures of windows that closed then or later, in the order in which they were appended."""
        ...


class RolloutHead(Frozen):
    """What is cheap to read of a rollout. ``state_name`` is what lists and metrics filter by; ``version`` grows with
    every commit: what was derived from a rollout, its attempts included, holds until it moved."""

    id: str
    playbook: str
    state_name: str
    version: int
    created_at: Moment
    updated_at: Moment
    started_by: str | None = None


class RolloutRow(RolloutHead):
    """A rollout as stored: its frozen plan and its state, as JSON of `core.planning.Plan` and `core.rollout.State`."""

    plan: Json
    state: Json


class Lease(Frozen):
    """Who drives a rollout. ``token`` grows with every takeover: a write with an older token is refused."""

    rollout_id: str
    holder: str
    token: int
    expires_at: Moment


class RolloutStore(Protocol):
    """Rollouts and their journal."""

    def create(self, row: RolloutRow) -> None:
        """Keep a new one."""
        ...

    def load(self, rollout_id: str) -> RolloutRow:
        """One by id. Raises `NotFound`."""
        ...

    def heads(self, state_names: Collection[str] | None = None) -> tuple[RolloutHead, ...]:
        """All, or those in one of these states, newest first; without plan and state, which may be megabytes each."""
        ...

    def commit(
        self,
        *,
        row: RolloutRow,
        lease: Lease,
        events: Sequence[Json],
        intents: Sequence[Attempt],
        outcomes: Sequence[Outcome],
    ) -> None:
        """One step of an engine, in one durable transaction: the new state (``row.version`` is the one it was decided
        on, stored as +1), journal events, intents (each takes its host's lock), outcomes (each releases it). Of ``row``
        only state, ``state_name`` and ``updated_at`` are stored: the rest was frozen. Outcomes release before intents
        take; an intent whose outcome is in the same step takes no lock.

        Raises `StaleState` when the lease's token is not the current one or the version moved, `HostBeingChanged`
        naming host and holder when a host's lock is held by an earlier attempt, and `Conflict` for what no engine may
        ask: an intent or an outcome given twice, two intents for one host. Nothing is written then.
        """
        ...

    def events(self, rollout_id: str) -> tuple[Json, ...]:
        """The journal, oldest first."""
        ...


class AttemptStore(Protocol):
    """Intents and outcomes, and the host locks that they hold."""

    def open(self, rollout_id: str | None = None) -> tuple[Attempt, ...]:
        """Intents without an outcome, oldest first."""
        ...

    def outcomes(self, rollout_id: str) -> Mapping[str, Outcome]:
        """The outcomes of a rollout by attempt id."""
        ...

    def of_rollout(self, rollout_id: str) -> tuple[Attempt, ...]:
        """All attempts of a rollout, oldest first."""
        ...

    def since(self, moment: Moment, host_ids: Iterable[str]) -> tuple[tuple[Attempt, Outcome | None], ...]:
        """Attempts on these hosts that were open at that moment or later, oldest first, with their outcomes."""
        ...

    def locked_hosts(self) -> Mapping[str, Attempt]:
        """Host id to the open attempt that holds its lock."""
        ...


class LeaseStore(Protocol):
    """One engine per rollout."""

    def acquire(self, rollout_id: str, holder: str, now: Moment, seconds: float) -> Lease:
        """Take a free or expired lease, or renew our own. Raises `LeaseHeld` naming the holder."""
        ...

    def renew(self, lease: Lease, now: Moment, seconds: float) -> Lease:
        """Renew it. Raises `StaleState` when somebody took it over."""
        ...

    def release(self, lease: Lease) -> None:
        """Give it up; somebody else's is left alone."""
        ...

    def current(self, rollout_id: str) -> Lease | None:
        """The lease as stored, expired or not."""
        ...


class Notes(Protocol):
    """Small facts that the product itself remembers: the last good inventory, the controller's id, markers."""

    def get(self, key: str) -> Json | None:
        """The value under that key."""
        ...

    def put(self, key: str, value: Json) -> None:
        """Keep a value under that key."""
        ...

    def items(self, prefix: str) -> Mapping[str, Json]:
        """The values whose keys start with that, by key, in the order of the keys."""
        ...

    def drop(self, key: str) -> None:
        """Forget a key; one that is not there is forgotten already."""
        ...


class Store(Protocol):
    """The whole store: one object per subject, over one database."""

    @property
    def hosts(self) -> HostRegister: ...
    @property
    def sightings(self) -> SightingStore: ...
    @property
    def catalogue(self) -> CatalogueStore: ...
    @property
    def exposures(self) -> ExposureStore: ...
    @property
    def feeds(self) -> FeedStore: ...
    @property
    def advisories(self) -> AdvisoryStore: ...
    @property
    def advisory_index(self) -> AdvisoryIndex: ...
    @property
    def policies(self) -> PolicyStore: ...
    @property
    def acceptances(self) -> AcceptanceStore: ...
    @property
    def rollouts(self) -> RolloutStore: ...
    @property
    def attempts(self) -> AttemptStore: ...
    @property
    def leases(self) -> LeaseStore: ...
    @property
    def notes(self) -> Notes: ...
    def close(self) -> None: ...
