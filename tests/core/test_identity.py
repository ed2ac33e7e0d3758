"""Who a host is over time."""

import itertools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.hosts import Host
from orchestrator.core.identity import (
    Evidence,
    HostRecord,
    Identity,
    Reconciled,
    Settled,
    host_called,
    reconcile,
    replaced,
    second_names,
    settle_all,
    settle_evidence,
)
from orchestrator.errors import NotFound

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
UNKNOWN_AFTER = 3 * HOUR
BOARD = Evidence(host_key="SHA256:k1", machine_id="m1", product_uuid="u1", boot_id="b1")


def ids(prefix: str = "id") -> Callable[[], str]:
    counter = itertools.count()
    return lambda: f"{prefix}{next(counter)}"


def listing(
    records: Sequence[HostRecord], *names: str, at: datetime = NOW, prefix: str = "id", **more: bool
) -> Reconciled:
    hosts = [Host(name=name, address=f"{name}.example", ephemeral=more.get("ephemeral", False)) for name in names]
    return reconcile(records, hosts, at, ids(prefix), UNKNOWN_AFTER)


def named(records: Sequence[HostRecord], name: str) -> HostRecord:
    return next(record for record in records if record.name == name)


def saved(records: Sequence[HostRecord], settled: Settled) -> tuple[HostRecord, ...]:
    return tuple(
        ({record.id: record for record in records} | {record.id: record for record in settled.changed}).values()
    )


def test_new_hosts_get_ids_in_the_order_of_their_names() -> None:
    """Whatever the order in which they are listed."""
    assert listing((), "b", "a") == listing((), "a", "b")
    assert ("id0", "id1") == listing((), "b", "a").added


def test_a_host_gone_for_a_day_is_retired_and_not_before() -> None:
    """24 h from when it was last listed."""
    records = listing((), "a", "b").records
    before = listing(records, "b", at=NOW + timedelta(hours=23, minutes=59))
    assert () == before.retired
    after = listing(before.records, "b", at=NOW + timedelta(hours=24))
    assert ("id0",) == after.retired
    assert NOW + timedelta(hours=24) == named(after.records, "a").retired_at
    assert () == listing(after.records, "b", at=NOW + timedelta(hours=25)).retired


def test_an_ephemeral_host_is_retired_at_unknown_after() -> None:
    """Autoscaled machines come and go."""
    records = listing((), "a", ephemeral=True).records
    assert ("id0",) == listing(records, "b", at=NOW + UNKNOWN_AFTER, prefix="n").retired


def test_a_retired_host_that_is_listed_again_is_back_with_its_id() -> None:
    """Its history goes on."""
    gone = listing(listing((), "a", "b").records, "b", at=NOW + 25 * HOUR).records
    back = listing(gone, "a", "b", at=NOW + 26 * HOUR, prefix="n")
    assert (("id0",), ()) == (back.returned, back.added)
    assert named(back.records, "a").retired_at is None


def test_what_the_inventory_says_of_a_host_is_taken_over() -> None:
    """Address, labels and groups follow the inventory; the id and the evidence stay."""
    records = listing((), "a").records
    moved = Host(name="a", address="10.9.9.9", customer="acme", labels={"x": "y"}, groups=("web",))
    record = reconcile(records, [moved], NOW + HOUR, ids("n"), UNKNOWN_AFTER).records[0]
    assert ("id0", "10.9.9.9", "acme", {"x": "y"}, ("web",)) == (
        record.id,
        record.address,
        record.customer,
        record.labels,
        record.groups,
    )
    assert NOW == record.first_listed_at


def test_the_first_evidence_is_kept_and_the_same_again_changes_nothing() -> None:
    """What could not be read this time does not erase what is known."""
    records = listing((), "a").records
    first = settle_evidence(records, "id0", BOARD, NOW)
    assert Identity.FIRST is first.identity
    again = settle_evidence(saved(records, first), "id0", Evidence(host_key="SHA256:k1"), NOW)
    assert (Identity.SAME, ()) == (again.identity, again.changed)


def test_a_machine_under_a_new_name_keeps_its_id_when_the_old_name_is_gone() -> None:
    """Renamed: same key and machine-id; nobody is lost, the names change places."""
    records = listing((), "old").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    records = listing(records, "new", at=NOW + HOUR, prefix="n").records
    settled = settle_evidence(records, "n0", BOARD, NOW + HOUR)
    assert (Identity.RENAMED, "id0", "new", ("old",)) == (
        settled.identity,
        settled.host_id,
        settled.name,
        settled.others,
    )
    after = saved(records, settled)
    assert ("id0", "n0") == (named(after, "new").id, named(after, "old").id)
    assert (None, NOW) == (named(after, "new").retired_at, named(after, "new").first_listed_at)
    assert NOW + HOUR == named(after, "old").retired_at


def test_no_rename_while_the_old_name_is_listed() -> None:
    """Two listed names with the same boot id are one machine, which `plan` must take once."""
    records = listing((), "a", "b").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    settled = settle_evidence(records, "id1", BOARD, NOW)
    assert (Identity.ONE_MACHINE, "id1", ("a",)) == (settled.identity, settled.host_id, settled.others)
    assert {"b": "a"} == second_names(saved(records, settled))


def test_a_container_on_a_listed_host_is_one_machine_too() -> None:
    """Another key and machine-id, but the kernel booted once."""
    records = listing((), "a", "b").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    container = Evidence(host_key="SHA256:k2", machine_id="m2", boot_id="b1")
    assert Identity.ONE_MACHINE is settle_evidence(records, "id1", container, NOW).identity


def test_no_rename_when_two_gone_hosts_had_that_evidence() -> None:
    """There is no telling which of them it is."""
    records = listing((), "a", "b").records
    for host_id in ("id0", "id1"):
        records = saved(records, settle_evidence(records, host_id, BOARD, NOW))
    records = listing(records, "c", at=NOW + HOUR, prefix="n").records
    settled = settle_evidence(records, "n0", BOARD, NOW + HOUR)
    assert (Identity.FIRST, "n0") == (settled.identity, settled.host_id)


def test_a_pinned_key_does_not_hide_a_rename() -> None:
    """`hosts trust` knows the key of the new name before its first check."""
    records = listing((), "old").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    records = listing(records, "new", at=NOW + HOUR, prefix="n").records
    pinned = named(records, "new").model_copy(update={"evidence": Evidence(host_key="SHA256:k1")})
    records = (named(records, "old"), pinned)
    assert Identity.RENAMED is settle_evidence(records, "n0", BOARD, NOW + HOUR).identity


def test_a_replaced_machine_keeps_its_names_history() -> None:
    """A machine that moves to a name with a past becomes its new incarnation; the records do not change places."""
    records = listing((), "a", "b").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    records = listing(records, "b", at=NOW + HOUR).records
    records = (named(records, "a"), replaced(named(records, "b"), "SHA256:k1", NOW + HOUR))
    assert "id1" == settle_evidence(records, "id1", BOARD, NOW + HOUR).host_id


def test_a_cloned_machine_id_with_another_key_is_another_host() -> None:
    """Machines made from one image."""
    records = listing((), "a", "b").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    clone = Evidence(host_key="SHA256:k2", machine_id="m1", boot_id="b2")
    settled = settle_evidence(records, "id1", clone, NOW)
    assert (Identity.CLONE, "id1", ("a",)) == (settled.identity, settled.host_id, settled.others)
    assert {} == second_names(saved(records, settled))


def test_a_new_key_is_refused_until_it_is_trusted_as_a_new_incarnation() -> None:
    """Nothing of the new machine is filed under the old one."""
    records = listing((), "a").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    other = Evidence(host_key="SHA256:k2", machine_id="m2", product_uuid="u2", boot_id="b2")
    refused = settle_evidence(records, "id0", other, NOW)
    assert (Identity.NEW_KEY, ()) == (refused.identity, refused.changed)
    assert refused.identity.is_refused
    record = replaced(records[0], "SHA256:k2", NOW + HOUR)
    assert (2, NOW + HOUR, "id0") == (record.incarnation, record.incarnated_at, record.id)
    assert Identity.SAME is settle_evidence([record], "id0", other, NOW + HOUR).identity


def test_the_known_key_on_another_machine_is_refused() -> None:
    """A key copied to a machine built anew; a new machine-id on the same board is the same machine."""
    records = listing((), "a").records
    records = saved(records, settle_evidence(records, "id0", BOARD, NOW))
    rebuilt = Evidence(host_key="SHA256:k1", machine_id="m2", product_uuid="u2")
    assert Identity.OTHER_MACHINE is settle_evidence(records, "id0", rebuilt, NOW).identity
    same_board = Evidence(host_key="SHA256:k1", machine_id="m2", product_uuid="u1")
    assert Identity.SAME is settle_evidence(records, "id0", same_board, NOW).identity


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
LISTINGS = st.lists(st.tuples(st.sets(NAMES), st.integers(1, 30)), min_size=1, max_size=8)
SEEN = st.dictionaries(NAMES, st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)))


@given(st.lists(st.tuples(st.sets(NAMES, min_size=1), st.integers(1, 30), SEEN), min_size=1, max_size=8))
def test_nobody_is_lost_and_no_id_is_shared(steps: list[tuple[set[str], int, dict[str, tuple[int, int, int]]]]) -> None:
    """Through any listings and any evidence: every id stays, names and ids are unique, every listed name has a host."""
    records: tuple[HostRecord, ...] = ()
    now, new_id = NOW, ids()
    for names, hours, seen in steps:
        now += timedelta(hours=hours)
        before = {record.id for record in records}
        hosts = [Host(name=name, address=name) for name in names]
        records = reconcile(records, hosts, now, new_id, UNKNOWN_AFTER).records
        for name, (key, machine, boot) in sorted(seen.items()):
            if name in names:
                evidence = Evidence(host_key=f"k{key}", machine_id=f"m{machine}", boot_id=f"b{boot}")
                records = saved(records, settle_evidence(records, named(records, name).id, evidence, now))
        assert before <= {record.id for record in records}
        assert len(records) == len({record.id for record in records}) == len({record.name for record in records})
        assert names == {
            record.name for record in records if record.retired_at is None and record.last_listed_at == now
        }


@given(LISTINGS, st.randoms())
def test_the_order_of_records_and_hosts_does_not_matter(steps: list[tuple[set[str], int]], random) -> None:  # type: ignore[no-untyped-def]
    """The same register comes of the same listing, however it is sorted."""
    records: tuple[HostRecord, ...] = ()
    now = NOW
    for index, (names, hours) in enumerate(steps):
        now += timedelta(hours=hours)
        hosts = [Host(name=name, address=name) for name in names]
        shuffled = random.sample(records, len(records)), random.sample(hosts, len(hosts))
        first = reconcile(records, hosts, now, ids(f"{index}-"), UNKNOWN_AFTER)
        assert first == reconcile(*shuffled, now, ids(f"{index}-"), UNKNOWN_AFTER)
        records = first.records


def test_many_hosts_are_settled_in_one_pass() -> None:
    """Each is judged by what the ones before it left."""
    records = listing((), "a", "b").records
    first, second = settle_all(records, {"id1": BOARD, "id0": BOARD}, NOW)
    assert (Identity.FIRST, Identity.ONE_MACHINE) == (first.identity, second.identity)


def test_a_host_is_called_by_its_name_or_its_id() -> None:
    """A listed one before retired ones, of which the last counts; those only where they are asked for."""
    (new,) = listing([], "web").records
    first = new.model_copy(update={"id": "id-1", "retired_at": NOW})
    again = first.model_copy(update={"id": "id-2", "retired_at": NOW + HOUR})
    listed = first.model_copy(update={"id": "id-3", "retired_at": None})
    every = [first, again, listed]

    assert ["id-3", "id-3"] == [host_called(every, name).id for name in ("web", "id-3")]
    assert ["id-2", "id-1"] == [host_called(every[:2], name, or_retired=True).id for name in ("web", "id-1")]
    with pytest.raises(NotFound, match="no host 'web' is listed: `patchwave hosts list` shows all"):
        host_called(every[:2], "web")
    with pytest.raises(NotFound, match="no host 'wep' is known"):
        host_called(every, "wep", or_retired=True)
