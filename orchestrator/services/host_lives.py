"""The lives of a host before the present one: which machine it was when, and when it was retired and came back."""

from collections.abc import Mapping
from datetime import datetime

from orchestrator.ports.store import Store

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
