"""Times that a host claims: what cannot be true is unknown, and breaks nothing that is computed from it."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.core.facts import Facts, Observation
from orchestrator.probe import Answer, Section, facts_of

STARTED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def claimed(**lines: str) -> Facts:
    """The facts of a host whose boot section says this."""
    body = "".join(f"{key}={value}\n" for key, value in lines.items()).encode()
    section = Section(name="boot", body=body, exit_status=0)
    answer = Answer(sections={"boot": section}, complete=True, root=True, stderr="")
    return facts_of(answer, started_at=STARTED, finished_at=STARTED)


@pytest.mark.parametrize(
    ("uptime", "expected"),
    [
        ("86400.25 170000.00", timedelta(days=1, microseconds=250_000)),
        ("999999999 0", timedelta(seconds=999_999_999)),
        ("1000000000.00 0", None),
        ("999999999999 0", None),
        ("9" * 40, None),
        ("-5 0", None),
        ("nan", None),
    ],
)
def test_an_uptime_of_more_than_nine_digits_is_unknown(uptime: str, expected: timedelta | None) -> None:
    """Whatever it is, there is a boot time or none: never an error."""
    facts = claimed(uptime=uptime)
    seen = Observation(started_at=STARTED, observed_at=STARTED, facts=facts)

    assert expected == facts.volatile.uptime
    assert (None if expected is None else STARTED - expected) == seen.booted_at
    assert (expected is None) == ("uptime" in facts.unknown)


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        (f"{int(STARTED.timestamp()) + 40}.5", timedelta(seconds=40.5)),
        ("0", STARTED - datetime(1970, 1, 1, tzinfo=UTC)),
        ("253402300799", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - STARTED),
        ("253402300800", None),
        ("999999999999", None),
    ],
)
def test_a_clock_that_no_date_can_show_is_unknown(clock: str, expected: timedelta | None) -> None:
    """The skew of any other is how far it is from the middle of the check."""
    facts = claimed(clock=clock)
    skew = facts.volatile.clock_skew
    assert expected == (skew if skew is None else abs(skew))
    assert (expected is None) == ("clock" in facts.unknown)
