"""Accepted risks: where they hold, from when, until when."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.core.acceptances import AcceptedRisks, Scope, accepted_until, bears, read_expiry
from tests.core.sla_builders import CVE, HOST, OTHER, acceptance, day, record


@pytest.mark.parametrize(
    ("scope", "value", "holds"),
    [
        (Scope.HOST, HOST.id, True),
        (Scope.HOST, "id-web2", False),
        (Scope.GROUP, "web", True),
        (Scope.GROUP, "db", False),
        (Scope.CUSTOMER, "acme", True),
        (Scope.CUSTOMER, "other", False),
        (Scope.LABEL, "env=prod", True),
        (Scope.LABEL, "env=test", False),
        (Scope.LABEL, "role=", False),
        (Scope.EVERYWHERE, "", True),
    ],
)
def test_where_it_holds(scope: Scope, value: str, holds: bool) -> None:
    """By the host's place now, of one CVE alone."""
    risk = acceptance(0, 10, scope=scope, value=value)
    found = AcceptedRisks([risk])
    assert holds == risk.contains(HOST)
    assert ((risk,) if holds else (), ()) == (found.concerning(HOST, CVE), found.concerning(HOST, OTHER))


def test_a_value_with_an_equals_sign() -> None:
    """The name of a label ends at the first one."""
    assert acceptance(0, 1, scope=Scope.LABEL, value="k=a=b").contains(record("x", labels={"k": "a=b"}))


def test_it_holds_from_when_it_was_accepted_until_it_expires() -> None:
    """And a revoked one until then."""
    risk = acceptance(5, 10)
    revoked = acceptance(5, 10, revoked_at=day(7), revoked_by="bob@cli")
    assert [False, True, True, False] == [risk.holds(day(now)) for now in (4.9, 5, 9.9, 10)]
    assert [True, False] == [revoked.holds(day(now)) for now in (6.9, 7)]
    assert not acceptance(5, 10, revoked_at=day(12), revoked_by="bob@cli").holds(day(11))


def test_states() -> None:
    """In force, expired by itself, revoked; what was revoked after its time had expired."""
    revoked, late = (acceptance(5, 10, revoked_at=day(at), revoked_by="bob@cli") for at in (7, 12))
    states = [one.state(day(11)).value for one in (acceptance(5, 12), acceptance(5, 11), revoked, late)]
    assert ["in_force", "expired", "revoked", "expired"] == states


def test_the_longest_of_those_that_hold_counts() -> None:
    """Renewed before the first ended; none holds afterwards."""
    risks = [acceptance(0, 10), acceptance(5, 20), acceptance(30, 90)]
    assert [day(10), day(20), day(20), None] == [accepted_until(risks, day(now)) for now in (4, 6, 12, 25)]


@pytest.mark.parametrize(
    "fields",
    [
        {"owner": "  "},
        {"reason": ""},
        {"reason": "two\nlines"},
        {"cve": "CVE-1"},
        {"expires_at": day(0)},
        {"value": ""},
        {"scope": Scope.EVERYWHERE},
    ],
    ids=str,
)
def test_nothing_is_accepted_without_owner_reason_end_and_place(fields: dict[str, object]) -> None:
    """Refused."""
    with pytest.raises(ValidationError):
        acceptance(0, 10).model_validate({**acceptance(0, 10).model_dump(), **fields})


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=6), st.integers(0, 30), st.integers(0, 10))
def test_a_risk_is_borne_all_the_time_or_not(spells: list[tuple[int, int]], start: int, length: int) -> None:
    """Exactly when at every instant some acceptance holds."""
    risks = [acceptance(begin, begin + days) for begin, days in spells]
    instants = [day(start) + timedelta(hours=12 * half) for half in range(2 * length)]
    expected = all(any(one.holds(at) for one in risks) for at in instants)
    assert expected == bears(risks, day(start), day(start + length))


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2026-02-10", 10),
        ("30d", 35),
        ("36h", 6.5),
        ("2026-02-10T12:00:00Z", 9.5),
        ("2026-02-10T12:00:00+12:00", 9),
    ],
)
def test_expiries_as_people_write_them(text: str, days: float) -> None:
    """A day with all of it, a duration from now, an instant."""
    assert day(days) == read_expiry(text, day(5))


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "2026-02-10T12:00:00", "10", "9999-12-31", "20260210"])
def test_what_is_no_expiry(text: str) -> None:
    """Refused, with what is: a time without its zone is not guessed."""
    with pytest.raises(ValueError, match=r"zone|neither a day"):
        read_expiry(text, day(5))
