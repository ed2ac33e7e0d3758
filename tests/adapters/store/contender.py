"""A process of its own that writes to a store: ``python -m tests.adapters.store.contender URL ACT NUMBER``.

It says ``ready`` once the store is open, acts when a line comes in, and says how it went: ``won``, or the code of the
error. The acts that never end are there to be killed.
"""

import sys
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from orchestrator.errors import PatchwaveError
from orchestrator.store import SqlStore
from orchestrator.store.database import Database
from orchestrator.store.tables import HOSTS, NOTES, ROLLOUTS
from tests.adapters.store.samples import T0, attempt, check, facts, outcome, rollout


def intend(store: SqlStore, number: int) -> None:
    """Commit an intent for web1, in a rollout of this process's own."""
    rollout_id = f"R{number}"
    store.rollouts.create(rollout(rollout_id))
    lease = store.leases.acquire(rollout_id, f"engine-{number}", T0, 60)
    wait()
    intent = attempt(f"A{number}", "web1", rollout_id=rollout_id)
    store.rollouts.commit(row=rollout(rollout_id), lease=lease, events=[], intents=[intent], outcomes=[])


def lead(store: SqlStore, number: int) -> None:
    """Take the lease on R1."""
    wait()
    store.leases.acquire("R1", f"engine-{number}", T0, 60)


def observe(store: SqlStore, number: int) -> None:
    """Record ten checks of web1, one by one, with facts that differ from the other processes'."""
    wait()
    for n in range(10):
        at = T0 + timedelta(minutes=10 * n + number)
        store.sightings.record([check("web1", at, facts(f"boot-{number}"))])


def step_for_ever(store: SqlStore, _number: int) -> None:
    """Commit steps of R1, each with one event, one intent and, for the step before, its outcome."""
    lease = store.leases.acquire("R1", "engine", T0, 60)
    wait()
    row = store.rollouts.load("R1")
    while True:
        n = row.version
        ended = [outcome(f"A{n - 1:06}")] if n else []
        moved = row.model_copy(update={"state": {"step": n + 1}})
        store.rollouts.commit(
            row=moved, lease=lease, events=[{"step": n}], intents=[attempt(f"A{n:06}", "web1")], outcomes=ended
        )
        row = moved.model_copy(update={"version": n + 1})


ACTS: dict[str, Callable[[SqlStore, int], None]] = {
    "intend": intend,
    "lead": lead,
    "observe": observe,
    "step_for_ever": step_for_ever,
}


def write_without_end(database: Database) -> None:
    """Change three tables in one transaction, and stay in it."""
    with database.write() as connection:
        connection.execute(NOTES.insert(), [{"key": f"half-{n}", "value": {"n": n}} for n in range(2000)])
        connection.execute(sa.update(HOSTS).values(address="changed"))
        connection.execute(sa.update(ROLLOUTS).values(version=99))
        wait()


def wait() -> None:
    """Say that we are ready and wait for a line."""
    print("ready", flush=True)
    sys.stdin.readline()


def main(url: str, act: str, number: str) -> None:
    """Act, and say how it went."""
    database = Database(url)
    try:
        if act == "write_without_end":
            write_without_end(database)
        else:
            ACTS[act](SqlStore(database), int(number))
    except PatchwaveError as exc:
        print(exc.code, flush=True)
    else:
        print("won", flush=True)
    finally:
        database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
