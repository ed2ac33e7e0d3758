"""Pinning host keys: nothing by itself, nothing changed by accident, and another machine is another incarnation."""

from datetime import timedelta

import pytest

from orchestrator.core.exposure_states import ClosedBy
from orchestrator.core.hosts import Host
from orchestrator.core.identity import Evidence
from orchestrator.errors import NotAllowed
from orchestrator.services.trust_hosts import KeyStatus, Presented, Target, TrustHosts
from tests.core.exposure_builders import LAB_1, facts
from tests.fakes.dispatchers import InlineDispatcher
from tests.services.fleets import Checked, key


def trust(fleet: Checked) -> TrustHosts:
    """The service over that fleet."""
    return TrustHosts(
        host_keys=fleet.keys,
        store=fleet.store,
        dispatcher=InlineDispatcher(),
        clock=fleet.clock,
        update_exposures=fleet.update_exposures,
    )


def ask(fleet: Checked) -> tuple[Presented, ...]:
    """Of a fleet without jump hosts."""
    service = trust(fleet)
    (stage,) = service.stages(fleet.members)
    return service.ask(stage)


def test_asking_tells_new_same_changed_and_unreachable_and_pins_nothing() -> None:
    """In the order of the members."""
    fleet = Checked("new", "same", "changed", "gone", keys={n: key(n) for n in ("new", "same", "changed")})
    fleet.keys.pin("same", [key("same")])
    fleet.keys.pin("changed", [key("before")])

    presented = ask(fleet)

    assert ["new", "same", "changed", "unreachable"] == [one.status for one in presented]
    assert "gone: nothing answered" == presented[3].error
    assert ((), (key("before"),)) == (fleet.keys.pinned("new"), fleet.keys.pinned("changed"))


def test_a_new_key_is_pinned_once_accepted() -> None:
    """The host stays the machine it is."""
    fleet = Checked("new", keys={"new": key("new")})

    trust(fleet).accept(ask(fleet), replace=False)

    assert ((key("new"),), 1) == (fleet.keys.pinned("new"), fleet.store.hosts.all()[0].incarnation)


def test_a_changed_key_without_replace_is_refused_before_anything_is_pinned() -> None:
    """Not even the new one beside it."""
    fleet = Checked("new", "changed", keys={"new": key("new"), "changed": key("after")})
    fleet.keys.pin("changed", [key("before")])

    with pytest.raises(NotAllowed, match="changed: not the key"):
        trust(fleet).accept(ask(fleet), replace=False)

    assert ((), (key("before"),)) == (fleet.keys.pinned("new"), fleet.keys.pinned("changed"))


def replaced() -> Checked:
    """A fleet whose exposed host came back with another key, and was accepted."""
    fleet = Checked("web", keys={"web": key("after")})
    fleet.keys.pin("web", [key("before")])
    fleet.store.catalogue.add(LAB_1)
    fleet.eyes.shows["web"] = facts()
    fleet.check_hosts(fleet.members)
    fleet.clock.advance(60)
    trust(fleet).accept(ask(fleet), replace=True)
    return fleet


def test_replace_starts_a_new_incarnation_and_ends_windows() -> None:
    """As ``host_replaced``: not fixed. Since when the first incarnation was trusted stays known."""
    fleet = replaced()
    (record,) = fleet.store.hosts.all()

    assert ((key("after"),), 2) == (fleet.keys.pinned("web"), record.incarnation)
    assert Evidence(host_key="SHA256:after") == record.evidence
    (closure,) = fleet.store.exposures.closures()
    assert (ClosedBy.HOST_REPLACED, fleet.clock.now()) == (closure.span.method, closure.span.closed_at)
    assert 1 == len(fleet.store.notes.items("incarnations."))


def test_the_second_machine_has_windows_of_its_own() -> None:
    """From its own first check on; the first one's closure stays what it was."""
    fleet = replaced()
    fleet.clock.advance(60)
    record = fleet.store.hosts.all()[0]
    web = fleet.members[0].model_copy(update={"record": record})

    fleet.check_hosts([web])

    (standing,) = fleet.store.exposures.all()
    assert [ClosedBy.HOST_REPLACED, None] == [span.method for span in standing.spans]
    assert fleet.clock.now() - standing.spans[1].detected_at <= timedelta(seconds=1)
    assert 1 == len(fleet.store.exposures.closures())


def test_the_pinned_key_on_another_machine_takes_replace_too() -> None:
    """A host that was built anew and kept its key is refused by checks; trust --replace is the way out."""
    fleet = Checked("web", keys={"web": key("web")})
    fleet.keys.pin("web", [key("web")])
    for machine in ("first", "second"):
        fleet.eyes.shows["web"] = facts().model_copy(update={"machine_id": machine})
        fleet.check_hosts([fleet.members[0].model_copy(update={"record": fleet.store.hosts.all()[0]})])

    (presented,) = ask(fleet)
    assert KeyStatus.OTHER_MACHINE is presented.status
    trust(fleet).accept([presented], replace=True)
    (record,) = fleet.store.hosts.all()
    assert (2, Evidence(host_key="SHA256:web")) == (record.incarnation, record.evidence)


def names(stages: tuple[tuple[Target, ...], ...]) -> list[list[str]]:
    """Who is asked in each stage."""
    return [[target.host.name for target in stage] for stage in stages]


def test_jump_hosts_are_asked_before_what_is_behind_them() -> None:
    """Each once, however many hosts lead through it, also where it is a host of the inventory itself."""
    fleet = Checked("direct", "far", "gate", "near")
    gate, inner = fleet.members[2].host, Host(name="[10.0.0.9]:2222", address="10.0.0.9", port=2222)
    fleet.keys.jumps = {"near": (gate,), inner.name: (gate,), "far": (gate, inner)}

    stages = trust(fleet).stages(fleet.members)

    assert [["direct", "gate"], ["near", inner.name], ["far"]] == names(stages)
    assert [["gate"], [inner.name], ["far"]] == names(trust(fleet).stages([fleet.members[1]]))
    assert (fleet.members[2].record, None) == (stages[0][1].record, stages[1][1].record)


def test_a_host_behind_a_new_jump_host_is_trusted_in_one_go() -> None:
    """The jump host's key is pinned under its own name; nothing else is kept of it."""
    fleet = Checked("web", keys={"gate": key("gate"), "web": key("web")})
    fleet.keys.jumps = {"web": (Host(name="gate", address="gate"),)}
    service = trust(fleet)

    for stage in service.stages(fleet.members):
        service.accept(service.ask(stage), replace=False)

    assert (["gate", "web"], (key("gate"),), (key("web"),)) == (
        fleet.keys.asked,
        fleet.keys.pinned("gate"),
        fleet.keys.pinned("web"),
    )
    assert ["web"] == [record.name for record in fleet.store.hosts.all()]


def test_a_jump_host_with_another_key_takes_replace_and_has_no_incarnation() -> None:
    """It has no windows that could end."""
    fleet = Checked("web", keys={"gate": key("after")})
    fleet.keys.jumps = {"web": (Host(name="gate", address="gate"),)}
    fleet.keys.pin("gate", [key("before")])
    service = trust(fleet)
    (gate,) = service.ask(service.stages(fleet.members)[0])

    with pytest.raises(NotAllowed, match="gate: not the key"):
        service.accept([gate], replace=False)
    service.accept([gate], replace=True)

    assert (KeyStatus.CHANGED, (key("after"),)) == (gate.status, fleet.keys.pinned("gate"))
    assert [1] == [record.incarnation for record in fleet.store.hosts.all()]
