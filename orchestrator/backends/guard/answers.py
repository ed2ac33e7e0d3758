"""What the guard answers, to a start and to a question, and how that reads."""

import re
from enum import StrEnum

from orchestrator.backends.guard.become import why_no_answer
from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen
from orchestrator.errors import AnswerGarbled
from orchestrator.ports.ssh import Completed


class GuardState(StrEnum):
    """What the host says about an attempt."""

    ABSENT = "absent"
    """It never started in this boot."""
    STARTING = "starting"
    """A connection is still uploading its module; it has not started."""
    RUNNING = "running"
    """Its worker lives."""
    FINISHED = "finished"
    """Its exit code is there."""
    DIED = "died"
    """It started, its worker is gone, and there is no exit code."""
    REFUSED = "refused"
    """The start was refused before anything was changed."""


class GuardAnswer(Frozen):
    """One whole answer of the guard. ``code`` belongs to finished and refused; ``text`` is the bounded output."""

    state: GuardState
    code: int | None = None
    boot_id: str | None = None
    text: str = ""


def parse_answer(host: Host, completed: Completed, nonce: str) -> GuardAnswer:
    """The one whole section of the answer. Noise before and after it is passed over.

    Raises `RootUnavailable`, `NeedsRoot` or `AnswerGarbled`: then nothing can be said about the attempt.
    """
    head = re.search(
        rb"^%s state ([a-z]+) (-|\d{1,3}) (\S+)\n" % re.escape(nonce.encode()), completed.stdout, re.MULTILINE
    )
    if head is None:
        if _had_root(completed, nonce):
            raise AnswerGarbled(f"{host.name}: the guard ran, but its answer is not there")
        raise why_no_answer(host, completed)
    rest = completed.stdout[head.end() :]
    trailers = re.finditer(rb"\n%s end 0 (\d{1,6})\n" % re.escape(nonce.encode()), rest)
    text = next((rest[: found.start()] for found in trailers if int(found[1]) == found.start()), None)
    state, code, boot_id = (part.decode() for part in head.groups())
    if text is None or state not in set(GuardState):
        raise AnswerGarbled(f"{host.name}: the guard's answer is cut off or not of its form")
    return _answer(host, GuardState(state), code, boot_id, text.decode(errors="replace"))


def _had_root(completed: Completed, nonce: str) -> bool:
    """Whether the guard ran as root, so that it may be at work: whatever else sudo said on stderr."""
    ready = re.search(rb"^%s ready$" % re.escape(nonce.encode()), completed.stdout, re.MULTILINE)
    return ready is not None


def _answer(host: Host, state: GuardState, code: str, boot_id: str, text: str) -> GuardAnswer:
    if (state in (GuardState.FINISHED, GuardState.REFUSED)) != (code != "-"):
        raise AnswerGarbled(f"{host.name}: the guard's answer says {state.value} with the exit code {code}")
    return GuardAnswer(
        state=state,
        code=None if code == "-" else int(code),
        boot_id=None if boot_id == "-" else boot_id,
        text=text,
    )
