"""Read the inventory, keep the last good one, and settle who is who."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.core.fleet import Fleet, Member
from orchestrator.core.identity import HostRecord, Reconciled, reconcile
from orchestrator.core.inventory_rules import Accepted, Inventory, accept, from_json, left_out_warning, to_json
from orchestrator.errors import InventoryInvalid
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.host_lives import remember_retirement
from orchestrator.services.update_exposures import UpdateExposures

LAST_GOOD = "inventory.last_good"


@dataclass(frozen=True, kw_only=True)
class RefreshInventory:
    """Turns inventory files into the fleet as it is listed now; the windows of who is gone, or back, follow."""

    load: Callable[[], Inventory]
    store: Store
    clock: Clock
    new_id: Callable[[], str]
    unknown_after: timedelta
    update_exposures: UpdateExposures

    def __call__(self, *, on_purpose: bool = False) -> Fleet:
        """The fleet. Raises `InventoryInvalid` when the files are no good and no last good inventory is kept."""
        stored = self._stored()
        last_good = from_json(stored) if stored is not None else None
        previous = last_good.names if last_good else ()
        loaded = self._try_to_load()
        decided = accept(
            previous, loaded if isinstance(loaded, InventoryInvalid) else loaded.names, on_purpose=on_purpose
        )
        if isinstance(decided, Accepted):
            assert isinstance(loaded, Inventory)  # noqa: S101  an unread inventory is never accepted
            return self._fleet(self._keep(loaded, stored))
        assert last_good is not None  # noqa: S101  nothing is kept where there was nothing
        return self._fleet(_with_secrets(last_good, loaded), decided.message)

    def _try_to_load(self) -> Inventory | InventoryInvalid:
        try:
            return self.load()
        except InventoryInvalid as exc:
            return exc

    def _stored(self) -> str | None:
        note = self.store.notes.get(LAST_GOOD)
        return None if note is None else str(note["inventory"])

    def _keep(self, loaded: Inventory, stored: str | None) -> Inventory:
        kept = to_json(loaded)
        if stored != kept:
            self.store.notes.put(LAST_GOOD, {"inventory": kept})
        return loaded

    def _fleet(self, inventory: Inventory, *warnings: str) -> Fleet:
        by_name = {record.name: record for record in self._settled(inventory) if record.retired_at is None}
        members = tuple(Member(host=host, record=by_name[host.name]) for host in inventory.hosts)
        if inventory.left_out:
            warnings = (*warnings, left_out_warning(inventory.left_out))
        return Fleet(members=members, groups=inventory.groups, warnings=warnings, left_out=inventory.left_out)

    def _settled(self, inventory: Inventory) -> tuple[HostRecord, ...]:
        """The register as the inventory leaves it. Read once: with thousands of hosts that is what a start takes."""
        decided: list[Reconciled] = []
        regrouped: set[str] = set()
        retired: dict[str, datetime] = {}

        def decide(known: Sequence[HostRecord]) -> list[HostRecord]:
            reconciled = reconcile(
                known, inventory.hosts, now=self.clock.now(), new_id=self.new_id, unknown_after=self.unknown_after
            )
            decided.append(reconciled)
            before = {record.id: record for record in known}
            changed = [record for record in reconciled.records if before.get(record.id) != record]
            retired.clear()
            retired.update({key: at for key in reconciled.returned if (at := before[key].retired_at) is not None})
            regrouped.clear()
            regrouped.update(
                one.id for one in changed if one.id in before and _level_of(before[one.id]) != _level_of(one)
            )
            return changed

        self.store.hosts.change(decide)
        reconciled = decided[-1]
        for host_id, at in sorted(retired.items()):
            remember_retirement(self.store, host_id, at)
        self.update_exposures({*reconciled.retired, *reconciled.returned, *regrouped})
        return reconciled.records


def _level_of(record: HostRecord) -> tuple[object, ...]:
    """What service levels look at: whoever has another label is due at another time."""
    return record.labels, record.customer, record.groups


def _with_secrets(last_good: Inventory, loaded: Inventory | InventoryInvalid) -> Inventory:
    """The last good hosts, with the secrets of those that the new files still name."""
    if isinstance(loaded, InventoryInvalid):
        return last_good
    fresh = {host.name: host for host in loaded.hosts}
    return last_good.model_copy(update={"hosts": tuple(fresh.get(host.name, host) for host in last_good.hosts)})
