"""What every store does with hosts, sightings and package lists."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest

from orchestrator.core.facts import Deep, LivePatch, PatchState, Tool, ToolState, Volatile
from orchestrator.core.host_glance import HostGlance
from orchestrator.core.identity import Evidence, HostRecord
from orchestrator.errors import NotFound
from orchestrator.ports.store import Store
from tests.adapters.store.samples import HOUR, T0, check, facts, failed_check, full_host, host, packages

MINUTE = timedelta(minutes=1)


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows web1 and web2."""
    store.hosts.save([host("web1"), host("web2")])
    return store


def test_hosts_come_back_as_they_were_by_name(store: Store) -> None:
    """Every field of a host survives, and the register is sorted by name, whatever the collation."""
    store.hosts.save([host("web2"), full_host(), host("Zebra"), host("web10")])
    assert (host("Zebra"), full_host(), host("web10"), host("web2")) == store.hosts.all()


def test_saving_a_host_again_replaces_it(store: Store) -> None:
    """The id decides which host it is; its name may change."""
    store.hosts.save([host("web1"), host("web2")])
    renamed = host("web1").model_copy(update={"name": "web9", "retired_at": T0})
    store.hosts.save([host("web1"), renamed])
    assert (host("web2"), renamed) == store.hosts.all()


def test_a_change_is_decided_on_what_is_there(store: Store) -> None:
    """All records in, those to save out; what the decision raises leaves everything as it was."""
    store.hosts.save([host("web1"), host("web2")])
    quarantined = {"quarantine_reason": "noisy"}
    changed = store.hosts.change(lambda known: [one.model_copy(update=quarantined) for one in known[:1]])
    assert ("web1", "noisy", None) == (changed[0].name, *(one.quarantine_reason for one in store.hosts.all()))

    def fails(known: tuple[HostRecord, ...]) -> list[HostRecord]:
        raise ValueError(len(known))

    with pytest.raises(ValueError, match="2"):
        store.hosts.change(fails)
    assert ["noisy", None] == [one.quarantine_reason for one in store.hosts.all()]


def test_some_hosts_are_read_by_their_ids(store: Store) -> None:
    """By name, and without those that nobody has."""
    store.hosts.save([host("web2"), host("web1"), host("web3")])
    assert (host("web1"), host("web2")) == store.hosts.some(["id-web2", "id-ghost", "id-web1"])
    assert () == store.hosts.some([])


def test_a_glance_has_of_each_listed_host_what_lists_count_by(store: Store) -> None:
    """The last check says whether it was reached, the latest sighting when it was seen and with which patches; a host
    that was retired has none. Whatever characters it sent elsewhere."""
    store.hosts.save([host("web2", quarantined_at=T0), host("web1"), host("new"), host("gone", retired_at=T0)])
    two = (*facts().live_patches, LivePatch(tool="kpatch", name='"]\x00', state=PatchState.STALLED))
    store.sightings.record([check(), check("gone"), check("web2", seen=facts(unknown={"os": 'nul \x00, quote "'}))])
    ends = [Deep(coverage_until=day) for day in (date(2099, 4, 1), date(2099, 5, 1))]
    tools = tuple(Tool(name=f"t{n}", state=ToolState.READY, deep=deep) for n, deep in enumerate([*ends, Deep(), None]))
    later = check(at=T0 + MINUTE, seen=facts("boot-2", live_patches=two, tools=tools))
    store.sightings.record([later, failed_check("web2", T0 + HOUR)])
    store.sightings.record([check("web2", at=T0 + 2 * HOUR, overlapped_mutation=True)])
    applied, seen = ("klp", PatchState.APPLIED), timedelta(seconds=2)

    assert (
        HostGlance(host_id="id-new", name="new", is_quarantined=False),
        HostGlance(
            host_id="id-web1",
            name="web1",
            is_quarantined=False,
            is_reachable=True,
            last_seen=T0 + MINUTE + seen,
            expected_by=T0 + MINUTE + HOUR,
            live_patches=(applied, ("kpatch", PatchState.STALLED)),
            covered_until=date(2099, 5, 1),
        ),
        HostGlance(
            host_id="id-web2",
            name="web2",
            is_quarantined=True,
            is_reachable=True,
            last_seen=T0 + seen,
            expected_by=T0 + HOUR,
            live_patches=(applied,),
        ),
    ) == store.hosts.glances()
    store.sightings.record([failed_check("web2", T0 + 3 * HOUR), failed_check("new")])
    assert [False, True, False] == [one.is_reachable for one in store.hosts.glances()]


def test_a_change_after_a_check_is_decided_on_those_whom_it_concerns(store: Store) -> None:
    """The host itself, those known by the machine-id or boot id that it was known by or shows now, and one that was
    listed last; who shares nothing stays in the database."""
    marked = {
        "self": Evidence(machine_id="m1", boot_id="b1"),
        "clone": Evidence(machine_id="m1", boot_id="b2"),
        "former": Evidence(host_key="SHA256:k", machine_id="m9"),
        "second name": Evidence(boot_id="b9"),
        "other board": Evidence(product_uuid="u1"),
        "other": Evidence(machine_id="m3", boot_id="b3"),
        "unseen": Evidence(),
    }
    hosts = [host(name, evidence=evidence) for name, evidence in marked.items()]
    store.hosts.save([*hosts, host("listed last", last_listed_at=T0 + HOUR)])
    read: list[str] = []

    def decide(known: tuple[HostRecord, ...]) -> list[HostRecord]:
        read.extend(record.name for record in known)
        return []

    now = Evidence(host_key="SHA256:k", machine_id="m9", product_uuid="u1", boot_id="b9")
    assert () == store.hosts.change(decide, {"id-self": now})
    assert ["clone", "former", "listed last", "second name", "self"] == read


def test_changes_at_once_lose_nothing(store: Store) -> None:
    """Each is decided on what the one before it left."""
    store.hosts.save([host("web1", labels={})])

    def add_label(name: str) -> None:
        store.hosts.change(
            lambda known: [one.model_copy(update={"labels": {**one.labels, name: "x"}}) for one in known]
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_label, [f"label{n}" for n in range(12)]))
    assert 12 == len(store.hosts.all()[0].labels)


def test_saving_nothing_is_fine(store: Store) -> None:
    """Empty batches change nothing."""
    store.hosts.save([])
    store.sightings.record([])
    store.exposures.replace_many({})
    assert ((), {}, ()) == (store.hosts.all(), store.sightings.latest(), tuple(store.exposures.all()))


def test_a_first_check_starts_a_sighting(register: Store) -> None:
    """It lasts an instant, knows the boot, and its facts are without volatile values."""
    register.sightings.record([check()])
    found = register.sightings.latest()["id-web1"]
    ended = T0 + timedelta(seconds=2)
    assert (ended, ended, T0 + HOUR) == (found.first_seen, found.last_seen, found.expected_by)
    assert T0 - timedelta(minutes=90) == found.booted_at
    assert facts(volatile=Volatile()) == found.facts
    assert facts().content_hash() == found.content_hash


def test_the_same_facts_in_time_extend_the_sighting(register: Store) -> None:
    """One interval, whatever the volatile values; the boot time is that of its first check."""
    register.sightings.record([check()])
    first = register.sightings.latest()["id-web1"]
    later = facts(volatile=Volatile(uptime=timedelta(days=9)))
    register.sightings.record([check(at=T0 + HOUR, seen=later)])
    extended = first.model_copy(update={"last_seen": T0 + HOUR + timedelta(seconds=2), "expected_by": T0 + 2 * HOUR})
    assert {"id-web1": (extended,)} == register.sightings.history(["id-web1", "id-web2"])


@pytest.mark.parametrize(
    "second",
    [
        check(at=T0 + HOUR + MINUTE),
        check(at=T0 + MINUTE, seen=facts("boot-2")),
        check(at=T0 + MINUTE, incarnation=2),
    ],
    ids=["too late", "other facts", "other machine"],
)
def test_otherwise_a_new_sighting_starts(register: Store, second: object) -> None:
    """Late, changed, or another machine under the name: two intervals, the latest one last."""
    register.sightings.record([check()])
    register.sightings.record([second])  # type: ignore[list-item]
    history = register.sightings.history(["id-web1"])["id-web1"]
    assert 2 == len(history)
    assert history[0].id != history[1].id
    assert {"id-web1": history[1]} == register.sightings.latest(["id-web1"])


def test_one_batch_may_hold_many_checks_of_a_host_in_any_order(register: Store) -> None:
    """They count in the order in which they started; the facts of A, B, A are three sightings."""
    batch = [check(at=T0 + n * MINUTE, seen=facts(f"boot-{boot}")) for n, boot in enumerate("AABBA")]
    register.sightings.record([*reversed(batch), check("web2")])
    history = register.sightings.history(["id-web1", "id-web2"])
    assert ["boot-A", "boot-B", "boot-A"] == [sighting.facts.boot_id for sighting in history["id-web1"]]
    assert 1 == len(history["id-web2"])
    assert batch[4].started_at == register.sightings.last_checks()["id-web1"].started_at


def test_an_observation_out_of_order_moves_nothing(register: Store) -> None:
    """A check that started before what is known already is neither a sighting nor the last check."""
    register.sightings.record([check(at=T0 + MINUTE)])
    before = (register.sightings.history(["id-web1"]), register.sightings.last_checks())
    register.sightings.record([check(at=T0, seen=facts("boot-0"))])
    assert before == (register.sightings.history(["id-web1"]), register.sightings.last_checks())


def test_a_check_that_overlaps_a_mutation_is_no_sighting(register: Store) -> None:
    """It is kept as the host's last check, and moves no window."""
    register.sightings.record([check()])
    history = register.sightings.history(["id-web1"])
    overlapping = check(at=T0 + MINUTE, seen=facts("boot-2"), overlapped_mutation=True)
    register.sightings.record([overlapping])
    assert history == register.sightings.history(["id-web1"])
    assert overlapping == register.sightings.last_checks()["id-web1"]


def test_a_failed_check_is_the_last_check_only(register: Store) -> None:
    """What was seen before stays the latest sighting."""
    register.sightings.record([check()])
    sightings = register.sightings.latest()
    register.sightings.record([failed_check(at=T0 + MINUTE), failed_check("web2")])
    assert sightings == register.sightings.latest()
    expected = {"id-web1": failed_check(at=T0 + MINUTE), "id-web2": failed_check("web2")}
    assert expected == register.sightings.last_checks()


def test_last_checks_are_read_of_some_hosts_or_of_all(register: Store) -> None:
    """One that was never checked, or that nobody knows, has none."""
    register.hosts.save([host("web3")])
    register.sightings.record([check("web1"), failed_check("web2")])
    everybody = {"id-web1": check("web1"), "id-web2": failed_check("web2")}
    assert everybody == register.sightings.last_checks()
    assert {"id-web2": failed_check("web2")} == register.sightings.last_checks(["id-web2", "id-web3", "id-ghost"])
    assert {} == register.sightings.last_checks([])


def test_the_last_check_keeps_volatile_values_but_no_package_items(register: Store) -> None:
    """Uptime and clock skew are asked from there; the package list by its fingerprint."""
    register.sightings.record([check(seen=facts(packages=packages()))])
    assert check(seen=facts(packages=packages(items=None))) == register.sightings.last_checks()["id-web1"]


def test_package_lists_are_found_by_fingerprint(register: Store) -> None:
    """A later check that sent no items refers to the stored list and does not blank it."""
    register.sightings.record([check(seen=facts(packages=packages("fp-1", 3)))])
    register.sightings.record([check(at=T0 + MINUTE, seen=facts(packages=packages("fp-1", None)))])
    register.sightings.record([check("web2", seen=facts(packages=packages("fp-2", None)))])
    assert packages("fp-1", 3) == register.sightings.packages("fp-1")
    assert register.sightings.packages("fp-2") is None
    latest = register.sightings.latest()
    assert packages("fp-1", None) == latest["id-web1"].facts.packages


def test_a_package_list_survives_a_later_check_in_the_same_batch(register: Store) -> None:
    """The first check sent the items, the second, with equal facts, referred to them."""
    sent, referred = facts(packages=packages("fp", 3)), facts(packages=packages("fp", None))
    register.sightings.record([check(seen=sent), check(at=T0 + MINUTE, seen=referred)])
    assert packages("fp", 3) == register.sightings.packages("fp")


def test_a_hostile_host_does_not_spoil_the_batch(register: Store) -> None:
    """What it sends as fingerprint, boot id or error is stored in some form, and the other hosts' checks with it."""
    odd = facts("boot\x00id", packages=packages("fp\x00", 1))
    failure = failed_check("web2").model_copy(update={"error": "said \x00 and \ud800"})
    register.sightings.record([check("web1", seen=odd), failure])
    assert odd.boot_id == register.sightings.latest()["id-web1"].facts.boot_id
    assert register.sightings.packages("fp\x00") is not None
    assert "web2" == register.sightings.last_checks()["id-web2"].host_id.removeprefix("id-")


def test_a_check_of_an_unknown_host_is_refused_whole(register: Store) -> None:
    """Nothing of the batch is kept, and the error names the host."""
    with pytest.raises(NotFound, match="id-ghost"):
        register.sightings.record([check("web1"), check("ghost")])
    assert ({}, {}) == (register.sightings.latest(), register.sightings.last_checks())


def test_what_a_host_says_may_hold_anything(register: Store) -> None:
    """Characters that a database may choke on are stored."""
    odd = facts(unknown={"os": "nul \x00, quote ', emoji \U0001f980, ½"})
    register.sightings.record([check(seen=odd)])
    assert odd.unknown == register.sightings.latest()["id-web1"].facts.unknown


def test_notes_are_kept_by_key(store: Store) -> None:
    """The last value counts; an unknown key has none."""
    store.notes.put("controller", {"id": "one"})
    store.notes.put("controller", {"id": "two", "nested": {"list": [1, 2.5, None, True, "\x00é\ud800"]}})
    assert {"id": "two", "nested": {"list": [1, 2.5, None, True, "\x00é\ud800"]}} == store.notes.get("controller")
    assert store.notes.get("other") is None
