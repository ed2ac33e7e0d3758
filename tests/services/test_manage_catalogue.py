"""The catalogue: files first, then the item, then the windows that it decides."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.patches import Patch
from orchestrator.errors import CatalogueInvalid, ModuleInvalid, NotFound
from orchestrator.services.manage_catalogue import ManageCatalogue
from tests.core.exposure_builders import FIRST, LAB_1, LAB_2, SECOND, facts, item
from tests.services.fleets import Checked


class Files:
    """Where modules are kept."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.is_broken = False

    def keep(self, patch: Patch, files: Mapping[str, Path]) -> None:
        """Keep them."""
        if self.is_broken:
            raise ModuleInvalid("no room")
        self.kept.append(patch.id)


def catalogue(fleet: Checked, files: Files | None = None) -> ManageCatalogue:
    """The service over that fleet."""
    keep = (files or Files()).keep
    return ManageCatalogue(
        keep_files=keep, store=fleet.store, clock=fleet.clock, update_exposures=fleet.update_exposures
    )


def seen() -> Checked:
    """A host that was checked before anything was in the catalogue."""
    fleet = Checked("web")
    fleet.eyes.shows["web"] = facts()
    fleet.check_hosts(fleet.members)
    fleet.clock.advance(60)
    return fleet


def states(fleet: Checked) -> dict[str, ExposureState]:
    """By CVE."""
    return {mark.cve: one.state for one in fleet.store.exposures.all() for mark in one.marks}


def test_a_new_item_makes_known_who_is_exposed() -> None:
    """Without another check."""
    fleet, files = seen(), Files()
    assert {} == states(fleet)

    catalogue(fleet, files).add(LAB_2, {})

    assert ({FIRST: ExposureState.EXPOSED, SECOND: ExposureState.EXPOSED}, ["LAB-0002"]) == (states(fleet), files.kept)


def test_the_same_again_changes_nothing() -> None:
    """It reached us when it first did."""
    fleet = seen()
    catalogue(fleet).add(LAB_1, {})
    later = LAB_1.model_copy(update={"added_at": fleet.clock.now()})

    catalogue(fleet).add(later, {})

    assert (LAB_1,) == fleet.store.catalogue.all()


def test_a_replacement_must_fix_what_it_replaces() -> None:
    """Refused before anything is kept."""
    fleet, files = seen(), Files()
    catalogue(fleet).add(LAB_2, {})
    less = item("LAB-0003", (FIRST,)).model_copy(update={"replaces": ("LAB-0002",)})

    with pytest.raises(CatalogueInvalid, match=SECOND):
        catalogue(fleet, files).add(less, {})

    assert ([], (LAB_2,)) == (files.kept, fleet.store.catalogue.all())


def test_without_its_files_an_item_is_not_added() -> None:
    """The catalogue promises nothing that it cannot load."""
    fleet, files = seen(), Files()
    files.is_broken = True

    with pytest.raises(ModuleInvalid):
        catalogue(fleet, files).add(LAB_1, {})
    assert () == fleet.store.catalogue.all()


def test_a_removed_item_exposes_nobody_any_more() -> None:
    """Its windows end as withdrawn, and it is still known to those that were decided with it."""
    fleet = seen()
    catalogue(fleet).add(LAB_1, {})

    catalogue(fleet).remove("LAB-0001")

    assert ["withdrawn"] == [one.span.method for one in fleet.store.exposures.closures()]
    assert ((), (LAB_1,)) == (fleet.store.catalogue.all(), fleet.store.catalogue.history().patches)


def test_a_name_that_is_not_there() -> None:
    """Says where to look."""
    fleet = seen()
    with pytest.raises(NotFound, match="patchwave patches list"):
        catalogue(fleet).show("LAB-9999")
    with pytest.raises(NotFound):
        catalogue(fleet).remove("LAB-9999")
