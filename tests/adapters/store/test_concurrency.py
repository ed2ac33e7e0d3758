"""Many writers and readers at once, and writers that are killed."""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import pairwise
from threading import Barrier

import pytest

from orchestrator.core.attempts import OutcomeCode
from orchestrator.errors import HostBeingChanged, PatchwaveError, StaleState
from orchestrator.ports.store import Lease
from orchestrator.store import SqlStore, check, open_store
from orchestrator.store.database import Database
from orchestrator.store.tables import NOTES
from tests.adapters.store.samples import T0, attempt, closed_span, host, outcome, rollout, standing, started, step

pytestmark = pytest.mark.processes

Process = subprocess.Popen[str]


@pytest.fixture
def opened(url: str) -> Iterator[SqlStore]:
    """A store in which web1 and web2 are registered."""
    with closing(open_store(url)) as store:
        store.hosts.save([host("web1"), host("web2")])
        yield store


@contextmanager
def contender(url: str, act: str, number: int = 0) -> Iterator[Process]:
    """Another process, ready to act; killed at the end if it still runs."""
    argv = (sys.executable, "-m", "tests.adapters.store.contender", url, act, str(number))
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: Process) -> str:
    """The next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: Process) -> None:
    """Let it act."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def race(url: str, act: str, count: int) -> list[str]:
    """How it went for each of so many processes that acted at the same time."""
    with ExitStack() as stack:
        processes = [stack.enter_context(contender(url, act, n + 1)) for n in range(count)]
        assert ["ready"] * count == [line(process) for process in processes]
        for process in processes:
            go(process)
        return sorted(line(process) for process in processes)


def at_once(acts: Sequence[Callable[[], object]]) -> list[str]:
    """How it went for each of these, done by threads at the same time."""
    barrier = Barrier(len(acts))

    def act(one: Callable[[], object]) -> str:
        barrier.wait()
        try:
            one()
        except PatchwaveError as exc:
            return exc.code
        return "won"

    with ThreadPoolExecutor(len(acts)) as pool:
        return sorted(pool.map(act, acts))


def test_of_processes_that_intend_to_change_one_host_one_wins(opened: SqlStore, url: str) -> None:
    """The others are refused by the host's lock, and their rollouts have not moved."""
    assert ["host_being_changed", "host_being_changed", "host_being_changed", "won"] == race(url, "intend", 4)
    holder = opened.attempts.locked_hosts()["id-web1"]
    moved = {row.id: row.version for row in opened.rollouts.heads()}
    assert {f"R{n}": int(f"R{n}" == holder.rollout_id) for n in range(1, 5)} == moved
    assert (holder,) == opened.attempts.open()


def test_of_processes_that_want_one_lease_one_wins(opened: SqlStore, url: str) -> None:
    """The others are told who holds it."""
    assert ["lease_held", "lease_held", "lease_held", "won"] == race(url, "lead", 4)
    lease = opened.leases.current("R1")
    assert lease is not None
    assert 1 == lease.token


def test_processes_that_check_one_host_leave_one_history(opened: SqlStore, url: str) -> None:
    """Sightings follow each other, whoever wrote them: none overlaps the next, none is lost half-written."""
    assert ["won", "won", "won"] == race(url, "observe", 3)
    history = opened.sightings.history(["id-web1"])["id-web1"]
    assert all(before.last_seen <= after.first_seen for before, after in pairwise(history))
    last = max(opened.sightings.last_checks().values(), key=lambda found: found.started_at)
    assert last.finished_at == history[-1].last_seen


def test_of_threads_that_intend_to_change_one_host_one_wins(opened: SqlStore) -> None:
    """The same within one process."""
    leases = [started(opened, f"R{n}", "web1") for n in range(8)]
    steps = [
        lambda lease=lease: step(
            opened, lease, intents=(attempt(f"A-{lease.rollout_id}", rollout_id=lease.rollout_id),)
        )
        for lease in leases
    ]
    assert ["host_being_changed"] * 7 + ["won"] == at_once(steps)
    assert 1 == len(opened.attempts.open())


def test_of_two_steps_from_one_version_one_wins(opened: SqlStore) -> None:
    """The state moves once."""
    lease = started(opened)
    row = opened.rollouts.load("R1")

    def commit() -> None:
        opened.rollouts.commit(row=row, lease=lease, events=[{}], intents=[], outcomes=[])

    assert ["stale_state"] * 7 + ["won"] == at_once([commit] * 8)
    assert ({},) == opened.rollouts.events("R1")


def test_two_rollouts_that_want_each_other_s_host_do_not_wait_for_each_other(opened: SqlStore) -> None:
    """Each frees its own and takes the other's in one step: refused or done, at once, never a deadlock."""
    one, two = started(opened, "R1"), started(opened, "R2")
    step(opened, one, intents=(attempt("A1", "web1"),))
    step(opened, two, intents=(attempt("B1", "web2", rollout_id="R2"),))
    begun = time.monotonic()
    told = at_once(
        [
            lambda: step(opened, one, intents=(attempt("A2", "web2"),), outcomes=(outcome("A1"),)),
            lambda: step(opened, two, intents=(attempt("B2", "web1", rollout_id="R2"),), outcomes=(outcome("B1"),)),
        ]
    )
    assert ["host_being_changed", "host_being_changed"] == told
    assert time.monotonic() - begun < 5


def test_a_takeover_and_the_old_engine_s_step_do_not_both_win(opened: SqlStore) -> None:
    """Whichever comes first, no step of the old engine is written after the takeover."""

    def take(lease: Lease) -> int:
        opened.leases.acquire(lease.rollout_id, "engine-2", lease.expires_at, 60)
        return opened.rollouts.load(lease.rollout_id).version

    with ThreadPoolExecutor(2) as pool:
        for n in range(10):
            lease = started(opened, f"R{n}")
            taken, stepped = pool.submit(take, lease), pool.submit(step, opened, lease)
            assert (taken.result(), type(stepped.exception())) in ((1, type(None)), (0, StaleState))


def test_readers_do_not_wait_for_a_writer(opened: SqlStore, url: str) -> None:
    """They see the last committed state while a transaction is open in another process."""
    with contender(url, "write_without_end") as writer:
        assert "ready" == line(writer)
        begun = time.monotonic()
        found = opened.hosts.all()
        assert time.monotonic() - begun < 5
    assert (host("web1"), host("web2")) == found


def test_writers_wait_for_each_other(opened: SqlStore, url: str) -> None:
    """A second writer succeeds once the first is through, instead of failing because the database is busy."""
    with contender(url, "write_without_end") as first:
        assert "ready" == line(first)
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(opened.notes.put, "half-1", {"n": "second"})
            time.sleep(0.3)
            assert not second.done()
            go(first)
            assert "won" == line(first)
            second.result(timeout=30)
    assert {"n": "second"} == opened.notes.get("half-1")


def test_many_threads_may_write(opened: SqlStore) -> None:
    """Each in its turn; none is refused."""

    def write(n: int) -> None:
        for m in range(10):
            opened.notes.put(f"{n}-{m}", {"n": n})

    assert ["won"] * 12 == at_once([partial(write, n) for n in range(12)])
    assert all(opened.notes.get(f"{n}-9") == {"n": n} for n in range(12))


def test_a_writer_killed_in_mid_transaction_leaves_nothing_of_it(opened: SqlStore, url: str) -> None:
    """No row of the transaction is there, the database is sound, and the next writer does not wait."""
    opened.rollouts.create(rollout())
    with contender(url, "write_without_end") as writer:
        assert "ready" == line(writer)
        writer.kill()
        writer.wait()
    begun = time.monotonic()
    opened.notes.put("next", {"after": "the kill"})
    assert time.monotonic() - begun < 5
    assert (host("web1"), host("web2")) == opened.hosts.all()
    assert rollout() == opened.rollouts.load("R1")
    assert opened.notes.get("half-0") is None
    assert () == check(url)


def test_an_engine_killed_at_any_moment_leaves_whole_steps(opened: SqlStore, url: str) -> None:
    """State, version, journal, attempts and the host's lock are those of one and the same step."""
    opened.rollouts.create(rollout())
    delays = random.Random(20990301)
    for _ in range(4):
        before = opened.rollouts.load("R1").version
        with contender(url, "step_for_ever") as engine:
            assert "ready" == line(engine)
            go(engine)
            while opened.rollouts.load("R1").version == before:
                time.sleep(0.01)
            time.sleep(delays.uniform(0, 0.1))
            engine.kill()
            engine.wait()
        steps = settled_version(opened)
        assert steps > before
        assert {"step": steps} == opened.rollouts.load("R1").state
        assert [{"step": n} for n in range(steps)] == list(opened.rollouts.events("R1"))
        assert [f"A{n:06}" for n in range(steps)] == [found.id for found in opened.attempts.of_rollout("R1")]
        assert [f"A{steps - 1:06}"] == [found.id for found in opened.attempts.locked_hosts().values()]
        assert steps - 1 == len(opened.attempts.outcomes("R1"))
        assert (attempt(f"A{steps - 1:06}", "web1"),) == opened.attempts.open()


def settled_version(store: SqlStore) -> int:
    """The rollout's version once the server has noticed that its client is gone, and ended or undone its last step."""
    with pytest.raises(HostBeingChanged):
        step(store, store.leases.acquire("R1", "engine", T0, 60), intents=(attempt("A-other", "web1"),))
    return store.rollouts.load("R1").version


def test_a_block_that_raises_writes_nothing(opened: SqlStore, url: str) -> None:
    """The transaction is rolled back, and the writer's turn is given on."""

    def fail(database: Database) -> None:
        with database.write() as connection:
            connection.execute(NOTES.insert(), {"key": "half", "value": {}})
            raise ZeroDivisionError

    with closing(Database(url)) as database:
        with pytest.raises(ZeroDivisionError):
            fail(database)
        assert opened.notes.get("half") is None
        with database.write() as connection:
            connection.execute(NOTES.insert(), {"key": "whole", "value": {}})
    assert {} == opened.notes.get("whole")


def test_an_outcome_is_never_lost_to_a_lock_that_somebody_else_waits_for(opened: SqlStore) -> None:
    """While eight rollouts ask for the host in turn, its holder's outcome is written."""
    holder = started(opened, "R0", "web1")
    step(opened, holder, intents=(attempt("A0", rollout_id="R0"),))
    others = [started(opened, f"R{n}", "web1") for n in range(1, 8)]
    ending = outcome("A0", code=OutcomeCode.DONE)
    asking = [
        lambda lease=lease: step(
            opened, lease, intents=(attempt(f"A-{lease.rollout_id}", rollout_id=lease.rollout_id),)
        )
        for lease in others
    ]
    told = at_once([lambda: step(opened, holder, outcomes=(ending,)), *asking])
    assert {"A0": ending} == opened.attempts.outcomes("R0")
    assert told.count("won") in (1, 2)


def test_whoever_reads_closures_on_misses_none_that_others_append(opened: SqlStore) -> None:
    """Also one whose transaction began earlier and ended later: numbers are in the order in which they are seen."""
    names = [f"web{n}" for n in range(3, 43)]
    opened.hosts.save([host(name) for name in names])
    read: list[str] = []

    def append(name: str) -> None:
        opened.exposures.replace_many({f"id-{name}": [standing(name, closed_span())]})

    def read_on() -> None:
        read.extend(one.host_id for one in opened.exposures.closures(len(read)))

    with ThreadPoolExecutor(8) as pool:
        appended = [pool.submit(append, name) for name in names]
        while not all(future.done() for future in appended):
            read_on()
    read_on()
    assert [None] * len(names) == [future.result() for future in appended]
    assert sorted(f"id-{name}" for name in names) == sorted(read)
