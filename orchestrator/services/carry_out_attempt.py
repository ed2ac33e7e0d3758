"""Carry out one attempt on one host, or find out what became of it.

The intent is committed before this runs. It may be killed at any instant: run again with ``resume``, it asks the
guard on the host before anything else, sends the same attempt id at most once into effect, and believes a fresh check
rather than what any command said.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from orchestrator.backends.base import Backend, Work
from orchestrator.backends.guard import GuardAnswer, GuardState
from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts, Observation, ToolState
from orchestrator.core.fleet import Member
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Patch
from orchestrator.core.playbooks import Limits
from orchestrator.core.verdict import Verdict, judge_apply, judge_revert, level_of
from orchestrator.errors import (
    HostError,
    IdentityConflict,
    PatchRefused,
    RootUnavailable,
    SessionBroken,
    ShellUnusable,
    StaleState,
)
from orchestrator.ports.runtime import Clock, ModuleFiles
from orchestrator.ports.ssh import Command, Transport
from orchestrator.services.read_only import require_write
from orchestrator.services.read_outcome import Finding, read_already, read_answer, read_refusal, read_verified

POLL_SECONDS = 1.0
STARTING_SECONDS = 10.0
"""How long an upload of a connection that may be dead is waited for. To start beside it is safe: one of them wins."""

MOST_STARTS = 3
"""How often a start is sent again after a session broke and the host said that nothing had started."""

_MOVING = (Verdict.TRANSITIONING, Verdict.REVERTING)
_OVER = (GuardState.ABSENT, GuardState.FINISHED, GuardState.DIED, GuardState.REFUSED)
"""Where nothing of the attempt runs on the host."""


@dataclass(frozen=True, kw_only=True)
class Errand:
    """What an attempt is about. ``patch``: the catalogue's, None for an offer of the host's own tool; ``payload``: its
    module, or the offer with the level that is to be in force, where that is known already. ``level_before``: what the
    tool had in force when the rollout was planned."""

    backend: str
    patch: Patch | None
    payload: Payload
    level_before: str | None = None


class Check(Protocol):
    """Contacts a host for an attempt and keeps what was seen: `CheckHosts.verify`."""

    def __call__(self, member: Member, apart_from: str | None = None, /) -> Observation:
        """``apart_from``: the attempt, while nothing of it runs there. Raises `HostError`, and `IdentityConflict` when
        another machine answers: what that one shows says nothing of the host."""
        ...


def _nobody_is_told() -> None:
    pass


def _always() -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class AttemptRunner:
    """Carries attempts out.

    ``backend`` is the registry. ``check`` contacts the host (the same code path as a scan) and raises `HostError`.
    ``ours`` maps the build ids of all modules that the catalogue knows to their items. ``controller`` names us in the
    locks on hosts.
    """

    transport: Transport
    clock: Clock
    modules: ModuleFiles
    backend: Callable[[str], Backend]
    check: Check
    ours: Callable[[], Mapping[str, Patch]]
    new_nonce: Callable[[], str]
    controller: str
    is_read_only: bool

    def carry_out(
        self,
        attempt: Attempt,
        member: Member,
        errand: Errand,
        limits: Limits,
        *,
        resume: bool,
        on_verifying: Callable[[], None] = _nobody_is_told,
        may_send: Callable[[], bool] = _always,
    ) -> Outcome:
        """The outcome, verified. Takes at most ``limits.host``, and one check more.

        ``on_verifying`` is called once the guard is through, before the check that decides. ``may_send`` is
        asked right before each start is sent: whether the attempt is still ours to carry out. Raises `StaleState` when
        it is not: the attempt stays open; and `NotAllowed` in read-only mode.
        """
        require_write(is_read_only=self.is_read_only)
        course = _Course(
            runner=self,
            attempt=attempt,
            member=member,
            backend=self.backend(errand.backend),
            errand=errand,
            limits=limits,
            on_verifying=on_verifying,
            may_send=may_send,
        )
        return self._outcome(attempt, course.resume() if resume else course.begin())

    def _outcome(self, attempt: Attempt, found: Finding) -> Outcome:
        return Outcome(
            attempt_id=attempt.id,
            code=found.code,
            error_code=found.error_code,
            detail=found.detail,
            output=found.output,
            level=found.level,
            boot_id=found.boot_id,
            finished_at=self.clock.now(),
        )


def _tells_level(facts: Facts, offer: Offer) -> bool:
    tool = facts.tool(offer.tool)
    return tool is not None and tool.state is not ToolState.ERROR


@dataclass(kw_only=True)
class _Course:
    """One attempt on its way. ``before`` is what the host was like before anything was sent, where that was seen."""

    runner: AttemptRunner
    attempt: Attempt
    member: Member
    backend: Backend
    errand: Errand
    limits: Limits
    on_verifying: Callable[[], None]
    may_send: Callable[[], bool]
    before: Facts | None = None

    def __post_init__(self) -> None:
        self.deadline = self.runner.clock.now() + self.limits.host

    # --- the steps, in their order ---

    def resume(self) -> Finding:
        """An earlier controller may have done any part of it: the host is asked first."""
        answer = self._settled(self._ask())
        if answer is None or not self._never_started(answer):
            return self._read(answer)
        # Another machine would have said the same.
        return self.begin(stranger=OutcomeCode.UNKNOWN)

    def begin(self, *, stranger: OutcomeCode = OutcomeCode.UNREACHABLE) -> Finding:
        """Nothing of it has started on the host: look, refuse or send. ``stranger``: what it comes to where another
        machine answers in the host's place."""
        try:
            self.before = self.runner.check(self.member, self.attempt.id).facts
            if self.attempt.boot_id is None or self._reverts:
                self.attempt = self.attempt.model_copy(update={"boot_id": self.before.boot_id})
            return self._decided(self.before) or self._nothing_of_ours(self.before) or self._send()
        except (PatchRefused, RootUnavailable, ShellUnusable) as refused:
            return read_refusal(refused)
        except HostError as exc:
            return Finding(code=OutcomeCode.UNREACHABLE, error_code=exc.code, detail=str(exc))
        except IdentityConflict as exc:
            return Finding(code=stranger, error_code=exc.code, detail=str(exc))

    def _decided(self, facts: Facts) -> Finding | None:
        """What the facts alone decide. Raises `PatchRefused`."""
        if None not in (facts.boot_id, self.attempt.boot_id) and facts.boot_id != self.attempt.boot_id:
            detail = f"the host rebooted since the intent: its boot id is {facts.boot_id}"
            return Finding(code=OutcomeCode.LOST, error_code="wrong_boot", detail=detail)
        action = self.attempt.action
        payload = self.errand.payload
        if action is Action.APPLY and judge_apply(facts, facts, payload) is Verdict.IN_FORCE:
            return read_already(payload, facts)
        patch, ours = self.errand.patch, self.runner.ours()
        refused = self.backend.refusal(facts, patch, payload, ours=ours, action=action)
        if refused is not None:
            raise refused
        return None

    def _nothing_of_ours(self, facts: Facts) -> Finding | None:
        """Of a tool's patches only what the rollout brought is taken out. Where an attempt's end was never seen, that
        is whatever the tool has in force now and had not then."""
        payload, errand = self.errand.payload, self.errand
        if not self._reverts or not isinstance(payload, Offer) or not _tells_level(facts, payload):
            return None
        level = level_of(facts, payload)
        if level in (None, errand.level_before):
            return Finding(code=OutcomeCode.ALREADY, detail=f"{payload.tool} has nothing of this rollout in force")
        if payload.level is None:
            self.errand = replace(errand, payload=Offer.model_validate(payload.model_dump() | {"level": level}))
        return None

    def _send(self) -> Finding:
        """Start it, and follow it to its end. A session that broke in mid-start is not trusted: the host is asked.

        Raises a `HostError` only where nothing can have started.
        """
        work = self._work()
        answer = None
        for sent in range(MOST_STARTS):
            if self._is_late() and sent == 0:
                detail = "the limit for one host passed before anything was sent"
                return Finding(code=OutcomeCode.UNREACHABLE, error_code="not_sent", detail=detail)
            if self._is_late():
                break
            if not self.may_send():
                raise StaleState(f"{self.attempt.host}: the attempt is another engine's by now; nothing was sent")
            answer = self._start(work)
            if answer is None or not self._never_started(answer):
                break
        return self._read(answer)

    def _start(self, work: Work) -> GuardAnswer | None:
        try:
            answer = self._ask_once(lambda nonce: self.backend.start(self.member.host, work, nonce))
        except ShellUnusable:
            raise
        except SessionBroken:
            return self._settled(self._ask())
        return self._settled(answer)

    def _work(self) -> Work:
        # A revert loads nothing, so that a lost file of the catalogue does not stand in its way.
        return Work(
            attempt=self.attempt,
            controller=self.runner.controller,
            patch=self.errand.patch,
            payload=self.errand.payload,
            module=b"" if self._reverts else self._module(),
            ours=tuple(sorted(self.runner.ours())),
            limit_seconds=math.ceil(self.limits.transition.total_seconds()),
        )

    def _module(self) -> bytes:
        patch, payload = self.errand.patch, self.errand.payload
        if patch is None or isinstance(payload, Offer):
            return b""
        return self.runner.modules.read(patch.id, payload.module, payload.sha256)

    # --- asking ---

    def _ask_once(self, make: Callable[[str], Command]) -> GuardAnswer:
        nonce = self.runner.new_nonce()
        completed = self.runner.transport.run(self.member.host, make(nonce))
        return self.backend.answer(self.member.host, completed, nonce)

    def _ask(self) -> GuardAnswer | None:
        """What the guard says; asked again while the host does not answer. None at the deadline."""
        while True:
            try:
                return self._ask_once(lambda nonce: self.backend.status(self.member.host, self.attempt.id, nonce))
            except HostError:
                if not self._wait():
                    return None

    def _settled(self, answer: GuardAnswer | None) -> GuardAnswer | None:
        """The answer once it moves no more; still running: at the deadline. A start that hangs counts as none."""
        patience = self.runner.clock.now() + timedelta(seconds=STARTING_SECONDS)
        while answer is not None and answer.state in (GuardState.STARTING, GuardState.RUNNING):
            if answer.state is GuardState.STARTING and self.runner.clock.now() >= patience:
                return answer.model_copy(update={"state": GuardState.ABSENT})
            if not self._wait():
                return answer
            answer = self._ask()
        return answer

    def _never_started(self, answer: GuardAnswer) -> bool:
        is_same_boot = self.attempt.boot_id in {None, answer.boot_id}
        return answer.state is GuardState.ABSENT and (is_same_boot or self._reverts)

    def _wait(self) -> bool:
        """Let a moment pass; False at the deadline."""
        if self._is_late():
            return False
        self.runner.clock.sleep(POLL_SECONDS)
        return True

    def _is_late(self) -> bool:
        return self.runner.clock.now() >= self.deadline

    @property
    def _reverts(self) -> bool:
        """A revert is for whatever boot it finds: there is none that it must not be sent to."""
        return self.attempt.action is Action.REVERT

    # --- verifying ---

    def _read(self, answer: GuardAnswer | None) -> Finding:
        """What the answer and, unless the guard refused it, an independent check amount to."""
        refused = read_answer(self.attempt.action, answer)
        if refused is not None:
            return refused
        self.on_verifying()
        try:
            verdict, after = self._verify(is_over=answer is not None and answer.state in _OVER)
        except IdentityConflict as exc:
            return Finding(code=OutcomeCode.UNKNOWN, error_code=exc.code, detail=str(exc))
        found = read_verified(self.attempt.action, answer, verdict, after, self.errand.payload)
        if found.code is OutcomeCode.DONE and self._had_nothing_to_revert():
            return found.model_copy(update={"code": OutcomeCode.ALREADY})
        return found

    def _verify(self, *, is_over: bool) -> tuple[Verdict | None, Facts | None]:
        """By a fresh check; repeated while the host does not answer or its patch moves. At least one is made.

        ``is_over``: nothing of the attempt runs on the host any more, so what is seen is not seen in its midst. Raises
        `IdentityConflict` when another machine answers in its place until the deadline.
        """
        while True:
            try:
                verdict, after = self._verify_once(self.attempt.id if is_over else None)
            except IdentityConflict:
                if not self._wait():
                    raise
                continue
            is_settled = verdict is not None and verdict not in _MOVING
            if is_settled or not self._wait():
                return verdict, after

    def _verify_once(self, apart_from: str | None) -> tuple[Verdict | None, Facts | None]:
        try:
            after = self.runner.check(self.member, apart_from).facts
        except HostError:
            return None, None
        before = self.before or self._as_planned(after)
        judge = judge_revert if self.attempt.action is Action.REVERT else judge_apply
        return judge(before, after, self.errand.payload), after

    def _as_planned(self, after: Facts) -> Facts:
        """Where this process did not see the host before: the boot it was meant for, the level it was planned at."""
        tools = tuple(tool.model_copy(update={"level": self.errand.level_before}) for tool in after.tools)
        return after.model_copy(update={"boot_id": self.attempt.boot_id or after.boot_id, "tools": tools})

    def _had_nothing_to_revert(self) -> bool:
        if not self._reverts or self.before is None:
            return False
        return judge_revert(self.before, self.before, self.errand.payload) is Verdict.NOT_IN_FORCE
