"""The inventory that is in force: the one that was read, or the last good one."""

from typing import cast

import pytest
from pydantic import SecretStr

from orchestrator.core.fleet import Fleet
from orchestrator.core.hosts import Host, LeftOutHost
from orchestrator.core.inventory_rules import Inventory
from orchestrator.errors import InventoryInvalid
from orchestrator.services.host_lives import retirements
from orchestrator.services.refresh_inventory import LAST_GOOD, RefreshInventory
from orchestrator.services.update_exposures import UpdateExposures
from tests.fakes.clock import FakeClock
from tests.fakes.register import FakeHosts
from tests.fakes.store import FakeStore
from tests.services.fleets import UNKNOWN_AFTER, ids

DAY = 24 * 60 * 60


class Files:
    """Inventory files that can be changed, and the service that reads them."""

    def __init__(self, *names: str) -> None:
        self.clock, self.store = FakeClock(), FakeStore()
        self.hosts = {name: Host(name=name, address=name, password=SecretStr(f"pw-{name}")) for name in names}
        self.broken = False
        self.left_out: tuple[LeftOutHost, ...] = ()
        self.moved: list[set[str]] = []
        self.refresh = RefreshInventory(
            load=self.load,
            store=self.store,
            clock=self.clock,
            new_id=ids("id-"),
            unknown_after=UNKNOWN_AFTER,
            update_exposures=cast("UpdateExposures", self.moved.append),
        )

    def load(self) -> Inventory:
        """Read the files."""
        if self.broken:
            raise InventoryInvalid("no YAML", file="hosts.yml", line=3)
        names = tuple(sorted(self.hosts))
        hosts = tuple(self.hosts[name] for name in names)
        return Inventory(hosts=hosts, groups={"all": names}, source="hosts.yml", left_out=self.left_out)

    def drop(self, *names: str) -> None:
        """Take hosts out."""
        for name in names:
            del self.hosts[name]


def names(fleet: Fleet) -> list[str]:
    """The fleet's hosts."""
    return [member.name for member in fleet.members]


def password(fleet: Fleet, name: str) -> str | None:
    """The login password that a host would be reached with."""
    member = fleet.named(name)
    assert member is not None
    return member.host.password.get_secret_value() if member.host.password else None


def test_a_good_inventory_is_taken_and_kept_without_secrets() -> None:
    """Passwords stay in the inventory files alone."""
    files = Files("a", "b")

    fleet = files.refresh()

    assert (["a", "b"], (), "pw-a") == (names(fleet), fleet.warnings, password(fleet, "a"))
    assert "pw-a" not in str(files.store.notes.get(LAST_GOOD))


def test_hosts_keep_their_ids() -> None:
    """Read again, nothing changes and nothing is written."""
    files = Files("a", "b")
    before = files.refresh()
    assert before.members == files.refresh().members


def test_without_a_last_good_one_a_broken_inventory_is_an_error() -> None:
    """With its file and line."""
    files = Files("a")
    files.broken = True
    with pytest.raises(InventoryInvalid, match=r"hosts\.yml:3: no YAML"):
        files.refresh()


def test_without_a_last_good_one_an_empty_inventory_is_an_error() -> None:
    """There is nobody to look after."""
    with pytest.raises(InventoryInvalid, match="names no host"):
        Files().refresh()


def test_a_broken_inventory_keeps_the_last_good_one() -> None:
    """And says so, with the place. Passwords cannot be read then."""
    files = Files("a", "b")
    files.refresh()
    files.broken = True

    fleet = files.refresh()

    assert (["a", "b"], None) == (names(fleet), password(fleet, "a"))
    assert "hosts.yml:3: no YAML" in fleet.warnings[0]


def test_an_emptied_inventory_keeps_the_last_good_one() -> None:
    """And says how to mean it."""
    files = Files("a", "b")
    files.refresh()
    files.drop("a", "b")

    fleet = files.refresh()

    assert ["a", "b"] == names(fleet)
    assert "--accept-inventory" in fleet.warnings[0]


def test_an_inventory_that_lost_a_fifth_is_taken() -> None:
    """Twenty percent are still plausible."""
    files = Files("a", "b", "c", "d", "e")
    files.refresh()
    files.drop("e")
    assert (["a", "b", "c", "d"], ()) == (names(fleet := files.refresh()), fleet.warnings)


def test_an_inventory_that_lost_more_keeps_the_last_good_one() -> None:
    """Hosts that the files still name keep their secrets; the others are there without."""
    files = Files("a", "b", "c")
    files.refresh()
    files.drop("c")

    fleet = files.refresh()

    assert (["a", "b", "c"], "pw-a", None) == (names(fleet), password(fleet, "a"), password(fleet, "c"))
    assert "lost 1 of 3 hosts (c)" in fleet.warnings[0]


def test_on_purpose_it_is_taken_and_kept_as_the_good_one() -> None:
    """Said once, it holds from then on."""
    files = Files("a", "b", "c")
    files.refresh()
    files.drop("b", "c")

    assert ["a"] == names(files.refresh(on_purpose=True))
    assert (["a"], ()) == (names(fleet := files.refresh()), fleet.warnings)


def test_a_host_that_stays_out_is_retired_after_a_day() -> None:
    """Not at once: files are edited."""
    files = Files(*"abcdef")
    files.refresh()
    files.drop("f")
    files.refresh()
    assert [] == [one.name for one in files.store.hosts.all() if one.is_retired]

    files.clock.advance(DAY)
    files.refresh()

    assert ["f"] == [one.name for one in files.store.hosts.all() if one.is_retired]


def test_windows_follow_who_is_gone_and_who_is_back() -> None:
    """Those of a host that was retired end, and those of one that is listed again go on."""
    files = Files(*"abcdef")
    ids_of = {member.name: member.record.id for member in files.refresh()}
    gone = files.hosts["f"]
    files.drop("f")
    files.clock.advance(DAY)
    files.refresh()
    files.hosts["f"] = gone
    files.refresh()

    assert [set(), {ids_of["f"]}, {ids_of["f"]}] == files.moved
    assert [False] * 6 == [one.is_retired for one in files.store.hosts.all()]


def test_when_a_host_was_retired_is_remembered_when_it_comes_back() -> None:
    """What ended then stays ended."""
    files = Files("a", "b", "c", "d", "e", "f")
    (known,) = [member.record.id for member in files.refresh().members if member.name == "f"]
    gone = files.hosts.pop("f")
    for _ in range(2):
        files.clock.advance(DAY)
        files.refresh()
    (record,) = files.store.hosts.some([known])
    assert record.retired_at is not None
    files.hosts["f"] = gone

    files.refresh()

    assert {known: (record.retired_at,)} == retirements(files.store)


def test_windows_follow_labels_customers_and_groups() -> None:
    """Service levels look at them."""
    files = Files("a", "b")
    files.refresh()
    files.hosts["b"] = files.hosts["b"].model_copy(update={"labels": {"env": "prod"}})
    files.moved.clear()

    files.refresh()

    (known,) = [record for record in files.store.hosts.all() if record.name == "b"]
    assert [{known.id}] == files.moved


def test_the_register_is_read_once() -> None:
    """A start with thousands of hosts takes as long as that."""
    files = Files("a", "b")
    files.refresh()
    read: list[str] = []
    files.store.hosts = _Watched(files.store.hosts, read)  # type: ignore[assignment]

    assert (["a", "b"], ["change"]) == (names(files.refresh()), read)


class _Watched:
    """A register that tells what was asked of it."""

    def __init__(self, hosts: FakeHosts, read: list[str]) -> None:
        self._hosts, self._read = hosts, read

    def __getattr__(self, name: str) -> object:
        self._read.append(name)
        return getattr(self._hosts, name)


def test_a_kept_inventory_retires_nobody() -> None:
    """However long it stays broken: the last good one still lists everybody."""
    files = Files("a", "b")
    files.refresh()
    files.broken = True
    for _ in range(3):
        files.clock.advance(DAY)
        files.refresh()
    assert [False, False] == [one.is_retired for one in files.store.hosts.all()]


def left_out(*names: str) -> tuple[LeftOutHost, ...]:
    """Hosts that Ansible runs on its own machine."""
    return tuple(LeftOutHost(name=name, why="ansible_connection=local") for name in names)


def test_hosts_that_are_left_out_are_named_in_one_warning() -> None:
    """Some of them by name; also while the last good inventory stands in."""
    files = Files("a", "b")
    files.left_out = left_out("localhost")
    assert (
        "1 host is not reached over SSH and was left out: localhost (ansible_connection=local)",
    ) == files.refresh().warnings

    files.left_out = left_out("l1", "l2", "l3", "l4", "l5", "l6")
    fleet = files.refresh()
    files.broken = True
    kept = files.refresh()

    (warning,) = fleet.warnings
    assert warning.startswith("6 hosts are not reached over SSH and were left out: l1 (ansible_connection=local), l2 (")
    assert warning.endswith("l5 (ansible_connection=local) and 1 more")
    assert (warning, files.left_out) == (kept.warnings[1], kept.left_out)


def test_an_inventory_of_nothing_but_such_hosts_is_an_error() -> None:
    """There is nobody to look after."""
    files = Files()
    files.left_out = left_out("localhost")
    with pytest.raises(InventoryInvalid, match="no host that is reached over SSH"):
        files.refresh()
