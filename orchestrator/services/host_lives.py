"""The lives of a host before the present one: which machine it was when, and when it was retired and came back."""

from collections.abc import Mapping
from datetime import datetime

from orchestrator.core.identity import HostRecord
from orchestrator.ports.store import Store

INCARNATIONS = "incarnations."
"""Notes: since when each incarnation of a host is trusted."""

RETIREMENTS = "retirements."
"""Notes: when a host was retired that came back."""


def remember_retirement(store: Store, host_id: str, at: datetime) -> None:
    """Keep that it had been retired then: its windows of before end there for good."""
    key = RETIREMENTS + host_id
    kept = store.notes.get(key) or {"at": []}
    store.notes.put(key, {"at": sorted({*kept["at"], at.isoformat()})})


def retirements(store: Store) -> Mapping[str, tuple[datetime, ...]]:
    """When hosts had been retired that came back, by host id."""
    kept = store.notes.items(RETIREMENTS)
    return {
        key.removeprefix(RETIREMENTS): tuple(datetime.fromisoformat(at) for at in value["at"])
        for key, value in kept.items()
    }


def remember_incarnation(store: Store, record: HostRecord) -> None:
    """Keep since when the record's incarnation was trusted, before the next one begins."""
    key = INCARNATIONS + record.id
    kept = store.notes.get(key) or {}
    store.notes.put(key, kept | {str(record.incarnation): record.incarnated_at.isoformat()})


def incarnations(store: Store, record: HostRecord) -> Mapping[int, datetime]:
    """Since when each incarnation of the host was trusted."""
    if record.incarnation == 1:
        return {1: record.incarnated_at}
    kept = store.notes.get(INCARNATIONS + record.id) or {}
    earlier = {int(number): datetime.fromisoformat(at) for number, at in kept.items()}
    return earlier | {record.incarnation: record.incarnated_at}
