"""The tables: storage shape only. What a value may be is decided in core, before it gets here.

Rows are read and written through the `Table` objects at the end, in bulk, and become core's objects in the
repository of their subject.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint
from sqlmodel import Field

from orchestrator.store.columns import ForeignText, Json, UtcDateTime
from orchestrator.store.rows import Row, table_of


class HostRow(Row, table=True):
    """Every host that was ever listed; rows are never deleted, everything else refers to them."""

    __tablename__ = "host"

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text, index=True)
    address: str = Field(sa_type=Text)
    customer: str | None = Field(sa_type=Text)
    site: str | None = Field(sa_type=Text)
    labels: dict[str, str] = Field(sa_type=Json)
    groups: list[str] = Field(sa_type=Json)
    ephemeral: bool
    incarnation: int
    incarnated_at: datetime = Field(sa_type=UtcDateTime)
    evidence: dict[str, Any] = Field(sa_type=Json)
    first_listed_at: datetime = Field(sa_type=UtcDateTime)
    last_listed_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(sa_type=UtcDateTime)
    quarantined_at: datetime | None = Field(sa_type=UtcDateTime)
    quarantine_reason: str | None = Field(sa_type=Text)


class FactsRow(Row, table=True):
    """What checks saw, once per content: the JSON whose SHA-256 is the key, without volatile values and packages. The
    other columns, which the document has too, say which vulnerability data speaks of such a host."""

    __tablename__ = "facts"

    content_hash: str = Field(primary_key=True, sa_type=Text)
    document: str = Field(sa_type=Text)
    distribution: str | None = Field(sa_type=ForeignText)
    fingerprint: str | None = Field(sa_type=ForeignText)
    kernel_source: str | None = Field(sa_type=ForeignText)


class NameSetRow(Row, table=True):
    """Names of packages that are installed together, once however many versions of them there were: zlib-compressed,
    one a line, keyed by their digest."""

    __tablename__ = "name_set"

    digest: str = Field(primary_key=True, sa_type=Text)
    document: bytes = Field(sa_type=LargeBinary)


class PackageListRow(Row, table=True):
    """Package lists, once per state of a package database: zlib-compressed JSON of `core.facts.Packages`."""

    __tablename__ = "package_list"

    fingerprint: str = Field(primary_key=True, sa_type=ForeignText)
    manager: str = Field(sa_type=ForeignText)
    document: bytes = Field(sa_type=LargeBinary)
    names: str = Field(sa_type=Text, sa_column_args=(ForeignKey("name_set.digest"),))


class SightingRow(Row, table=True):
    """The intervals in which checks kept seeing the same facts. ``number`` counts a host's sightings from 0; the
    highest is the latest, and two writers cannot both add it."""

    __tablename__ = "sighting"
    __table_args__ = (UniqueConstraint("host_id", "number"),)

    id: str = Field(primary_key=True, sa_type=Text)
    host_id: str = Field(sa_type=Text, sa_column_args=(ForeignKey("host.id"),))
    number: int
    incarnation: int
    content_hash: str = Field(sa_type=Text, sa_column_args=(ForeignKey("facts.content_hash"),))
    first_seen: datetime = Field(sa_type=UtcDateTime)
    last_seen: datetime = Field(sa_type=UtcDateTime)
    expected_by: datetime = Field(sa_type=UtcDateTime)
    booted_at: datetime | None = Field(sa_type=UtcDateTime)
    deep_seen: datetime | None = Field(sa_type=UtcDateTime)


class LastCheckRow(Row, table=True):
    """The last check of each host, failed ones and those that overlapped a mutation included. A check that saw
    nothing has no ``content_hash``."""

    __tablename__ = "last_check"

    host_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("host.id"),))
    incarnation: int
    started_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime = Field(sa_type=UtcDateTime)
    expected_by: datetime = Field(sa_type=UtcDateTime)
    content_hash: str | None = Field(sa_type=Text, sa_column_args=(ForeignKey("facts.content_hash"),))
    observation_started_at: datetime | None = Field(sa_type=UtcDateTime)
    observed_at: datetime | None = Field(sa_type=UtcDateTime)
    volatile: dict[str, Any] | None = Field(sa_type=Json)
    error_code: str | None = Field(sa_type=Text)
    error: str | None = Field(sa_type=ForeignText)
    overlapped_mutation: bool


class PatchRow(Row, table=True):
    """The catalogue. A removed item stays, with the time of its removal: windows were decided with it."""

    __tablename__ = "patch"

    id: str = Field(primary_key=True, sa_type=Text)
    document: dict[str, Any] = Field(sa_type=Json)
    added_at: datetime = Field(sa_type=UtcDateTime)
    removed_at: datetime | None = Field(sa_type=UtcDateTime)


class CveSetRow(Row, table=True):
    """CVEs with their dates that stand together, once however many hosts have them: zlib-compressed JSON of
    `core.standings.Mark`, keyed by its SHA-256."""

    __tablename__ = "cve_set"

    digest: str = Field(primary_key=True, sa_type=Text)
    document: bytes = Field(sa_type=LargeBinary)


class StandingRow(Row, table=True):
    """Where each host stands with which CVEs now: derived, replaced whole, can be rebuilt at any time. ``count`` is how
    many CVEs; ``opened_at`` and ``due_at`` are of the open window, None without one."""

    __tablename__ = "standing"

    host_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("host.id"),))
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    severity: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    reason: str | None = Field(sa_type=Text)
    remedy: str = Field(sa_type=Text)
    since: datetime = Field(sa_type=UtcDateTime)
    spans: str = Field(sa_type=Text)
    unknown_seconds: float
    is_over: bool
    count: int
    opened_at: datetime | None = Field(sa_type=UtcDateTime)
    due_at: datetime | None = Field(sa_type=UtcDateTime)
    cve_set: str = Field(sa_type=Text, index=True, sa_column_args=(ForeignKey("cve_set.digest"),))


class ClosureRow(Row, table=True):
    """Windows that closed together, appended once and for ever: triggers refuse to change or delete them.

    A window is known by host, CVE, ``detected_at`` and ``closed_at``: a rebuild that groups otherwise adds none twice.
    """

    __tablename__ = "closure"

    id: int | None = Field(default=None, primary_key=True)
    host_id: str = Field(sa_type=Text, index=True, sa_column_args=(ForeignKey("host.id"),))
    detected_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime = Field(sa_type=UtcDateTime, index=True)
    span: str = Field(sa_type=Text)
    cve_set: str = Field(sa_type=Text, index=True, sa_column_args=(ForeignKey("cve_set.digest"),))


class ChangeRow(Row, table=True):
    """What changed that concerns hosts by what they have: zlib-compressed JSON of packages and CVEs, None for all hosts
    together, or where ``is_pending`` says that it was followed up. Numbered without a gap from 1; the last row stays.
    """

    __tablename__ = "change"

    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    document: bytes | None = Field(sa_type=LargeBinary)
    is_pending: bool


class DerivedRow(Row, table=True):
    """How often something changed of a host that moves its standings, and how often it had when they were made last:
    where the two differ, they are to be made anew."""

    __tablename__ = "derived"

    host_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("host.id"),))
    moved: int
    made: int


class RolloutRecord(Row, table=True):
    """Rollouts: the plan as it was frozen, the state as it is now."""

    __tablename__ = "rollout"

    id: str = Field(primary_key=True, sa_type=Text)
    playbook: str = Field(sa_type=Text)
    state_name: str = Field(sa_type=Text, index=True)
    plan: dict[str, Any] = Field(sa_type=Json)
    state: dict[str, Any] = Field(sa_type=Json)
    version: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    started_by: str | None = Field(sa_type=Text)


class RolloutEventRow(Row, table=True):
    """The journal of each rollout, numbered from 0 without a gap."""

    __tablename__ = "rollout_event"

    rollout_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("rollout.id"),))
    sequence: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    event: dict[str, Any] = Field(sa_type=Json)


class AttemptRow(Row, table=True):
    """Intents: what was about to be done to one host, committed before anything was sent."""

    __tablename__ = "attempt"

    id: str = Field(primary_key=True, sa_type=Text)
    rollout_id: str = Field(sa_type=Text, index=True, sa_column_args=(ForeignKey("rollout.id"),))
    host_id: str = Field(sa_type=Text, index=True, sa_column_args=(ForeignKey("host.id"),))
    host: str = Field(sa_type=Text)
    action: str = Field(sa_type=Text)
    patch_id: str = Field(sa_type=Text)
    build_sha256: str | None = Field(sa_type=Text)
    level: str | None = Field(sa_type=ForeignText)
    boot_id: str | None = Field(sa_type=ForeignText)
    intent_at: datetime = Field(sa_type=UtcDateTime)


class OutcomeRow(Row, table=True):
    """How attempts ended: one row per attempt, none while it is open."""

    __tablename__ = "outcome"

    attempt_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("attempt.id"),))
    code: str = Field(sa_type=Text)
    error_code: str | None = Field(sa_type=Text)
    detail: str = Field(sa_type=ForeignText)
    output: str = Field(sa_type=ForeignText)
    level: str | None = Field(sa_type=ForeignText)
    boot_id: str | None = Field(sa_type=ForeignText)
    finished_at: datetime = Field(sa_type=UtcDateTime)


class HostLockRow(Row, table=True):
    """One mutation per host: the primary key is the lock. Taken with the intent, freed with the outcome."""

    __tablename__ = "host_lock"

    host_id: str = Field(primary_key=True, sa_type=Text, sa_column_args=(ForeignKey("host.id"),))
    attempt_id: str = Field(sa_type=Text, unique=True, sa_column_args=(ForeignKey("attempt.id"),))


class LeaseRow(Row, table=True):
    """Who drives a rollout. Given up, the row stays without a holder, so that ``token`` never comes down."""

    __tablename__ = "lease"

    rollout_id: str = Field(primary_key=True, sa_type=Text)
    holder: str | None = Field(sa_type=Text)
    token: int
    expires_at: datetime = Field(sa_type=UtcDateTime)


class NoteRow(Row, table=True):
    """Small facts that the product itself remembers."""

    __tablename__ = "note"

    key: str = Field(primary_key=True, sa_type=Text)
    value: dict[str, Any] = Field(sa_type=Json)


HOSTS = table_of(HostRow)
FACTS = table_of(FactsRow)
NAME_SETS = table_of(NameSetRow)
PACKAGE_LISTS = table_of(PackageListRow)
SIGHTINGS = table_of(SightingRow)
LAST_CHECKS = table_of(LastCheckRow)
PATCHES = table_of(PatchRow)
CVE_SETS = table_of(CveSetRow)
STANDINGS = table_of(StandingRow)
CLOSURES = table_of(ClosureRow)
CHANGES = table_of(ChangeRow)
DERIVED = table_of(DerivedRow)
ROLLOUTS = table_of(RolloutRecord)
ROLLOUT_EVENTS = table_of(RolloutEventRow)
ATTEMPTS = table_of(AttemptRow)
OUTCOMES = table_of(OutcomeRow)
HOST_LOCKS = table_of(HostLockRow)
LEASES = table_of(LeaseRow)
NOTES = table_of(NoteRow)

_COUNTED = ("is_over", "severity", "state", "remedy", "host_id", "count", "opened_at", "due_at")
Index("ix_standing_counted", *(STANDINGS.c[name] for name in _COUNTED))
