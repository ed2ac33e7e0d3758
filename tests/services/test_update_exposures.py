"""What is derived can be rebuilt, and is the same then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from orchestrator.core.exposure_states import ClosedBy, ExposureState
from orchestrator.core.sightings import Sighting
from orchestrator.ports.store import Store
from orchestrator.services.update_exposures import BATCH
from tests.core.exposure_builders import LAB_1, LAB_2, facts, live
from tests.services.fleets import Checked


def patched() -> Checked:
    """Two hosts that were exposed; one of them is patched now."""
    fleet = Checked("a", "b")
    fleet.store.catalogue.add(LAB_1)
    for seen in (facts(), facts(live("LAB-0001"))):
        fleet.eyes.shows = {"a": seen, "b": facts()}
        fleet.check_hosts(fleet.members)
        fleet.clock.advance(60)
    return fleet


def test_rebuilding_gives_the_same_windows_and_closures() -> None:
    """However often it runs."""
    fleet = patched()
    before = (tuple(fleet.store.exposures.all()), fleet.store.exposures.closures())

    for _ in range(3):
        fleet.update_exposures.everywhere()

    assert before == (tuple(fleet.store.exposures.all()), fleet.store.exposures.closures())
    assert [ExposureState.COVERED, ExposureState.EXPOSED] == [one.state for one in before[0]]


def test_only_the_named_hosts_are_rebuilt() -> None:
    """The others keep what they have."""
    fleet = patched()
    fleet.store.catalogue.add(LAB_2)

    fleet.update_exposures(["id-b"])

    assert {"id-a": 1, "id-b": 2} == {
        host: sum(len(one.marks) for one in fleet.store.exposures.all() if one.host_id == host)
        for host in ("id-a", "id-b")
    }


def test_no_host_is_no_work() -> None:
    """An empty selection is not everything."""
    fleet = patched()
    before = tuple(fleet.store.exposures.all())
    fleet.update_exposures([])
    assert before == tuple(fleet.store.exposures.all())


def test_a_retired_host_has_its_open_windows_withdrawn() -> None:
    """Not fixed: it went away."""
    fleet = patched()
    record = next(one for one in fleet.store.hosts.all() if one.name == "b")
    fleet.store.hosts.save([record.model_copy(update={"retired_at": fleet.clock.now()})])

    fleet.update_exposures([record.id])

    assert [ClosedBy.LIVE_PATCH, ClosedBy.WITHDRAWN] == [one.span.method for one in fleet.store.exposures.closures()]


class _Weighed:
    """A store that counts how many hosts' sightings are read at a time."""

    def __init__(self, store: object) -> None:
        self._store, self.sightings, self.read = store, self, list[int]()

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def history(self, host_ids: Sequence[str]) -> Mapping[str, tuple[Sighting, ...]]:
        self.read.append(len(host_ids))
        return cast("Store", self._store).sightings.history(host_ids)


def test_a_large_fleet_is_rebuilt_some_hosts_at_a_time() -> None:
    """Whole histories of thousands of hosts are never in memory together, and no host is forgotten."""
    fleet = Checked(*(f"h{n:04}" for n in range(2 * BATCH + 1)))
    fleet.store.catalogue.add(LAB_1)
    fleet.eyes.shows = {one.name: facts() for one in fleet.members}
    fleet.check_hosts(fleet.members)
    fleet.store.catalogue.add(LAB_2)
    weighed = _Weighed(fleet.store)

    replace(fleet.update_exposures, store=cast("Store", weighed)).everywhere()

    assert [BATCH, BATCH, 1] == weighed.read
    assert 2 * len(fleet.members) == sum(len(one.marks) for one in fleet.store.exposures.all())
