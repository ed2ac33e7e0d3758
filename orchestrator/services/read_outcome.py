"""What the guard's answer and the verification amount to: the outcome of an attempt. Pure."""

import re
from typing import Annotated

from pydantic import AfterValidator

from orchestrator.backends.guard import REFUSALS, GuardAnswer, GuardExit, GuardState
from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.facts import Facts, ToolState
from orchestrator.core.model import Frozen
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.verdict import Verdict, describe, level_of, outcome_of_apply, outcome_of_revert
from orchestrator.errors import HostError
from orchestrator.probe.text import clean

MOST_OUTPUT = 16_000
"""Characters of a host's answer that are stored with an outcome."""

MOST_WORDS = 300
"""Characters of a host's own words in a detail."""

MOST_DETAIL = 1_000
"""Characters of a detail: it goes into the journal, the rollout's state and onto terminals."""


def _one_line(detail: str) -> str:
    return clean(detail, MOST_DETAIL)


def _printable(output: str) -> str:
    """The last of it, line by line as a terminal may show it. A first line that was cut through stays."""
    return "\n".join(clean(line, MOST_OUTPUT) for line in output[-MOST_OUTPUT:].split("\n"))


class Finding(Frozen):
    """An outcome but for its attempt and its time. Whatever a host put into its texts is bounded and printable."""

    code: OutcomeCode
    error_code: str | None = None
    detail: Annotated[str, AfterValidator(_one_line)] = ""
    output: Annotated[str, AfterValidator(_printable)] = ""
    level: str | None = None
    boot_id: str | None = None


def read_refusal(refused: HostError) -> Finding:
    """Refused before anything was changed, by that error."""
    return Finding(code=OutcomeCode.REFUSED, error_code=refused.code, detail=str(refused))


def read_already(payload: Payload, facts: Facts) -> Finding:
    """It was in force before anything was sent."""
    name, level = payload.tool if isinstance(payload, Offer) else payload.name, level_of(facts, payload)
    return Finding(
        code=OutcomeCode.ALREADY,
        detail=f"{name} {level} was in force already" if level else f"{name} was in force already",
        level=level,
        boot_id=facts.boot_id,
    )


def read_answer(action: Action, answer: GuardAnswer | None) -> Finding | None:
    """What the guard's answer decides by itself: nothing was changed. None: a check must decide."""
    if answer is None or answer.code is None or answer.code in _NOT_TO_BE_HAD:
        return None
    if action is Action.REVERT and answer.state is GuardState.FINISHED and answer.code != GuardExit.FOREIGN_PATCH:
        return None  # What was installed for the next boot is gone by then.
    if answer.code == GuardExit.WRONG_BOOT:
        return Finding(code=OutcomeCode.LOST, error_code=name_of(answer.code), detail=_last_line(answer.text))
    error = REFUSALS.get(answer.code)
    if error is None and answer.state is not GuardState.REFUSED:
        return None
    detail = f"held by {clean(answer.text, MOST_WORDS)}" if answer.code == GuardExit.LOCKED else _last_line(answer.text)
    code = name_of(answer.code) if error is None else error.code
    return Finding(code=OutcomeCode.REFUSED, error_code=code, detail=detail, output=answer.text)


def read_verified(
    action: Action, answer: GuardAnswer | None, verdict: Verdict | None, after: Facts | None, payload: Payload
) -> Finding:
    """The outcome by the verification.

    ``answer`` None: the guard could not be asked. ``verdict`` and ``after`` None: the host could not be checked.
    """
    output = "" if answer is None else answer.text
    if verdict is None or after is None:
        detail = "the host did not answer until the limit; what became of the attempt is not known"
        return Finding(code=OutcomeCode.UNKNOWN, error_code="not_verified", detail=detail, output=output)
    code = _code(action, answer, verdict)
    if code is OutcomeCode.FAILED and action is Action.APPLY and isinstance(payload, Offer):
        code = _of_an_offer(answer, payload, after)
    said = (describe(verdict, after, payload).rstrip("."), _tool_said(code, answer), _blockers(output))
    return Finding(
        code=code,
        error_code=_error(code, answer, verdict),
        detail="; ".join(part for part in said if part),
        output=output,
        level=level_of(after, payload),
        boot_id=after.boot_id,
    )


def name_of(exit_code: int) -> str:
    """The exit code in words."""
    known = {member.value: member.name.lower() for member in GuardExit}
    return known.get(exit_code, f"exit_{exit_code}")


def _code(action: Action, answer: GuardAnswer | None, verdict: Verdict) -> OutcomeCode:
    if answer is not None and answer.state in (GuardState.RUNNING, GuardState.STARTING):
        return OutcomeCode.UNKNOWN
    if action is Action.REVERT:
        return _code_of_revert(answer, verdict)
    if action is Action.PERSIST:
        return _code_of_persist(answer, verdict)
    stalled = answer is not None and answer.code in (GuardExit.STALLED_REVERTED, GuardExit.STALLED_NOT_REVERTED)
    return OutcomeCode.STALLED_REVERTED if stalled and verdict is Verdict.NOT_IN_FORCE else outcome_of_apply(verdict)


def _code_of_revert(answer: GuardAnswer | None, verdict: Verdict) -> OutcomeCode:
    """Out of force is not enough: what would bring the patch back at the next boot only the guard can tell."""
    seen = outcome_of_revert(verdict)
    is_out = seen in (OutcomeCode.DONE, OutcomeCode.LOST)
    return OutcomeCode.UNKNOWN if is_out and not _is_unpersisted(answer) else seen


def _is_unpersisted(answer: GuardAnswer | None) -> bool:
    """The guard's words for it, or its end: it comes to them before it touches the kernel."""
    if answer is None:
        return False
    if re.search(r"^nothing of \S+ is left for the next boot$", answer.text, re.MULTILINE):
        return True
    return answer.state is GuardState.FINISHED and answer.code not in _MAY_COME_BACK


_MAY_COME_BACK = (GuardExit.WRONG_BOOT, GuardExit.FOREIGN_PATCH, GuardExit.PERSIST_FAILED, GuardExit.USAGE)
"""How a revert ends that has not removed what was installed for the next boot."""


def _code_of_persist(answer: GuardAnswer | None, verdict: Verdict) -> OutcomeCode:
    """What is on the disk only the guard has seen; a check says whether the patch is still in force."""
    seen = outcome_of_apply(verdict)
    if seen is not OutcomeCode.DONE or (answer is not None and answer.code == GuardExit.DONE):
        return seen
    return OutcomeCode.UNKNOWN if answer is None or answer.state is GuardState.DIED else OutcomeCode.FAILED


def _error(code: OutcomeCode, answer: GuardAnswer | None, verdict: Verdict) -> str | None:
    if code in (OutcomeCode.DONE, OutcomeCode.ALREADY):
        return None
    if answer is None:
        return "not_verified"
    if answer.code is not None and answer.code != GuardExit.DONE:
        return name_of(answer.code)
    return verdict.value if answer.code == GuardExit.DONE else f"guard_{answer.state.value}"


def _of_an_offer(answer: GuardAnswer | None, offer: Offer, after: Facts) -> OutcomeCode:
    """What it means that nothing changed. Asked for its newest, a tool that had nothing to do has that in force; asked
    for what the canary was verified with, one that cannot have that drifted."""
    code, tool = (answer.code if answer is not None else None), after.tool(offer.tool)
    if offer.level is not None:
        return OutcomeCode.DRIFTED if code in _NOT_TO_BE_HAD else OutcomeCode.FAILED
    is_well = tool is not None and tool.state is ToolState.READY and tool.level is not None
    is_idle = code in (GuardExit.DONE, GuardExit.NOTHING_OFFERED)
    return OutcomeCode.ALREADY if is_idle and is_well else OutcomeCode.FAILED


_NOT_TO_BE_HAD = (GuardExit.NOTHING_OFFERED, GuardExit.OTHER_LEVEL)


def _tool_said(code: OutcomeCode, answer: GuardAnswer | None) -> str:
    """The tool's own words, where they are none that have an error of their own."""
    is_well = code in (OutcomeCode.DONE, OutcomeCode.ALREADY)
    return "" if answer is None or is_well or answer.code not in _IN_ITS_WORDS else _last_line(answer.text)


_IN_ITS_WORDS = (
    GuardExit.INSERT_FAILED,
    GuardExit.TOOL_FAILED,
    GuardExit.TOOL_NETWORK,
    GuardExit.NOTHING_OFFERED,
    GuardExit.OTHER_LEVEL,
)


def _blockers(output: str) -> str:
    """The tasks that the guard named as blocking, before it reverted."""
    tasks = dict.fromkeys(re.findall(r"^blocking (\d{1,10}) (.{1,32})$", output[-MOST_OUTPUT:], re.MULTILINE))
    return "blocked by " + ", ".join(f"{command} ({pid})" for pid, command in list(tasks)[:5]) if tasks else ""


def _last_line(text: str) -> str:
    lines = text[-MOST_OUTPUT:].strip().splitlines()
    return clean(lines[-1], MOST_WORDS) if lines else ""
