"""Add patches to the catalogue and take them out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.catalogue import check_replacement
from orchestrator.core.patches import Patch
from orchestrator.errors import NotFound
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.update_exposures import UpdateExposures


@dataclass(frozen=True, kw_only=True)
class ManageCatalogue:
    """Every change brings the exposure windows up to date: a new fix makes hosts exposed that were not known to be."""

    keep_files: Callable[[Patch, Mapping[str, Path]], None]
    store: Store
    clock: Clock
    update_exposures: UpdateExposures

    def add(self, patch: Patch, files: Mapping[str, Path]) -> None:
        """Add an item and its modules. The same again changes nothing.

        Raises `CatalogueInvalid` when it replaces items without fixing what they fix, `Conflict` when its id is taken.
        """
        known = {one.id: one for one in self.store.catalogue.all()}
        if (old := known.get(patch.id)) is not None:
            patch = patch.model_copy(update={"added_at": old.added_at})
        if patch.replaces != "all":
            # Whose place "all" takes depends on what is in force on each host: that is checked there.
            check_replacement(patch, known.values())
        self.keep_files(patch, files)
        self.store.catalogue.add(patch)
        self.update_exposures.everywhere()

    def remove(self, patch_id: str) -> None:
        """Take an item out; a module of it that is still loaded is still recognised. Raises `NotFound`."""
        self.store.catalogue.remove(patch_id, self.clock.now())
        self.update_exposures.everywhere()

    def show(self, patch_id: str) -> Patch:
        """One item. Raises `NotFound`."""
        found = next((patch for patch in self.store.catalogue.all() if patch.id == patch_id), None)
        if found is None:
            raise NotFound(f"the catalogue has no patch {patch_id!r}: `patchwave patches list` shows all")
        return found
