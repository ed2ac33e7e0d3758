"""Accepted risks: entered with an owner, a reason and an end; taken back once; ended by themselves."""

from datetime import timedelta
from itertools import count

import pytest

from orchestrator.core.acceptances import AcceptanceState, Scope
from orchestrator.errors import Conflict, InvalidInput, NotFound
from orchestrator.services.accept_risk import AcceptRisk, Wanted
from tests.core.sla_builders import CVE, HOST, day, record
from tests.fakes.clock import FakeClock
from tests.fakes.hosts import KnownHosts
from tests.fakes.sla import FakeAcceptances

WANTED = Wanted(CVE, Scope.HOST, "web1", "Head of web", "behind the firewall", "30d")


class World:
    """On day 0."""

    def __init__(self) -> None:
        numbers = count(1)
        self.clock, self.acceptances = FakeClock(day(0)), FakeAcceptances()
        gone = record("gone", labels={"env": "old"}, customer="former", groups=("old",), retired_at=day(-1))
        self.risks = AcceptRisk(
            acceptances=self.acceptances,
            hosts=KnownHosts(HOST, record("web2", groups=("web",)), gone),
            clock=self.clock,
            new_id=lambda: f"01RISK{next(numbers):04}",
            at_most=timedelta(days=365),
        )


def test_everything_about_it_is_kept() -> None:
    """The host by its id, so that a rename changes nothing; who entered it, and when."""
    world = World()
    risk = world.risks.accept(WANTED, "ann@cli")
    kept = risk.model_dump(include={"scope", "value", "owner", "reason", "accepted_by", "accepted_at", "expires_at"})
    assert (risk,) == world.acceptances.all()
    assert {
        "scope": Scope.HOST,
        "value": HOST.id,
        "owner": "Head of web",
        "reason": "behind the firewall",
        "accepted_by": "ann@cli",
        "accepted_at": day(0),
        "expires_at": day(30),
    } == kept


@pytest.mark.parametrize(
    ("scope", "value", "hosts"),
    [
        (Scope.HOST, "id-web2", ["web2"]),
        (Scope.GROUP, "web", ["web1", "web2"]),
        (Scope.CUSTOMER, "acme", ["web1"]),
        (Scope.LABEL, "env=prod", ["web1"]),
        (Scope.EVERYWHERE, "", ["web1", "web2"]),
    ],
)
def test_the_hosts_in_its_scope(scope: Scope, value: str, hosts: list[str]) -> None:
    """Listed ones."""
    world = World()
    risk = world.risks.accept(WANTED._replace(scope=scope, value=value), "ann@cli")
    assert hosts == [one.name for one in world.risks.hosts_in(risk)]


@pytest.mark.parametrize(
    ("scope", "value", "message"),
    [
        (Scope.HOST, "web9", "hosts list"),
        (Scope.HOST, "gone", "hosts list"),
        (Scope.GROUP, "wep", "did you mean web"),
        (Scope.CUSTOMER, "former", "no listed host has the customer"),
        (Scope.LABEL, "env=old", "no listed host has the label"),
    ],
)
def test_a_scope_without_hosts_is_a_typo(scope: Scope, value: str, message: str) -> None:
    """It would accept nothing, and look as if it did."""
    world = World()
    with pytest.raises(NotFound, match=message):
        world.risks.accept(WANTED._replace(scope=scope, value=value), "ann@cli")
    assert () == world.acceptances.all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"until": "2026-01-31"}, "until: 2026-01-31 is over"),
        ({"until": "0s"}, "until: 0s is over"),
        ({"until": "367d"}, "at most 365d"),
        ({"until": "2027-02-02"}, "at most 365d"),
        ({"until": "next week"}, "until: .* neither a day"),
        ({"cve": "CVE-99"}, "cve: "),
        ({"owner": " "}, "owner: "),
        ({"reason": ""}, "reason: "),
        ({"reason": "a\x1b[2Jb"}, "reason: "),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(change: dict[str, str], message: str) -> None:
    """With the field that is wrong."""
    world = World()
    with pytest.raises(InvalidInput, match=message):
        world.risks.accept(Wanted(**{**WANTED._asdict(), **change}), "ann@cli")
    assert () == world.acceptances.all()


def test_the_last_day_that_is_allowed() -> None:
    """A year from today, to its end."""
    assert day(366) == World().risks.accept(WANTED._replace(until="2027-02-01"), "ann@cli").expires_at


def test_what_is_accepted_already_is_not_accepted_again() -> None:
    """Unless for longer, or elsewhere, or once it has ended."""
    world = World()
    first = world.risks.accept(WANTED, "ann@cli")
    with pytest.raises(Conflict, match=first.id):
        world.risks.accept(WANTED._replace(until="20d"), "bob@cli")
    world.risks.accept(WANTED._replace(until="40d"), "bob@cli")
    world.risks.accept(WANTED._replace(value="web2"), "bob@cli")
    world.clock.advance(timedelta(days=41).total_seconds())
    world.risks.accept(WANTED, "bob@cli")
    assert 4 == len(world.acceptances.all())


def test_it_is_taken_back_by_somebody_at_some_time() -> None:
    """By the end of its id."""
    world = World()
    risk = world.risks.accept(WANTED, "ann@cli")
    world.clock.advance(60)
    revoked = world.risks.revoke("risk0001", "bob@cli")
    assert (revoked,) == world.acceptances.all()
    assert (risk.id, world.clock.now(), "bob@cli") == (revoked.id, revoked.revoked_at, revoked.revoked_by)


def test_what_has_ended_cannot_be_taken_back() -> None:
    """Neither what was revoked nor what expired: the end it had is the end it keeps."""
    world = World()
    first, second = (world.risks.accept(WANTED._replace(until=until), "ann@cli") for until in ("1d", "2d"))
    world.risks.revoke(second.id, "ann@cli")
    world.clock.advance(timedelta(days=1.5).total_seconds())
    for risk, state in ((first, "expired"), (second, "revoked")):
        with pytest.raises(Conflict, match=state):
            world.risks.revoke(risk.id, "bob@cli")


@pytest.mark.parametrize(("text", "message"), [("9999", "no accepted"), ("", "no accepted"), ("2", "no accepted")])
def test_an_id_that_is_not_there(text: str, message: str) -> None:
    """Says so."""
    world = World()
    world.risks.accept(WANTED, "ann@cli")
    with pytest.raises(NotFound, match=message):
        world.risks.revoke(text, "ann@cli")


def test_an_end_that_several_ids_share() -> None:
    """None is taken back."""
    world = World()
    for number in range(12):
        world.risks.accept(WANTED._replace(until=f"{number + 1}d"), "ann@cli")
    with pytest.raises(NotFound, match="more than one"):
        world.risks.revoke("1", "ann@cli")


def test_lists_show_what_ended_lately() -> None:
    """For thirty days, as what it is; everything there ever was on demand."""
    world = World()
    for until in ("5d", "50d"):
        world.risks.accept(WANTED._replace(until=until), "ann@cli")
    world.clock.advance(timedelta(days=34).total_seconds())
    now = world.clock.now()
    assert [AcceptanceState.IN_FORCE, AcceptanceState.EXPIRED] == [one.state(now) for one in world.risks.accepted()]
    world.clock.advance(timedelta(days=2).total_seconds())
    assert (1, 2) == (len(world.risks.accepted()), len(world.risks.accepted(everything=True)))
