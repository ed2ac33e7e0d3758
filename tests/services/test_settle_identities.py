"""Under which host a check is filed, by host key, machine-id and boot id."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.facts import Facts, Observation
from orchestrator.core.fleet import Member
from orchestrator.core.identity import Evidence, HostRecord, settle_all
from orchestrator.core.sightings import CheckRecord
from orchestrator.services.settle_identities import SettleIdentities
from tests.fakes.clock import START, FakeClock
from tests.fakes.ssh import FakeHostKeys
from tests.fakes.store import FakeStore
from tests.services.fleets import key, member, record


class Register:
    """Hosts, their pinned keys, and the service."""

    def __init__(self, *members: Member) -> None:
        self.store, self.keys = FakeStore(), FakeHostKeys()
        self.members = {one.record.id: one for one in members}
        self.store.hosts.save([one.record for one in members])
        self.settle = SettleIdentities(store=self.store, host_keys=self.keys, clock=FakeClock())

    def check(self, name: str, host_key: str, machine: str, boot: str = "boot") -> CheckRecord:
        """What becomes of a check of that host, on a machine with these marks."""
        self.keys.pin(name, [key(host_key)])
        facts = Facts(machine_id=machine, boot_id=boot)
        observation = Observation(started_at=START, observed_at=START, facts=facts)
        (settled,) = self.settle(self.members, [check(f"id-{name}", observation)])
        return settled

    def evidence(self, name: str) -> Evidence:
        """What is remembered of the host of that name that is not retired."""
        return next(one for one in self.store.hosts.all() if one.name == name and not one.is_retired).evidence


def check(host_id: str, observation: Observation | None) -> CheckRecord:
    """A check that ended at the start of the test."""
    return CheckRecord(host_id=host_id, started_at=START, finished_at=START, expected_by=START, observation=observation)


def seen(host_key: str, machine: str, boot: str = "boot") -> Evidence:
    """What a machine is known by."""
    return Evidence(host_key=f"SHA256:{host_key}", machine_id=machine, boot_id=boot)


def test_the_first_check_is_remembered() -> None:
    """What was seen is what the next check is compared with."""
    register = Register(member("web"))

    assert "id-web" == register.check("web", "k", "m").host_id
    assert seen("k", "m") == register.evidence("web")


def test_a_failed_check_says_nothing_of_who_it_is() -> None:
    """It is filed under the host it was meant for, and nothing is written."""
    register = Register(member("web"))
    failed = check("id-web", None)

    assert [failed] == register.settle(register.members, [failed])
    assert Evidence() == register.evidence("web")


def test_a_renamed_host_keeps_its_history() -> None:
    """Same key and machine-id under a new name while the old one is gone: the check goes to the old record."""
    register = Register(
        member("old", evidence=seen("k", "m"), last_listed_at=START.replace(hour=1), incarnation=3), member("new")
    )

    settled = register.check("new", "k", "m")

    assert ("id-old", 3, True) == (settled.host_id, settled.incarnation, settled.observation is not None)
    assert {"id-old": "new", "id-new": "old"} == {one.id: one.name for one in register.store.hosts.all()}


def test_a_clone_is_a_host_of_its_own() -> None:
    """The machine-id of another host with another key: made from one image."""
    register = Register(member("web", evidence=seen("k1", "m", "boot-1")), member("copy"))

    assert "id-copy" == register.check("copy", "k2", "m", "boot-2").host_id
    assert (seen("k1", "m", "boot-1"), seen("k2", "m", "boot-2")) == (
        register.evidence("web"),
        register.evidence("copy"),
    )


def test_a_new_key_is_refused() -> None:
    """Until it is trusted by hand, nothing that the host says is filed under it."""
    register = Register(member("web", evidence=seen("k", "m")))

    settled = register.check("web", "other", "m")

    assert (None, "identity_conflict") == (settled.observation, settled.error_code)
    assert "patchwave hosts trust --replace web" in (settled.error or "")
    assert seen("k", "m") == register.evidence("web")


def test_another_machine_with_the_known_key_is_refused() -> None:
    """The key was copied, or the host was built anew."""
    register = Register(member("web", evidence=seen("k", "m")))

    assert (None, "identity_conflict") == (
        (settled := register.check("web", "k", "other")).observation,
        settled.error_code,
    )


def test_checks_come_back_in_their_order() -> None:
    """One for each, whatever became of it."""
    register = Register(member("a"), member("b"), member("c"))
    checks = [check(f"id-{name}", None) for name in "cab"]
    checks[1] = check("id-a", Observation(started_at=START, observed_at=START, facts=Facts(machine_id="m")))

    assert ["id-c", "id-a", "id-b"] == [one.host_id for one in register.settle(register.members, checks)]


FEW = st.sampled_from([None, "a", "b"])
MARKS = st.builds(Evidence, host_key=FEW, machine_id=FEW, product_uuid=FEW, boot_id=FEW)
AGES = st.sampled_from([timedelta(0), timedelta(hours=1)])


@given(
    known=st.lists(st.tuples(MARKS, AGES, st.booleans()), min_size=1, max_size=5),
    seen=st.dictionaries(st.integers(0, 4), MARKS, min_size=1, max_size=3),
)
def test_who_is_not_concerned_makes_no_difference(
    known: list[tuple[Evidence, timedelta, bool]], seen: dict[int, Evidence]
) -> None:
    """The same is settled on the few records that a check concerns as on the whole register."""
    store = FakeStore()
    store.hosts.save(
        [
            record(str(n), evidence=evidence, last_listed_at=START - age, retired_at=START if is_retired else None)
            for n, (evidence, age, is_retired) in enumerate(known)
        ]
    )
    news = {f"id-{n}": evidence for n, evidence in seen.items() if n < len(known)}
    concerned: list[HostRecord] = []

    def read(records: tuple[HostRecord, ...]) -> tuple[HostRecord, ...]:
        concerned.extend(records)
        return ()

    store.hosts.change(read, news)

    assert settle_all(store.hosts.all(), news, START) == settle_all(concerned, news, START)
