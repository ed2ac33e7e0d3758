"""Read what is known, without touching any host: hosts and exposures as the CLI, the API and the metrics show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orchestrator.backends.registry import BACKENDS
from orchestrator.core.exposure_report import exposure_row
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.host_view import host_view
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Patch
from orchestrator.core.standings import exposures
from orchestrator.core.windows import Exposure
from orchestrator.errors import NotFound
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

    def record(self, name: str) -> HostRecord:
        """One record by name (listed ones before retired ones) or id. Raises `NotFound`."""
        found = [record for record in self.store.hosts.all() if name in {record.name, record.id}]
        if not found:
            raise NotFound(f"no host {name!r} is known: `patchwave hosts list` shows all")
        return min(found, key=lambda record: record.retired_at is not None)

    def exposures(self) -> tuple[Exposure, ...]:
        """All current exposures of hosts that are not retired; what nobody looked at in time is unknown."""
        glances, now = {one.host_id: one for one in self.store.hosts.glances()}, self.clock.now()
        current = (one for one in self.store.exposures.all() if one.host_id in glances and not one.is_over)
        each = sorted(
            (one for standing in current for one in exposures(standing)), key=lambda one: (one.host_id, one.cve)
        )
        return tuple(as_of(exposure, glances[exposure.host_id], now) for exposure in each)

    def exposure_rows(self) -> list[Json]:
        """The rows of ``exposure list --json``, by host name and CVE."""
        names = {record.id: record.name for record in self.store.hosts.all()}
        now = self.clock.now()
        rows = [exposure_row(exposure, names.get(exposure.host_id, "?"), now) for exposure in self.exposures()]
        return sorted(rows, key=lambda row: (row["host"], row["cve"]))


def as_of(exposure: Exposure, host: HostGlance, now: datetime) -> Exposure:
    """The exposure as of ``now``: silence past the time when a check was due makes it unknown."""
    if host.last_seen is None or not host.is_overdue(now) or exposure.state is ExposureState.UNKNOWN:
        return exposure
    silent = {"state": ExposureState.UNKNOWN, "reason": None, "since": host.last_seen}
    return exposure.model_copy(update=silent)


def by_module(patches: tuple[Patch, ...]) -> Mapping[str, Patch]:
    """Catalogue items by the build ids of their modules."""
    return {build.module_build_id: patch for patch in patches for build in patch.builds}
