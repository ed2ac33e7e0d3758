"""Who a host is over time: an id of ours, a name that may change, and the evidence that it is the same machine.

Two decisions, both pure. `reconcile` compares what an inventory lists with what we remember: new, back, gone for long
enough. `settle_evidence` takes what a check saw of a machine and says whether it is the one we know: the same, one
that moved to a new name, a clone, or another one. No record is ever dropped and no id given away: everything that was
ever observed refers to them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen, Moment
from orchestrator.errors import NotFound

RETIRED_AFTER = timedelta(hours=24)
"""How long a host may be missing from the inventory. An ephemeral one: `unknown_after`."""


class Evidence(Frozen):
    """What tells one machine from another. ``host_key`` is the SHA256 fingerprint of the key it presented."""

    host_key: str | None = None
    machine_id: str | None = None
    product_uuid: str | None = None
    boot_id: str | None = None


class HostRecord(Frozen):
    """A host as we remember it.

    ``incarnation`` counts machines that carried this name: it grows when a new host key is trusted. ``last_listed_at``
    is when an inventory last named it; ``retired_at`` is set once it has been gone for long enough.
    """

    id: str
    name: str
    address: str
    customer: str | None = None
    site: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    groups: tuple[str, ...] = ()
    ephemeral: bool = False
    incarnation: int = 1
    incarnated_at: Moment
    evidence: Evidence = Evidence()
    first_listed_at: Moment
    last_listed_at: Moment
    retired_at: Moment | None = None
    quarantined_at: Moment | None = None
    quarantine_reason: str | None = None

    @property
    def is_retired(self) -> bool:
        """Gone from the inventory for long enough, or retired by hand."""
        return self.retired_at is not None


def host_called(records: Iterable[HostRecord], name: str, *, or_retired: bool = False) -> HostRecord:
    """The one with that name or id: a listed one before a retired one, and of those the one that was retired last.
    Raises `NotFound` without any; retired ones are found only where they are asked for."""
    found = [one for one in records if name in {one.name, one.id} and (or_retired or not one.is_retired)]
    if not found:
        raise NotFound(f"no host {name!r} is {'known' if or_retired else 'listed'}: `patchwave hosts list` shows all")
    last = max(found, key=lambda one: one.retired_at or one.last_listed_at)
    return next((one for one in found if not one.is_retired), last)


class Reconciled(Frozen):
    """All records after an inventory was read; what changed, as ids, sorted by name."""

    records: tuple[HostRecord, ...]
    added: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


def reconcile(
    records: Iterable[HostRecord],
    listed: Iterable[Host],
    now: datetime,
    new_id: Callable[[], str],
    unknown_after: timedelta,
) -> Reconciled:
    """What the register of hosts becomes when an inventory lists exactly these hosts now.

    Every listed host has exactly one record of its name afterwards. One that was retired and is listed again is back,
    with its id and history. One that is not listed is retired once it has been gone for 24 h, an ephemeral one for
    ``unknown_after``; whose windows end ``withdrawn`` is the caller's to do for ``retired``.
    """
    by_id = {record.id: record for record in records}
    by_name = _current_by_name(by_id.values())
    added, returned = [], []
    for host in sorted(listed, key=lambda host: host.name):
        known = by_name.get(host.name)
        if known is None:
            record = HostRecord(
                id=new_id(),
                name=host.name,
                address=host.address,
                incarnated_at=now,
                first_listed_at=now,
                last_listed_at=now,
            )
            added.append(record.id)
        else:
            record = known
            returned += [known.id] if known.is_retired else []
        by_id[record.id] = _listed(record, host, now)
    retired = [record for record in by_id.values() if _is_due(record, now, unknown_after)]
    by_id.update({record.id: record.model_copy(update={"retired_at": now}) for record in retired})
    return Reconciled(
        records=_sorted(by_id.values()),
        added=tuple(added),
        retired=tuple(record.id for record in _sorted(retired)),
        returned=tuple(returned),
    )


def _current_by_name(records: Iterable[HostRecord]) -> dict[str, HostRecord]:
    """The record that carries each name now: one that is not retired before one that is, the latest before others."""
    result: dict[str, HostRecord] = {}
    for record in sorted(records, key=lambda record: (not record.is_retired, record.last_listed_at, record.id)):
        result[record.name] = record
    return result


def _listed(record: HostRecord, host: Host, now: datetime) -> HostRecord:
    """The record as the inventory describes its host now."""
    return record.model_copy(
        update={
            "name": host.name,
            "address": host.address,
            "customer": host.customer,
            "site": host.site,
            "labels": dict(host.labels),
            "groups": host.groups,
            "ephemeral": host.ephemeral,
            "last_listed_at": now,
            "retired_at": None,
        }
    )


def _is_due(record: HostRecord, now: datetime, unknown_after: timedelta) -> bool:
    missing = now - record.last_listed_at
    return not record.is_retired and missing >= (unknown_after if record.ephemeral else RETIRED_AFTER)


def _sorted(records: Iterable[HostRecord]) -> tuple[HostRecord, ...]:
    return tuple(sorted(records, key=lambda record: (record.name, record.id)))


class Identity(StrEnum):
    """What a machine's evidence says about who it is."""

    FIRST = "first"
    """Seen for the first time under this name."""
    SAME = "same"
    """The machine we know under this name."""
    RENAMED = "renamed"
    """A machine we know, whose old name is gone from the inventory: its id and history move to the new name."""
    CLONE = "clone"
    """Its machine-id is another host's too, but its key is not: two hosts, made from one image."""
    ONE_MACHINE = "one_machine"
    """It booted at the same instant as another listed name: one machine (or a container on it). `plan` takes one."""
    NEW_KEY = "new_key"
    """Another host key than the one we know. Nothing is taken over until ``hosts trust --replace``."""
    OTHER_MACHINE = "other_machine"
    """The known key on a machine with another machine-id: the key was copied, or the host was built anew.
    Nothing is taken over until ``hosts trust --replace``."""

    @property
    def is_refused(self) -> bool:
        """Whether what was observed must not be filed under this host."""
        return self in (Identity.NEW_KEY, Identity.OTHER_MACHINE)


class Settled(Frozen):
    """Who a checked machine turned out to be.

    ``host_id`` is the record that carries the name now: after a rename not the one the check was made for. ``others``
    are the other names concerned: the old one of a rename, the clones, the second name of one machine.
    """

    identity: Identity
    host_id: str
    name: str
    others: tuple[str, ...] = ()
    changed: tuple[HostRecord, ...] = ()


def settle_evidence(records: Iterable[HostRecord], host_id: str, evidence: Evidence, now: datetime) -> Settled:
    """Who the machine is that answered as the host with this id. ``changed`` are the records to save."""
    return settle_all(records, {host_id: evidence}, now)[0]


def settle_all(records: Iterable[HostRecord], seen: Mapping[str, Evidence], now: datetime) -> tuple[Settled, ...]:
    """The same for many hosts in one pass, in the order of their ids: each is judged by what the ones before left."""
    register = _Register(records)
    return tuple(_settle(register, register.by_id[host_id], seen[host_id], now) for host_id in sorted(seen))


def second_names(records: Iterable[HostRecord]) -> dict[str, str]:
    """Listed names that answer as a machine which already has a name, with that first name: what `plan` refuses.

    The first name is the one listed first, then the one first in the alphabet.
    """
    register = _Register(records)
    result: dict[str, str] = {}
    for ids in register.by_boot.values():
        listed = [register.by_id[each] for each in ids if not register.is_gone(register.by_id[each])]
        in_order = sorted(listed, key=lambda record: (record.first_listed_at, record.name))
        result.update({record.name: in_order[0].name for record in in_order[1:]})
    return dict(sorted(result.items()))


def replaced(record: HostRecord, host_key: str, now: datetime) -> HostRecord:
    """The record once ``hosts trust --replace`` trusted another key: a new machine under the old name and id.

    Ending the windows of the machine before it (``host_replaced``) is the caller's to do.
    """
    return record.model_copy(
        update={
            "incarnation": record.incarnation + 1,
            "incarnated_at": now,
            "evidence": Evidence(host_key=host_key),
        }
    )


class _Register:
    """Records, found by what identifies a machine."""

    def __init__(self, records: Iterable[HostRecord]) -> None:
        self.by_id: dict[str, HostRecord] = {}
        self.by_machine: dict[str, set[str]] = defaultdict(set)
        self.by_boot: dict[str, set[str]] = defaultdict(set)
        for record in records:
            self.put(record)
        self._listed_at = max((record.last_listed_at for record in self.by_id.values()), default=None)

    def put(self, record: HostRecord) -> None:
        before = self.by_id.get(record.id)
        if before is not None:
            self.by_machine[before.evidence.machine_id or ""].discard(record.id)
            self.by_boot[before.evidence.boot_id or ""].discard(record.id)
        self.by_id[record.id] = record
        if record.evidence.machine_id:
            self.by_machine[record.evidence.machine_id].add(record.id)
        if record.evidence.boot_id:
            self.by_boot[record.evidence.boot_id].add(record.id)

    def is_gone(self, record: HostRecord) -> bool:
        """Whether the latest inventory no longer lists it."""
        return record.is_retired or record.last_listed_at != self._listed_at

    def others(self, index: dict[str, set[str]], value: str | None, but: str) -> list[HostRecord]:
        ids = index.get(value, set()) if value else set()
        return list(_sorted(self.by_id[each] for each in ids if each != but))


def _settle(register: _Register, record: HostRecord, evidence: Evidence, now: datetime) -> Settled:
    refusal = _refusal(record.evidence, evidence)
    if refusal is not None:
        return Settled(identity=refusal, host_id=record.id, name=record.name)
    if _has_no_past(record) and (old := _former(register, record, evidence)) is not None:
        return _rename(register, old, record, evidence, now)
    updated = record.model_copy(update={"evidence": _joined(record.evidence, evidence)})
    register.put(updated)
    identity, others = _relation(register, record, updated)
    changed = (updated,) if updated != record else ()
    return Settled(identity=identity, host_id=record.id, name=record.name, others=others, changed=changed)


def _has_no_past(record: HostRecord) -> bool:
    """Nothing was ever observed under it. A name whose machine was replaced keeps the history of the one before."""
    return record.incarnation == 1 and record.evidence.machine_id is None and record.evidence.boot_id is None


def _refusal(known: Evidence, seen: Evidence) -> Identity | None:
    if _differ(known.host_key, seen.host_key):
        return Identity.NEW_KEY
    same_board = known.product_uuid is not None and known.product_uuid == seen.product_uuid
    if _differ(known.machine_id, seen.machine_id) and not same_board:
        return Identity.OTHER_MACHINE
    return None


def _differ(known: str | None, seen: str | None) -> bool:
    """What could not be read contradicts nothing."""
    return known is not None and seen is not None and known != seen


def _former(register: _Register, record: HostRecord, evidence: Evidence) -> HostRecord | None:
    """The one host that had this key and machine-id and is gone. With several of them there is no telling which."""
    found = [
        other
        for other in register.others(register.by_machine, evidence.machine_id, but=record.id)
        if other.evidence.host_key == evidence.host_key is not None and register.is_gone(other)
    ]
    return found[0] if len(found) == 1 else None


def _rename(register: _Register, old: HostRecord, new: HostRecord, evidence: Evidence, now: datetime) -> Settled:
    """The old record takes the new name and listing; the new one, which has no history yet, keeps the old name,
    retired, so that no record is lost and no name has two."""
    listing = {
        field: getattr(new, field)
        for field in ("name", "address", "customer", "site", "labels", "groups", "ephemeral", "last_listed_at")
    }
    moved = old.model_copy(update={**listing, "evidence": _joined(old.evidence, evidence), "retired_at": None})
    left = new.model_copy(update={"name": old.name, "address": old.address, "groups": (), "retired_at": now})
    register.put(moved)
    register.put(left)
    return Settled(
        identity=Identity.RENAMED, host_id=moved.id, name=moved.name, others=(old.name,), changed=(moved, left)
    )


def _joined(known: Evidence, seen: Evidence) -> Evidence:
    return known.model_copy(update=seen.model_dump(exclude_none=True))


def _relation(register: _Register, before: HostRecord, record: HostRecord) -> tuple[Identity, tuple[str, ...]]:
    same_boot = register.others(register.by_boot, record.evidence.boot_id, but=record.id)
    listed = tuple(other.name for other in same_boot if not register.is_gone(other))
    if listed:
        return Identity.ONE_MACHINE, listed
    same_machine_id = register.others(register.by_machine, record.evidence.machine_id, but=record.id)
    clones = tuple(o.name for o in same_machine_id if _differ(o.evidence.host_key, record.evidence.host_key))
    if clones:
        return Identity.CLONE, clones
    return (Identity.FIRST if before.evidence == Evidence() else Identity.SAME), ()
