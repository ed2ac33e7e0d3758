"""When a newly read inventory may replace the last good one, and what of it is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from orchestrator.core.hosts import Become, Host
from orchestrator.core.inventory_rules import (
    Accepted,
    Inventory,
    Kept,
    KeptReason,
    accept,
    from_json,
    to_json,
    without_secrets,
)
from orchestrator.errors import InventoryInvalid

TEN = [f"h{number}" for number in range(10)]
BROKEN = InventoryInvalid("bad range", file="hosts", line=3)


def test_the_first_inventory_is_accepted() -> None:
    """There is nothing to compare it with."""
    assert Accepted(added=("a", "b")) == accept([], ["b", "a"])


def test_losing_a_fifth_is_accepted_and_more_is_not() -> None:
    """Two of ten may go; three of ten keep the last good inventory, and the message says how to mean it."""
    assert Accepted(lost=("h8", "h9")) == accept(TEN, TEN[:8])
    kept = accept(TEN, TEN[:7])
    assert isinstance(kept, Kept)
    assert (KeptReason.SHRUNK, ("h7", "h8", "h9")) == (kept.reason, kept.lost)
    assert "--accept-inventory" in kept.message


def test_hosts_that_are_new_do_not_make_up_for_lost_ones() -> None:
    """Ten hosts under ten other names are ten lost ones."""
    kept = accept(TEN, [f"x{number}" for number in range(10)])
    assert isinstance(kept, Kept)
    assert KeptReason.SHRUNK is kept.reason


def test_an_empty_one_keeps_the_last_good_one() -> None:
    """An empty inventory is a broken one until somebody says otherwise."""
    kept = accept(TEN, [])
    assert isinstance(kept, Kept)
    assert KeptReason.EMPTY is kept.reason


def test_an_unreadable_one_keeps_the_last_good_one_even_on_purpose() -> None:
    """There is nothing in it to accept; the message carries file and line."""
    for on_purpose in (False, True):
        kept = accept(TEN, BROKEN, on_purpose=on_purpose)
        assert isinstance(kept, Kept)
        assert KeptReason.UNREADABLE is kept.reason
        assert "hosts:3: bad range" in kept.message


def test_on_purpose_a_small_or_empty_one_is_accepted() -> None:
    """The operator's word stands above the rule."""
    assert Accepted(lost=tuple(TEN[1:])) == accept(TEN, TEN[:1], on_purpose=True)
    assert Accepted(lost=tuple(TEN)) == accept(TEN, [], on_purpose=True)


@pytest.mark.parametrize("loaded", [[], BROKEN])
def test_without_a_last_good_one_a_bad_one_is_an_error(loaded: "list[str] | InventoryInvalid") -> None:
    """There is nothing to keep."""
    with pytest.raises(InventoryInvalid):
        accept([], loaded)


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60), min_size=1))
def test_what_is_accepted_lost_at_most_a_fifth(before: set[int], after: set[int]) -> None:
    """Accepted exactly when at least four fifths of the names are still there."""
    previous, loaded = {str(n) for n in before}, {str(n) for n in after}
    assert (len(previous - loaded) <= len(previous) / 5) == isinstance(accept(previous, loaded), Accepted)


def test_a_stored_copy_has_everything_but_secrets() -> None:
    """No password or passphrase is in the text; all else comes back as it was."""
    host = Host(
        name="a",
        address="10.0.0.1",
        port=2222,
        user="deploy",
        password=SecretStr("hunter2"),
        identity_file="/k",
        identity_passphrase=SecretStr("hunter3"),
        become=Become(enabled=True, password=SecretStr("hunter4")),
        labels={"role": "web"},
        groups=("web",),
        ephemeral=True,
    )
    inventory = Inventory(hosts=(host,), groups={"all": ("a",), "web": ("a",)}, source="hosts")
    text = to_json(inventory)
    assert "hunter" not in text
    assert "*" not in text
    assert inventory.model_copy(update={"hosts": (without_secrets(host),)}) == from_json(text)


def test_a_stored_copy_that_is_not_one_is_named() -> None:
    """A damaged copy is an inventory error, not a crash."""
    with pytest.raises(InventoryInvalid, match="stored copy"):
        from_json('{"hosts": 3}')


def test_an_inventory_selects_hosts_by_pattern() -> None:
    """Hosts come back by name."""
    hosts = tuple(Host(name=name, address=name) for name in ("a", "b", "c"))
    inventory = Inventory(hosts=hosts, groups={"all": ("c", "b", "a"), "web": ("c", "a")}, source="hosts")
    assert (hosts[0], hosts[2]) == inventory.select("web")
    assert ("a", "b", "c") == inventory.names
