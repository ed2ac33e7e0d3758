"""The store in memory. The contract suite in `tests/adapters/store` holds it to what the real ones do."""

import itertools
from collections.abc import Mapping
from datetime import datetime

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.patches import Patch
from orchestrator.errors import Conflict, NotFound
from orchestrator.ports.store import Json
from tests.fakes.advisories import fake_advisories
from tests.fakes.changes import FakeChanges
from tests.fakes.exposures import FakeExposures
from tests.fakes.register import FakeHosts, FakeSightings
from tests.fakes.rollouts import FakeAttempts, FakeLeases, FakeRollouts
from tests.fakes.sla import FakeAcceptances, FakePolicies


class FakeCatalogue:
    """`ports.store.CatalogueStore`."""

    def __init__(self, changes: FakeChanges) -> None:
        self._changes = changes
        self._patches: dict[str, Patch] = {}
        self._removed: dict[str, datetime] = {}

    def all(self) -> tuple[Patch, ...]:
        return tuple(self._patches[key] for key in sorted(self._patches) if key not in self._removed)

    def history(self) -> Catalogue:
        return Catalogue(patches=tuple(self._patches[key] for key in sorted(self._patches)), removed_at=self._removed)

    def add(self, patch: Patch) -> None:
        is_new = patch.id not in self._patches or patch.id in self._removed
        stored = self._patches.setdefault(patch.id, patch)
        if stored.model_copy(update={"added_at": patch.added_at}) != patch:
            raise Conflict(f"the catalogue knows {patch.id} with other content: give the new patch an id of its own")
        if self._removed.pop(patch.id, None) is not None:
            self._patches[patch.id] = patch
        if is_new:
            self._changes.concerning_all()

    def remove(self, patch_id: str, at: datetime) -> None:
        if patch_id not in self._patches or patch_id in self._removed:
            raise NotFound(f"the catalogue has no patch {patch_id}")
        self._removed[patch_id] = at
        self._changes.concerning_all()


class FakeNotes:
    """`ports.store.Notes`."""

    def __init__(self) -> None:
        self._notes: dict[str, Json] = {}

    def get(self, key: str) -> Json | None:
        return self._notes.get(key)

    def put(self, key: str, value: Json) -> None:
        self._notes[key] = value

    def items(self, prefix: str) -> Mapping[str, Json]:
        return {key: self._notes[key] for key in sorted(self._notes) if key.startswith(prefix)}

    def drop(self, key: str) -> None:
        self._notes.pop(key, None)


class FakeStore:
    """`ports.store.Store` in memory. Sightings are named ``sighting-00001`` and so on."""

    def __init__(self) -> None:
        numbers = itertools.count(1)
        self.hosts = FakeHosts()
        self.sightings = FakeSightings(self.hosts, lambda: f"sighting-{next(numbers):05}")
        self.catalogue = FakeCatalogue(self.hosts.changes)
        self.exposures = FakeExposures(self.hosts)
        self.feeds, self.advisories, self.advisory_index = fake_advisories(self.hosts.changes)
        self.policies, self.acceptances = FakePolicies(self.hosts.changes), FakeAcceptances()
        self.leases = FakeLeases()
        self.attempts = FakeAttempts()
        self.rollouts = FakeRollouts(self.hosts, self.leases, self.attempts)
        self.notes = FakeNotes()

    def close(self) -> None:
        """Nothing to close."""
