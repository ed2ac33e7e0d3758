"""Sightings: which check extends the latest one, which starts a new one, which moves nothing."""

from datetime import timedelta

import pytest

from orchestrator.core.sightings import CheckRecord, Sighting, next_sighting
from tests.core.exposure_builders import at, check, facts, history, live

BARE, PATCHED = facts(), facts(live("LAB-0001"))


def latest() -> Sighting:
    """A sighting from minute 0 to 60, expected again by minute 240."""
    return history(check(0, BARE), check(60, BARE))[-1]


def test_the_first_check_starts_the_first_sighting() -> None:
    """With the boot as this check saw it."""
    found = next_sighting(None, check(5, BARE, booted=-30), "new")
    assert found is not None
    assert ("new", "host-1", at(5), at(5), at(185), at(-30)) == (
        found.id,
        found.host_id,
        found.first_seen,
        found.last_seen,
        found.expected_by,
        found.booted_at,
    )


@pytest.mark.parametrize("minutes", [61, 240])
def test_the_same_facts_in_time_extend_it(minutes: int) -> None:
    """Up to the very moment at which the check was due; the boot stays as first seen."""
    found = next_sighting(latest(), check(minutes, BARE, booted=-55), "new")
    expected = latest().model_copy(update={"last_seen": at(minutes), "expected_by": at(minutes + 180)})
    assert expected == found


@pytest.mark.parametrize(
    "late_or_other",
    [check(241, BARE), check(61, PATCHED), check(61, facts(boot="boot-1")), check(61, BARE, incarnation=2)],
    ids=["late", "other facts", "other boot", "other machine"],
)
def test_what_is_late_or_other_starts_a_new_one(late_or_other: CheckRecord) -> None:
    """Late even if nothing changed: the gap stays visible."""
    found = next_sighting(latest(), late_or_other, "new")
    assert found is not None
    assert ("new", late_or_other.finished_at) == (found.id, found.first_seen)


def test_a_check_that_saw_nothing_moves_nothing() -> None:
    """An unreachable host keeps its sighting; silence does the rest."""
    failed = check(61, BARE).model_copy(update={"observation": None, "error_code": "unreachable"})
    assert next_sighting(latest(), failed, "new") is None


def test_a_check_that_overlapped_a_mutation_moves_nothing() -> None:
    """What it saw may be neither before nor after."""
    assert next_sighting(latest(), check(61, PATCHED, overlapped=True), "new") is None


def test_checks_are_ordered_by_when_they_started() -> None:
    """One that started before the last one ended is out of order, whenever it ended."""
    slow = check(70, PATCHED).model_copy(update={"started_at": at(60) - timedelta(seconds=1)})
    assert next_sighting(latest(), slow, "new") is None


def test_a_late_answer_of_a_replaced_machine_moves_nothing() -> None:
    """It is not that host any more."""
    newer = latest().model_copy(update={"incarnation": 2})
    assert next_sighting(newer, check(61, PATCHED, incarnation=1), "new") is None
