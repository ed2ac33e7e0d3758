"""What becomes of a host's own words in an outcome: bounded, one printable line, whoever wrote them."""

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.backends.guard.become import why_no_answer
from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.hosts import Host
from orchestrator.core.verdict import Verdict
from orchestrator.errors import SudoRefused
from orchestrator.ports.ssh import Completed
from orchestrator.services.read_outcome import (
    MOST_DETAIL,
    MOST_OUTPUT,
    Finding,
    read_answer,
    read_refusal,
    read_verified,
)
from tests.backends.local_host import BUILD
from tests.core.exposure_builders import facts

HOSTILE = "\x1b]0;owned\x07\x1b[2J" + "A" * 200_000 + "\x1b[31m"


def assert_harmless(found: Finding) -> None:
    """Nothing of it moves a cursor or fills a database."""
    assert len(found.detail) <= 400
    assert found.detail.isprintable()
    assert len(found.output) <= MOST_OUTPUT
    assert all(line.isprintable() for line in found.output.split("\n"))


@pytest.mark.parametrize(
    "code", [GuardExit.LOCKED, GuardExit.WRONG_BOOT, GuardExit.FOREIGN_PATCH, GuardExit.MODULE_INVALID, 99]
)
def test_a_refusal_keeps_little_of_what_the_host_says(code: int) -> None:
    """Its last line, or who holds the lock."""
    found = read_answer(Action.APPLY, GuardAnswer(state=GuardState.REFUSED, code=int(code), text=HOSTILE))

    assert found is not None
    assert "AAAA" in found.detail
    assert_harmless(found)


@pytest.mark.parametrize("code", [GuardExit.INSERT_FAILED, GuardExit.STALLED_REVERTED, GuardExit.NOT_LIVE])
def test_a_failure_keeps_little_of_what_the_host_says(code: GuardExit) -> None:
    """Blocking tasks and insmod's words too."""
    text = f"blocking 7 \x1b[31mkswapd0\nblocking {'9' * 5000} x\n{HOSTILE}"
    answer = GuardAnswer(state=GuardState.FINISHED, code=code, text=text)

    assert_harmless(read_verified(Action.APPLY, answer, Verdict.NOT_IN_FORCE, facts(), BUILD))


def test_a_failed_insmod_is_quoted() -> None:
    """In its own words: a person needs them."""
    words = "insmod: ERROR: could not insert module: Operation not permitted (kernel.modules_disabled is 1)"
    answer = GuardAnswer(state=GuardState.FINISHED, code=GuardExit.INSERT_FAILED, text=f"\n{words}\n")

    found = read_verified(Action.APPLY, answer, Verdict.NOT_IN_FORCE, facts(), BUILD)

    assert (OutcomeCode.FAILED, "insert_failed") == (found.code, found.error_code)
    assert words in found.detail


def test_output_keeps_its_lines() -> None:
    """Only what no terminal should get goes."""
    answer = GuardAnswer(state=GuardState.REFUSED, code=GuardExit.FOREIGN_PATCH, text="one\n\x1b[1mtwo\r\nthree")
    found = read_answer(Action.APPLY, answer)

    assert found is not None
    assert ("one\ntwo\nthree", "three") == (found.output, found.detail)


def test_why_root_was_not_had_keeps_little_of_what_the_host_says() -> None:
    """Sudo's last words, after a banner of any length."""
    host = Host(name="h", address="h")
    said = HOSTILE + "\n\x1b[31mcommon is not in the sudoers file."
    error = why_no_answer(host, Completed(exit_status=1, stdout=b"", stderr=said.encode()))

    assert isinstance(error, SudoRefused)
    assert str(error).isprintable()
    assert len(str(error)) < 400
    assert "is not in the sudoers file.; see the sudoers lines" in str(error)
    garbled = why_no_answer(host, Completed(exit_status=1, stdout=b"", stderr=HOSTILE.encode()))
    assert str(garbled).isprintable()
    assert len(str(garbled)) < 400


def test_a_refusal_of_ours_is_bounded_too() -> None:
    """An error may quote a host."""
    assert len(read_refusal(SudoRefused(HOSTILE)).detail) <= MOST_DETAIL
