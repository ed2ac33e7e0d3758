"""Hosts that are known and never change."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.core.host_glance import HostGlance
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.ports.store import HostChange


class KnownHosts:
    """`ports.store.HostRegister` of services that only read it."""

    def __init__(self, *records: HostRecord) -> None:
        self._records = tuple(sorted(records, key=lambda record: record.name))

    def all(self) -> tuple[HostRecord, ...]:
        return self._records

    def some(self, host_ids: Iterable[str]) -> tuple[HostRecord, ...]:
        wanted = set(host_ids)
        return tuple(record for record in self._records if record.id in wanted)

    def glances(self) -> tuple[HostGlance, ...]:
        raise NotImplementedError

    def save(self, records: Sequence[HostRecord]) -> None:
        raise NotImplementedError

    def change(self, decide: HostChange, seen: Mapping[str, Evidence] | None = None) -> tuple[HostRecord, ...]:
        raise NotImplementedError
