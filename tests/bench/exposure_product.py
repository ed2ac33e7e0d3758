"""The product where it follows CVEs: one step of the work on a made-up fleet, in a process of its own."""

import json
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import text

from orchestrator.bootstrap import new_id
from orchestrator.core.advisories import Claim, Entry, FeedImport, Statement
from orchestrator.core.facts import Facts, Observation, Volatile
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Severity
from orchestrator.core.sightings import CheckRecord
from orchestrator.metrics import Metrics
from orchestrator.services.read_exposures import ReadExposures, Wanted
from orchestrator.services.update_exposures import UpdateExposures
from orchestrator.store import open_store, upgrade
from orchestrator.store.database import Database
from tests.bench.exposure_world import IMAGES, KERNELS, NOW, Image, World, moment, name_of
from tests.bench.measured import Stopwatch, tell
from tests.fakes.clock import FakeClock

FEED = "debian"
IMPORTS, PER_IMPORT = 10, 14
"""Days on which entries came after the first import, and how many each."""

FIRST = NOW - timedelta(days=30)
BATCH = 1000
MB = 1024 * 1024
HOUR = timedelta(hours=1)


def make(url: str, hosts: int, entries: int) -> None:
    """A database with the fleet's checks and all that was told, and what it takes to take that in."""
    upgrade(url)
    store = open_store(url, new_id=new_id)
    world = World(entries=entries)
    told = [entry for _, entry in world.told()]
    with Stopwatch() as importing:
        for at, some in _imports(told):
            store.feeds.import_entries(FeedImport(feed=FEED, at=at, source="a bench", is_whole=at == FIRST), some)
    store.feeds.import_entries(FeedImport(feed="kev", at=FIRST, source="a bench"), list(world.grades()))
    with Stopwatch() as recording:
        for start in range(0, hosts, BATCH):
            numbers = range(start, min(start + BATCH, hosts))
            store.hosts.save([_record(number) for number in numbers])
            store.sightings.record([check for number in numbers for check in _checks(world, number)])
    tell(import_wall=importing.wall, import_cpu=importing.cpu, record_wall=recording.wall, peak=_peak())


def rematch(url: str) -> None:
    """Everything made anew, in a process that knows nothing yet."""
    store = open_store(url, new_id=new_id)
    update = UpdateExposures(store=store, clock=FakeClock(NOW))
    before = _peak()
    with Stopwatch() as took:
        update.everywhere()
    tell(wall=took.wall, cpu=took.cpu, peak=_peak(), before=before)


def advise(url: str, warmth: str, *kinds: str) -> None:
    """One more entry, imported and told to the hosts that it concerns; one of each kind after the other. ``warm``: by a
    process that has rebuilt the fleet before."""
    store = open_store(url, new_id=new_id)
    clock = FakeClock(NOW)
    update = UpdateExposures(store=store, clock=clock)
    if warmth == "warm":
        update.everywhere()
    told: dict[str, Any] = {}
    for number, kind in enumerate(kinds):
        clock.advance(60)
        entry = Entry(id=f"NEW-{number}", statements=_statements(kind, f"CVE-2026-9999{number}"))
        about = FeedImport(feed=FEED, at=clock.now(), source="a bench", is_whole=False)
        with Stopwatch() as importing:
            store.feeds.import_entries(about, [entry])
        with Stopwatch() as telling:
            update.catch_up()
        told[kind] = {
            "wall": importing.wall + telling.wall,
            "cpu": importing.cpu + telling.cpu,
            "import_cpu": importing.cpu,
            "hosts": len(store.exposures.hosts_with([entry.statements[0].cve])),
        }
    tell(kinds=told, peak=_peak())


def metrics(url: str, rounds: int) -> None:
    """A scrape of a process that has just started, and those that follow."""
    exposition = Metrics(store=open_store(url, new_id=new_id), clock=FakeClock(NOW))
    walls, cpus = [], []
    for _ in range(1 + rounds):
        with Stopwatch() as took:
            text = exposition.text()
        walls.append(took.wall)
        cpus.append(took.cpu)
    tell(first=walls[0], first_cpu=cpus[0], later=walls[1:], later_cpu=cpus[1:], bytes=len(text), peak=_peak())


def who(url: str) -> None:
    """The question of the day: who has this one, by a CVE that many have."""
    store = open_store(url, new_id=new_id)
    (most,) = _rows(url, "SELECT s.host_id FROM standing s WHERE s.state = 'exposed' ORDER BY s.count DESC LIMIT 1")
    cve = store.exposures.of([most[0]])[most[0]][0].marks[0].cve
    read = ReadExposures(store=store, clock=FakeClock(NOW))
    with Stopwatch() as took:
        found = sum(1 for _ in read.rows(Wanted(cve=cve)))
    tell(wall=took.wall, cpu=took.cpu, found=found, peak=_peak())


def sizes(url: str) -> None:
    """Rows, bytes, and to how many CVEs hosts are exposed."""
    tables = ("host", "facts", "sighting", "advisory", "told", "standing", "cve_set", "closure")
    rows = {name: _rows(url, f"SELECT count(*) FROM {name}")[0][0] for name in tables}
    opened = "SELECT sum(count) FROM standing WHERE state = 'exposed' GROUP BY host_id ORDER BY 1"
    closed = "SELECT sum(count) FROM standing WHERE state = 'covered' GROUP BY host_id ORDER BY 1"
    tell(rows=rows, exposed=_spread(url, opened), covered=_spread(url, closed))


def _spread(url: str, query: str) -> list[int]:
    found = [int(row[0]) for row in _rows(url, query)] or [0]
    return [found[0], found[len(found) // 2], found[-1]]


def _rows(url: str, query: str) -> Sequence[Any]:
    database = Database(url)
    with database.read() as connection:
        found = connection.execute(text(query)).all()
    database.close()
    return found


def _imports(told: Sequence[Entry]) -> Iterator[tuple[datetime, Sequence[Entry]]]:
    """All that is old at first, then some more every day."""
    later = iter(told[-IMPORTS * PER_IMPORT :])
    yield FIRST, told[: -IMPORTS * PER_IMPORT]
    for day in range(IMPORTS):
        yield NOW - timedelta(days=IMPORTS - day), list(islice(later, PER_IMPORT))


def _record(number: int) -> HostRecord:
    return HostRecord(
        id=f"host-{number:06}",
        name=f"web{number:06}.example.com",
        address=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        labels={"tier": "gold" if number % 5 == 0 else "silver"},
        incarnated_at=FIRST,
        first_listed_at=FIRST,
        last_listed_at=NOW,
    )


def _checks(world: World, number: int) -> Sequence[CheckRecord]:
    """The host was of an older image, and was upgraded and rebooted into a newer one in the last ten days."""
    image = world.images[number % IMAGES]
    older = world.older(image)
    spread = timedelta(seconds=number * 7919 % 864_000)
    joined, upgraded = NOW - timedelta(days=20) + spread / 10, NOW - timedelta(days=10) + spread - 3 * HOUR
    last = NOW - timedelta(seconds=number * 104_729 % 3600)
    return (
        _check(number, older, "a", joined, due=upgraded),
        _check(number, older, "a", upgraded - HOUR / 2, due=upgraded + HOUR),
        _check(number, image, "b", upgraded, due=last),
        _check(number, image, "b", last, due=last + 2 * HOUR),
    )


def _check(number: int, image: Image, boot: str, at: datetime, *, due: datetime) -> CheckRecord:
    own = {"machine_id": f"{number:032x}", "boot_id": f"boot-{boot}-{number}"}
    facts: Facts = image.facts.model_copy(update=own | {"volatile": Volatile(uptime=timedelta(minutes=20))})
    seen = Observation(started_at=at, observed_at=at, facts=facts)
    return CheckRecord(
        host_id=f"host-{number:06}", started_at=at, finished_at=at, expected_by=due + HOUR, observation=seen
    )


def _statements(concerned: str, cve: str) -> tuple[Statement, ...]:
    """Of a package that one image has alone, that all images of one system have, or that all hosts have."""
    if concerned == "image":
        places = [_only(World(entries=1000))]
    elif concerned == "system":
        places = [("ubuntu:22.04", name_of(1))]
    elif concerned == "kernel":
        places = [(system, kernel) for system, kernel in KERNELS.items()]
    else:
        places = [(system, name_of(1)) for system in KERNELS]
    return tuple(
        Statement(
            cve=cve,
            distribution=system,
            package=package,
            is_source=system.startswith(("debian", "ubuntu")),
            claim=Claim.AFFECTED,
            fixed="99.9-1",
            severity=Severity.HIGH,
            published=moment(3650),
            where="/new",
        )
        for system, package in places
    )


def _only(world: World) -> tuple[str, str]:
    """A package that one image has alone. Which are installed does not depend on the entries."""
    names: dict[tuple[str, str], int] = {}
    for image in world.images:
        packages = image.facts.packages
        for name in {item.source for item in (packages.items or ())} if packages is not None else ():
            names[image.system, str(name)] = names.get((image.system, str(name)), 0) + 1
    return next(
        key for key, count in sorted(names.items()) if count == 1 and key[0] == "debian:12" and "source" in key[1]
    )


def _peak() -> float:
    """Megabytes that the process had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


WORK: dict[str, Callable[..., None]] = {
    "make": make,
    "rematch": rematch,
    "advise": advise,
    "metrics": metrics,
    "who": who,
    "sizes": sizes,
}


def main(what: str, *arguments: str) -> None:
    """Do one step; numbers are given as JSON."""
    WORK[what](*(json.loads(one) if one.isdigit() else one for one in arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
