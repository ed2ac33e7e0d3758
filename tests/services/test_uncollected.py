"""Work without the cyclic garbage collector."""

import gc

import pytest

from orchestrator.services.uncollected import uncollected


def test_the_collector_is_off_meanwhile_and_on_again_afterwards() -> None:
    """Even where the work fails."""
    seen = []

    def fail() -> None:
        with uncollected():
            seen.append(gc.isenabled())
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert [False, True] == [*seen, gc.isenabled()]


def test_a_collector_that_was_off_stays_off() -> None:
    """Whoever switched it off switches it on again."""
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
