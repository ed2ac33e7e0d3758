"""Read what is known of hosts, without touching any: as the CLI and the API show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.backends.registry import BACKENDS
from orchestrator.core.host_view import host_view
from orchestrator.core.identity import HostRecord, host_called
from orchestrator.core.patches import Patch
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store

Json = dict[str, Any]

ROLLING_BACK = frozenset(one.name for one in BACKENDS.values() if one.capabilities.reverts)
"""Tools that take a patch out again without a reboot."""


@dataclass(frozen=True, kw_only=True)
class ReadFleet:
    """Everything here is read-only and contacts nobody."""

    store: Store
    clock: Clock

    def hosts(self, *, retired: bool = False) -> list[Json]:
        """HOST of every record, by name."""
        checks, latest = self.store.sightings.last_checks(), self.store.sightings.latest()
        patches = by_module(self.store.catalogue.all())
        return [
            host_view(record, checks.get(record.id), latest.get(record.id), patches, ROLLING_BACK)
            for record in self.store.hosts.all()
            if retired or record.retired_at is None
        ]

    def host(self, name: str) -> Json:
        """HOST of one, by name or id. Raises `NotFound`."""
        record = self.record(name)
        checks, latest = self.store.sightings.last_checks([record.id]), self.store.sightings.latest([record.id])
        patches = by_module(self.store.catalogue.all())
        return host_view(record, checks.get(record.id), latest.get(record.id), patches, ROLLING_BACK)

    def ids_of(self, name: str) -> tuple[str, ...]:
        """The ids of the hosts of that name, listed or retired; empty where there is none."""
        return tuple(record.id for record in self.store.hosts.all() if record.name == name)

    def record(self, name: str) -> HostRecord:
        """One record by name or id, as `core.identity.host_called` has it, retired ones included. Raises `NotFound`."""
        return host_called(self.store.hosts.all(), name, or_retired=True)


def by_module(patches: tuple[Patch, ...]) -> Mapping[str, Patch]:
    """Catalogue items by the build ids of their modules."""
    return {build.module_build_id: patch for patch in patches for build in patch.builds}
