"""What every store remembers of changes that windows are to follow."""

from collections.abc import Callable

import pytest

from orchestrator.core.advisories import Entry, FeedImport
from orchestrator.core.sla_policy import DEFAULT_POLICY, Adopted
from orchestrator.ports.store import Basis, Change, Pending, Store
from tests.adapters.store.samples import HOUR, T0, check, facts, host, patch, standing
from tests.adapters.store.test_contract_advisories import KEY, entry, statement


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows web1 and web2, of which nothing is left to do."""
    store.hosts.save([host("web1"), host("web2")])
    return store


def told(store: Store, *entries: Entry, day: int = 0) -> None:
    """An import."""
    store.feeds.import_entries(FeedImport(feed="debian", at=T0 + day * HOUR, source="x"), entries)


def test_an_import_is_pending_until_it_was_followed_up(register: Store) -> None:
    """With the packages and CVEs of all that it changed; one that changed nothing is none."""
    told(register, entry(statement()))
    told(register, entry(statement()), day=1)
    told(register, day=2)
    cves = frozenset({"CVE-2099-0001"})
    first, second = (Change(number=n, packages=frozenset({KEY}), cves=cves) for n in (1, 2))
    assert Pending(changes=(first, second)) == register.exposures.pending()
    register.exposures.handled([1])
    assert Pending(changes=(second,)) == register.exposures.pending()
    register.exposures.handled([2])
    assert Pending() == register.exposures.pending()
    assert Basis(version=2, moves={}) == register.exposures.basis(["id-web1"])
    told(register, entry(statement()), day=3)
    assert [3] == [change.number for change in register.exposures.pending().changes]


def test_the_catalogue_and_service_levels_concern_everybody(register: Store) -> None:
    """An item that is there already changes nothing."""
    added = patch()
    register.catalogue.add(added)
    register.catalogue.add(added)
    register.catalogue.remove(added.id, T0 + HOUR)
    register.policies.append(Adopted(policy=DEFAULT_POLICY, since=T0 + HOUR, set_by="ops"), 0)
    expected = tuple(Change(number=n, is_everything=True) for n in (1, 2, 3))
    assert Pending(changes=expected) == register.exposures.pending()


def again(store: Store) -> None:
    """A host that is seen in another state."""
    store.sightings.record([check("web1", T0 + HOUR / 2, facts("boot-2"))])


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (again, True),
        (lambda store: store.sightings.record([check("web1", T0 + HOUR / 2)]), False),
        (lambda store: store.hosts.save([host("web1", retired_at=T0)]), True),
        (lambda store: store.hosts.change(lambda _: [host("web1", incarnation=2)]), True),
        (lambda store: store.hosts.change(lambda _: [host("web1", labels={"a": "b"})]), True),
        (lambda store: store.hosts.change(lambda _: [host("web1", address="192.0.2.9")]), False),
    ],
)
def test_a_host_of_which_something_changed_is_pending(
    register: Store, change: Callable[[Store], object], moves: bool
) -> None:
    """Until its standings were made of that."""
    register.sightings.record([check("web1", T0)])
    register.exposures.replace_many({"id-web1": []}, register.exposures.basis(["id-web1"]))
    assert Pending() == register.exposures.pending()
    change(register)
    assert Pending(hosts=frozenset({"id-web1"} if moves else ())) == register.exposures.pending()
    register.exposures.replace_many({"id-web1": []}, register.exposures.basis(["id-web1"]))
    assert Pending() == register.exposures.pending()


def test_standings_that_are_late_replace_nothing(register: Store) -> None:
    """A host that changed after they were made stays as it is, and pending; others are replaced."""
    before = {f"id-{name}": (standing(name),) for name in ("web1", "web2")}
    register.exposures.replace_many(before)
    made_of = register.exposures.basis(before)
    register.sightings.record([check("web1", T0)])
    assert {"id-web1"} == register.exposures.replace_many({"id-web1": [], "id-web2": []}, made_of)
    assert {"id-web1": before["id-web1"]} == register.exposures.of(before)
    assert Pending(hosts=frozenset({"id-web1"})) == register.exposures.pending()


def test_standings_that_were_made_before_an_import_replace_nothing(register: Store) -> None:
    """Whomever it concerns, and whether or not it was followed up by now."""
    made_of = register.exposures.basis(["id-web1"])
    told(register, entry(statement()))
    register.exposures.handled([1])
    assert {"id-web1"} == register.exposures.replace_many({"id-web1": [standing("web1")]}, made_of)
    assert {} == register.exposures.of(["id-web1"])
    assert frozenset() == register.exposures.replace_many({"id-web1": []}, register.exposures.basis(["id-web1"]))
