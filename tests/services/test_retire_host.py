"""Retiring by hand: for hosts that the inventory has dropped, and only for those."""

import pytest

from orchestrator.core.fleet import Fleet
from orchestrator.errors import Conflict
from orchestrator.services.retire_host import RetireHost
from tests.services.fleets import Checked


def test_a_host_that_the_inventory_dropped_is_retired_at_once() -> None:
    """Without waiting for the day after which it would be retired anyway."""
    fleet = Checked("web")
    retire = RetireHost(store=fleet.store, clock=fleet.clock, update_exposures=fleet.update_exposures)

    retire(fleet.members[0].record, Fleet(members=(), groups={}))

    assert [fleet.clock.now()] == [record.retired_at for record in fleet.store.hosts.all()]


def test_a_listed_host_is_not_retired() -> None:
    """The next reading of the inventory would bring it back: the message says what to do instead."""
    fleet = Checked("web")
    retire = RetireHost(store=fleet.store, clock=fleet.clock, update_exposures=fleet.update_exposures)

    with pytest.raises(Conflict, match=r"take it out there.*hosts quarantine web"):
        retire(fleet.members[0].record, Fleet(members=tuple(fleet.members), groups={}))

    assert [None] == [record.retired_at for record in fleet.store.hosts.all()]
