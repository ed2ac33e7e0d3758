"""Checks of many hosts: each ends in a record, what was seen is kept once, and windows follow."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Lock
from typing import TypeVar

import pytest

from orchestrator.backends.registry import probe_parts
from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.facts import Facts, Package, Packages
from orchestrator.core.hosts import Become, Host
from orchestrator.core.sightings import CheckRecord
from orchestrator.errors import ConnectTimedOut, IdentityConflict, SudoRefused
from orchestrator.ports.ssh import Command, Completed
from orchestrator.ports.store import RolloutRow
from orchestrator.probe.command import check_command
from orchestrator.services.check_hosts import BATCH, FIRST_BATCH, MOST_PACKAGES, HostCheck
from tests.core.exposure_builders import LAB_1, facts, live
from tests.fakes.clock import START, FakeClock
from tests.fakes.register import FakeHosts, FakeSightings
from tests.fakes.ssh import FakeTransport
from tests.probe import machines
from tests.services.fleets import UNKNOWN_AFTER, Checked, ids, key

T = TypeVar("T")


def test_every_host_ends_in_a_record_of_its_own() -> None:
    """Also one that fails: with the error's code, and nothing seen."""
    fleet = Checked("good", "gone", "sudo")
    fleet.eyes.shows = {"good": facts(), "sudo": SudoRefused("not in sudoers")}
    heard: list[str] = []

    records = fleet.check_hosts(fleet.members, on_result=lambda record: heard.append(record.host_id))

    assert {"id-good": None, "id-gone": "connect_timed_out", "id-sudo": "sudo_refused"} == {
        key: record.error_code for key, record in records.items()
    }
    assert (sorted(records), {"id-good"}) == (sorted(heard), set(fleet.store.sightings.latest()))
    assert set(records) == set(fleet.store.sightings.last_checks())


def test_a_record_says_until_when_it_speaks() -> None:
    """The controller's times; the next check is expected within ``unknown_after`` of its end."""
    fleet = Checked("good")
    fleet.eyes.shows["good"] = facts()

    record = fleet.check_hosts(fleet.members)["id-good"]

    ended = START + timedelta(seconds=1)
    assert (START, ended, ended + UNKNOWN_AFTER) == (record.started_at, record.finished_at, record.expected_by)


def test_results_go_to_the_store_in_batches() -> None:
    """One transaction for each hundred, since SQLite has one writer; smaller ones first, while the others answer."""
    growing = [FIRST_BATCH, 2 * FIRST_BATCH, 4 * FIRST_BATCH]
    names = [f"h{n:03}" for n in range(sum(growing) + 2 * BATCH + 1)]
    fleet = Checked(*names)
    fleet.eyes.shows = dict.fromkeys(names, facts())
    fleet.store.sightings = counted = _Counted(fleet.store.hosts, ids("s"))

    fleet.check_hosts(fleet.members)

    assert [*growing, BATCH, BATCH, 1] == counted.sizes


def test_lists_of_packages_make_a_batch_shorter() -> None:
    """They are in memory until it is kept."""
    fleet = Checked("a", "b", "c")
    many = Packages(manager="dpkg", fingerprint="f", items=(Package(name="p", version="1"),) * (MOST_PACKAGES // 2))
    fleet.eyes.shows = dict.fromkeys("abc", facts().model_copy(update={"packages": many}))
    fleet.store.sightings = counted = _Counted(fleet.store.hosts, ids("s"))

    fleet.check_hosts(fleet.members)

    assert [2, 1] == counted.sizes


def test_a_scan_holds_no_list_of_packages_that_was_kept() -> None:
    """The store has it; what is told and returned names it by its fingerprint."""
    fleet = Checked("a")
    sent = Packages(manager="dpkg", fingerprint="f", items=(Package(name="p", version="1"),))
    fleet.eyes.shows["a"] = facts().model_copy(update={"packages": sent})
    told: list[CheckRecord] = []

    record = fleet.check_hosts(fleet.members, on_result=told.append)["id-a"]

    assert sent == fleet.store.sightings.packages("f")
    assert ([record], sent.model_copy(update={"items": None})) == (told, record.observation.facts.packages)  # type: ignore[union-attr]


def test_no_more_checks_run_ahead_than_are_wanted() -> None:
    """However large the fleet: further ones are begun as earlier ones end."""
    names = [f"h{n:03}" for n in range(20)]
    fleet = Checked(*names)
    fleet.eyes.shows = dict.fromkeys(names, facts())
    dispatcher = _OneByOne()
    check_hosts = replace(fleet.check_hosts, dispatcher=dispatcher, ahead=3)

    records = check_hosts(fleet.members)

    assert (20, 3) == (len(records), dispatcher.most)


class _OneByOne:
    """Ends a job when another one is waited for; ``most``: how many had not ended at a time."""

    def __init__(self) -> None:
        self._pool, self._lock = ThreadPoolExecutor(1), Lock()
        self._waiting = self.most = 0

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        with self._lock:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        return self._pool.submit(self._run, job)

    def _run(self, job: Callable[[], T]) -> T:
        done = job()
        with self._lock:
            self._waiting -= 1
        return done

    def close(self) -> None:
        self._pool.shutdown()


def test_a_scan_that_is_killed_has_the_windows_of_what_it_kept() -> None:
    """They follow with each batch: no later check of an unchanged host would bring them."""
    names = [f"h{n:03}" for n in range(2 * BATCH)]
    fleet = Checked(*names)
    fleet.store.catalogue.add(LAB_1)
    fleet.eyes.shows = dict.fromkeys(names, facts())

    def killed(_record: CheckRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fleet.check_hosts(fleet.members, on_result=killed)

    kept = set(fleet.store.sightings.latest())
    assert (FIRST_BATCH, kept) == (len(kept), {one.host_id for one in fleet.store.exposures.all()})


class _Counted(FakeSightings):
    """Remembers how many checks came at a time."""

    def __init__(self, hosts: FakeHosts, new_id: Callable[[], str]) -> None:
        super().__init__(hosts, new_id)
        self.sizes: list[int] = []

    def record(self, checks: Sequence[CheckRecord]) -> None:
        self.sizes.append(len(checks))
        super().record(checks)


def test_the_known_package_list_is_not_asked_for_again() -> None:
    """Its fingerprint goes to the host, once it is known."""
    fleet = Checked("web")
    fleet.eyes.shows["web"] = facts().model_copy(
        update={"packages": Packages(manager="dpkg", fingerprint="f1", items=())}
    )

    fleet.check_hosts(fleet.members)
    fleet.check_hosts(fleet.members)

    assert [("web", None), ("web", "f1")] == fleet.eyes.asked


def attempt_on(fleet: Checked, *, began: float, ended: float | None) -> None:
    """An attempt on ``web`` between those seconds after the start of the test; None: still open."""
    row = RolloutRow(
        id="r1", playbook="p", state_name="running", plan={}, state={}, version=0, created_at=START, updated_at=START
    )
    fleet.store.rollouts.create(row)
    lease = fleet.store.leases.acquire("r1", "engine", START, 60)
    attempt = Attempt(
        id="a1",
        rollout_id="r1",
        host_id="id-web",
        host="web",
        action=Action.APPLY,
        patch_id="LAB-0001",
        intent_at=START + timedelta(seconds=began),
    )
    outcome = ended is not None and Outcome(
        attempt_id="a1", code=OutcomeCode.DONE, finished_at=START + timedelta(seconds=ended)
    )
    fleet.store.rollouts.commit(
        row=row, lease=lease, events=[], intents=[attempt], outcomes=[outcome] if outcome else []
    )


@pytest.mark.parametrize(
    ("began", "ended", "overlaps"),
    [
        (-20.0, -10.0, False),
        (-20.0, 0.0, True),
        (-20.0, None, True),
        (0.5, None, True),
        (1.0, 5.0, True),
        (1.5, None, False),
    ],
)
def test_a_check_that_overlaps_a_mutation_moves_no_window(began: float, ended: float | None, overlaps: bool) -> None:
    """From the intent to the outcome, both included; the check runs from second 0 to 1. It is kept as the last one."""
    fleet = Checked("web", "other")
    fleet.eyes.shows = {"web": facts()}
    attempt_on(fleet, began=began, ended=ended)

    record = fleet.check_hosts(fleet.members[:1])["id-web"]

    assert (overlaps, not overlaps) == (record.overlapped_mutation, "id-web" in fleet.store.sightings.latest())
    assert "id-web" in fleet.store.sightings.last_checks()


def test_a_mutation_of_another_host_does_not_matter() -> None:
    """Only the checked host's own attempts count."""
    fleet = Checked("web", "other")
    fleet.eyes.shows = {"other": facts()}
    attempt_on(fleet, began=-5, ended=None)

    assert not fleet.check_hosts(fleet.members[1:])["id-other"].overlapped_mutation


def test_windows_are_rebuilt_where_sightings_moved() -> None:
    """Exposed when seen without the patch, covered at the check that saw it in force."""
    fleet = Checked("web")
    fleet.store.catalogue.add(LAB_1)
    states = []
    for seen in (facts(), facts(), facts(live("LAB-0001"))):
        fleet.eyes.shows["web"] = seen
        fleet.check_hosts(fleet.members)
        states += [exposure.state for exposure in fleet.store.exposures.all()]
        fleet.clock.advance(60)

    assert [ExposureState.EXPOSED, ExposureState.EXPOSED, ExposureState.COVERED] == states
    assert ["live_patch"] == [one.span.method for one in fleet.store.exposures.closures()]


def test_a_renamed_host_takes_its_windows_along() -> None:
    """Filed under the record with the history, whose windows move with it."""
    fleet = Checked("old", keys={})
    fleet.keys.pin("old", [key("k")])
    fleet.keys.pin("new", [key("k")])
    fleet.store.catalogue.add(LAB_1)
    fleet.eyes.shows = {name: facts().model_copy(update={"machine_id": "m"}) for name in ("old", "new")}
    fleet.check_hosts(fleet.members)
    fleet.clock.advance(60)
    renamed = Checked("new").members[0]
    renamed = renamed.model_copy(
        update={"record": renamed.record.model_copy(update={"last_listed_at": fleet.clock.now()})}
    )
    fleet.store.hosts.save([renamed.record])
    fleet.eyes.shows["new"] = facts(live("LAB-0001")).model_copy(update={"machine_id": "m"})

    records = fleet.check_hosts([renamed])

    assert "id-old" == records["id-new"].host_id
    assert [("id-old", "covered")] == [(one.host_id, one.state) for one in fleet.store.exposures.all()]


def test_another_machine_is_a_failed_check_for_the_caller_too() -> None:
    """What a scan prints and what it stores agree."""
    fleet = Checked("web")
    fleet.keys.pin("web", [key("k")])
    for machine in ("first", "second"):
        fleet.eyes.shows["web"] = facts().model_copy(update={"machine_id": machine})
        records = fleet.check_hosts([fleet.members[0].model_copy(update={"record": fleet.store.hosts.all()[0]})])

    assert ("identity_conflict", None) == (records["id-web"].error_code, records["id-web"].observation)


def test_what_another_machine_shows_is_no_verification() -> None:
    """Neither an attempt nor a soak is judged by it; kept is a failed check, and the sighting of the host stays."""
    fleet = Checked("web")
    fleet.keys.pin("web", [key("k")])
    fleet.eyes.shows["web"] = facts().model_copy(update={"machine_id": "first"})
    fleet.check_hosts.verify(fleet.members[0])
    sightings = fleet.store.sightings.latest()
    fleet.eyes.shows["web"] = facts(live("LAB-0001")).model_copy(update={"machine_id": "second"})

    with pytest.raises(IdentityConflict, match="web answers as another machine"):
        fleet.check_hosts.verify(fleet.members[0])
    soaked = fleet.check_hosts.look(fleet.members[0])

    assert ("identity_conflict", None) == (soaked.error_code, soaked.observation)
    assert "identity_conflict" == fleet.store.sightings.last_checks()["id-web"].error_code
    assert sightings == fleet.store.sightings.latest()


def test_a_verification_is_kept_and_its_failure_too() -> None:
    """The engine's own check of a host; the error goes on to whoever asked."""
    fleet = Checked("web")
    fleet.eyes.shows["web"] = facts()
    assert fleet.check_hosts.verify(fleet.members[0]).facts.boot_id == "boot-0"
    assert {"id-web"} == set(fleet.store.sightings.latest())

    fleet.eyes.shows["web"] = ConnectTimedOut("silence")
    with pytest.raises(ConnectTimedOut):
        fleet.check_hosts.verify(fleet.members[0])
    assert "connect_timed_out" == fleet.store.sightings.last_checks()["id-web"].error_code


@pytest.mark.parametrize(("apart_from", "overlaps"), [("a1", False), (None, True), ("a0", True)])
def test_a_verification_overlaps_every_attempt_but_its_own(apart_from: str | None, overlaps: bool) -> None:
    """Its own too while the guard may still run: then it is told no attempt that it is apart from."""
    fleet = Checked("web", "other")
    fleet.eyes.shows["web"] = facts()
    attempt_on(fleet, began=-5, ended=None)

    fleet.check_hosts.verify(fleet.members[0], apart_from)

    assert overlaps is fleet.store.sightings.last_checks()["id-web"].overlapped_mutation
    assert overlaps is ("id-web" not in fleet.store.sightings.latest())


def test_a_look_at_a_host_that_another_rollout_changes_moves_no_window() -> None:
    """The soak's check: kept as the last one, and marked."""
    fleet = Checked("web", "other")
    fleet.eyes.shows["web"] = facts()
    attempt_on(fleet, began=-5, ended=None)

    assert None is fleet.check_hosts.look(fleet.members[0]).error

    assert fleet.store.sightings.last_checks()["id-web"].overlapped_mutation
    assert {} == fleet.store.sightings.latest()


def test_no_single_check_asks_for_the_known_package_list_again() -> None:
    """A verification and the soak's check know it as a scan does."""
    fleet = Checked("web")
    fleet.eyes.shows["web"] = facts().model_copy(
        update={"packages": Packages(manager="dpkg", fingerprint="f1", items=())}
    )

    fleet.check_hosts.verify(fleet.members[0])
    fleet.check_hosts.verify(fleet.members[0])
    fleet.check_hosts.look(fleet.members[0])

    assert [("web", None), ("web", "f1"), ("web", "f1")] == fleet.eyes.asked


def test_one_check_is_one_run_of_the_script() -> None:
    """With the deadline of the settings, the host's way to root, and a nonce of its own."""
    transport = FakeTransport(_silent)
    check = HostCheck(
        transport=transport,
        clock=FakeClock(),
        new_nonce=lambda: machines.NONCE,
        timeout=timedelta(seconds=7),
        deep_timeout=timedelta(seconds=70),
    )

    become = Become(enabled=False)
    seen = Facts(packages=Packages(manager="dpkg", fingerprint="f1", items=()))
    for deep in (False, True):
        with pytest.raises(ConnectTimedOut):
            check.observe(Host(name="web", address="web", become=become), seen, deep=deep)

    wanted = [
        check_command(nonce=machines.NONCE, become=become, known_packages="f1", extra=probe_parts(deep=deep))
        for deep in (False, True)
    ]
    deadlines = [{"deadline": 7.0}, {"deadline": 70.0}]
    sent = [command.model_copy(update=late) for command, late in zip(wanted, deadlines, strict=True)]
    assert [("web", sent[0]), ("web", sent[1])] == transport.ran


def _silent(_host: Host, _command: Command) -> Completed:
    raise ConnectTimedOut("silence")
