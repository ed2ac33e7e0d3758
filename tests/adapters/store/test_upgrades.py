"""Every released schema goes up with data in it: what was stored reads as it did.

``released/NNNN.json`` is the database of a fleet of three simulated hosts that were scanned, patched and scanned again
by that release: table to rows, as SQLite had them.
"""

import base64
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.core.facts import PatchState
from orchestrator.core.plans import Plan
from orchestrator.core.rollout import decide
from orchestrator.core.rollout_events import Rollback
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.core.windows import Window
from orchestrator.store import check, open_store, upgrade
from orchestrator.store.database import Database
from orchestrator.store.revisions import REVISIONS
from tests.core.exposure_builders import closed_windows

RELEASED = Path(__file__).parent / "released"
OLDER = REVISIONS[:-1]
IDS = {"db-003", "web-001", "web-002"}


CLOSED = {"0001": 3, "0002": 6}
"""How many windows the patch of that release's database closed: of one CVE, of two, on each host."""


@pytest.fixture(params=OLDER)
def release(request: pytest.FixtureRequest) -> str:
    """Each older release."""
    return str(request.param)


@pytest.fixture
def upgraded(release: str, empty_url: str) -> str:
    """A database of that release, brought up."""
    upgrade(empty_url, to=release)
    fill(empty_url, json.loads((RELEASED / f"{release}.json").read_text()))
    upgrade(empty_url)
    return empty_url


def fill(url: str, tables: Mapping[str, list[dict[str, Any]]]) -> None:
    """Write the rows as that release did."""
    with closing(Database(url)) as database, database.write() as connection:
        known = sa.MetaData()
        known.reflect(connection)
        for table in known.sorted_tables:
            rows = [as_bound(table, row) for row in tables[table.name]]
            if rows and table.name != "alembic_version":
                connection.execute(table.insert(), rows)


def as_bound(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the file, for the driver."""
    return {name: value_of(table.c[name].type, value) for name, value in row.items()}


def value_of(kind: sa.types.TypeEngine[Any], value: Any) -> Any:
    """A value as SQLite keeps it, in the column's own type."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"])
    if isinstance(kind, sa.DateTime) and value is not None:
        return datetime.fromisoformat(value).replace(tzinfo=UTC if kind.timezone else None)
    return bool(value) if isinstance(kind, sa.Boolean) else value


def test_every_older_release_has_its_data() -> None:
    """A new revision comes with a database of the one before it."""
    assert sorted(OLDER) == sorted(file.stem for file in RELEASED.glob("*.json"))


def test_what_was_stored_reads_as_it_did(upgraded: str, release: str) -> None:
    """Hosts, sightings and what they saw, packages."""
    with closing(open_store(upgraded)) as store:
        records = store.hosts.all()
        latest = store.sightings.latest()
        seen = {patch.state for one in latest.values() for patch in one.facts.live_patches}
        fingerprints = {one.facts.packages.fingerprint for one in latest.values() if one.facts.packages}
        lists = [store.sightings.packages(fingerprint) for fingerprint in fingerprints]

        assert (IDS, {PatchState.APPLIED}) == ({record.name for record in records}, seen)
        assert all(found is not None and found.items for found in lists)
    assert () == check(upgraded)


def test_closures_are_carried_over_with_all_their_clocks(upgraded: str, release: str) -> None:
    """Standings are to be made anew, and a note says so."""
    released = json.loads((RELEASED / f"{release}.json").read_text())["closure"]
    with closing(open_store(upgraded)) as store:
        windows = [window for closure in store.exposures.closures() for window in closed_windows(closure)]
        assert sorted(map(as_released, windows), key=str) == sorted(map(as_read, released), key=str)
        assert ((), {}) == (tuple(store.exposures.all()), store.notes.get("exposures.stale"))
    assert CLOSED[release] == len(windows)


def as_released(window: Window) -> dict[str, Any]:
    """What the release knew of a closed window, but for its number."""
    return window.model_dump(exclude={"index", "due_at", "policy"}) | {"unknown": rounded(dict(window.unknown))}


def as_read(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the release, the same."""
    times = ("disclosed_at", "fix_available_at", "detected_at", "closed_at")
    moments = {name: row[name] and datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in times}
    kept = {name: row[name] for name in ("host_id", "cve", "severity", "method", "tool", "boot_id")}
    return {**kept, **moments, "unknown": rounded(json.loads(row["unknown"]))}


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """To the microsecond."""
    return {name: round(value, 6) for name, value in seconds.items()}


def test_hosts_are_found_by_what_they_had_installed(upgraded: str) -> None:
    """Also if no check saw them since; the demo's Debian 12 hosts run a kernel of its own source package."""
    with closing(open_store(upgraded)) as store:
        latest = store.sightings.latest()
        sources = {one.facts.kernel and one.facts.kernel.source for one in latest.values()}
        debian_12 = {key for key, one in latest.items() if one.facts.os and one.facts.os.version == "12"}
        assert debian_12 == store.sightings.concerned([("debian:12", name) for name in ("linux", *sources) if name])
        assert 0 < len(debian_12) < len(latest)


def test_a_rollout_of_an_older_release_can_be_shown_and_rolled_back(upgraded: str) -> None:
    """Its plan, its state and its attempts are understood."""
    with closing(open_store(upgraded)) as store:
        (head,) = store.rollouts.heads()
        row = store.rollouts.load(head.id)
        plan, state = Plan.model_validate(row.plan), RolloutState.model_validate(row.state)
        attempts = store.attempts.of_rollout(row.id)

        assert (IDS, RolloutStatus.SUCCEEDED) == ({host.name for host in plan.hosts}, state.status)
        assert {host.build.sha256 for host in plan.hosts if host.build} == {one.build_sha256 for one in attempts}
        assert RolloutStatus.ROLLING_BACK is decide(state, Rollback(), row.updated_at).state.status
