"""Retire a host by hand: it is gone for good, before the inventory's absence of a day says so."""

from dataclasses import dataclass

from orchestrator.core.fleet import Fleet
from orchestrator.core.identity import HostRecord
from orchestrator.errors import Conflict
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.update_exposures import UpdateExposures


@dataclass(frozen=True, kw_only=True)
class RetireHost:
    """Ends a record: its open windows end as withdrawn, never as fixed."""

    store: Store
    clock: Clock
    update_exposures: UpdateExposures

    def __call__(self, record: HostRecord, fleet: Fleet) -> None:
        """Retire it now. Raises `Conflict` when the inventory lists it, which would bring it back at once."""
        refuse_listed(record, fleet)
        change = {"retired_at": self.clock.now()}
        self.store.hosts.change(lambda known: [one.model_copy(update=change) for one in known if one.id == record.id])
        self.update_exposures([record.id])


def refuse_listed(record: HostRecord, fleet: Fleet) -> None:
    """Raise `Conflict` when the inventory still lists the host."""
    if fleet.by_id(record.id) is not None:
        raise Conflict(
            f"{record.name} is in the inventory, and would be back the next time that is read: take it out there, or"
            f" keep it out of rollouts with `patchwave hosts quarantine {record.name}`"
        )
