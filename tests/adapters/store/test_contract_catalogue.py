"""What every store does with the catalogue."""

import pytest

from orchestrator.errors import Conflict, NotFound
from orchestrator.ports.store import Store
from tests.adapters.store.samples import HOUR, T0, host, patch

OTHER_CVE = "CVE-2099-0002"


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows web1 and web2."""
    store.hosts.save([host("web1"), host("web2")])
    return store


def test_patches_come_back_as_they_were_by_id(store: Store) -> None:
    """Every field survives, tuples and words in ``replaces`` included."""
    store.catalogue.add(patch("LAB-0002", replaces="all"))
    store.catalogue.add(patch("LAB-0001"))
    assert (patch("LAB-0001"), patch("LAB-0002", replaces="all")) == store.catalogue.all()


def test_the_same_patch_again_changes_nothing(store: Store) -> None:
    """It keeps the date on which it first reached us."""
    store.catalogue.add(patch())
    store.catalogue.add(patch(added_at=T0 + HOUR))
    assert (patch(),) == store.catalogue.all()


def test_an_id_never_gets_other_content(store: Store) -> None:
    """Neither while the item is in force nor after its removal: windows were decided with it."""
    store.catalogue.add(patch())
    with pytest.raises(Conflict, match="LAB-0001"):
        store.catalogue.add(patch(summary="another"))
    store.catalogue.remove("LAB-0001", T0)
    with pytest.raises(Conflict, match="LAB-0001"):
        store.catalogue.add(patch(summary="another"))
    assert () == store.catalogue.all()


def test_a_removed_patch_may_come_back(store: Store) -> None:
    """The very same content is in force again, as if it reached us now: its windows ended when it was removed."""
    store.catalogue.add(patch())
    store.catalogue.remove("LAB-0001", T0)
    again = patch(added_at=T0 + HOUR)
    store.catalogue.add(again)
    assert (again,) == store.catalogue.all()
    assert ((again,), {}) == (store.catalogue.history().patches, store.catalogue.history().removed_at)


def test_only_what_is_in_force_can_be_removed(store: Store) -> None:
    """An unknown id and one removed before are not found."""
    store.catalogue.add(patch())
    store.catalogue.remove("LAB-0001", T0)
    for missing in ("LAB-0001", "LAB-0009"):
        with pytest.raises(NotFound, match=missing):
            store.catalogue.remove(missing, T0)
