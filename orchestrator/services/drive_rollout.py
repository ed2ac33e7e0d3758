"""Drive a rollout: decide, commit, carry out, feed the outcomes back, until it is final.

Nothing is dispatched before the state and the intents that want it are committed. The process may be killed at any
instant: whoever takes the lease over next finds out what became of open intents by looking at the hosts.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from datetime import datetime
from queue import SimpleQueue
from typing import Protocol

from orchestrator.core.attempts import Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts
from orchestrator.core.fleet import Member
from orchestrator.core.intents import at_level, intent_of
from orchestrator.core.offers import Offer
from orchestrator.core.plans import Plan, PlannedHost
from orchestrator.core.playbooks import Limits
from orchestrator.core.rollout import decide, resume
from orchestrator.core.rollout_events import (
    EVENTS,
    CheckSoak,
    Entry,
    Event,
    HostBusy,
    HostFinished,
    HostVerifying,
    ResumeAttempt,
    SoakChecked,
    StartAttempt,
    Tick,
)
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.verdict import Verdict, describe, judge_apply
from orchestrator.errors import (
    Conflict,
    HostBeingChanged,
    InvalidInput,
    NotAllowed,
    NotAvailable,
    NotFound,
    PatchwaveError,
    StaleState,
)
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.store import Json, Lease, RolloutRow, Store
from orchestrator.services.carry_out_attempt import Errand
from orchestrator.services.check_hosts import CheckHosts
from orchestrator.services.order_rollout import REQUESTS, WAITS_FOR_OPERATOR
from orchestrator.services.read_only import require_write

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
POLL_SECONDS = 0.25


class Runner(Protocol):
    """Carries one attempt out, or finds out what became of it: `AttemptRunner`."""

    def carry_out(
        self,
        attempt: Attempt,
        member: Member,
        errand: Errand,
        limits: Limits,
        *,
        resume: bool,
        on_verifying: Callable[[], None],
        may_send: Callable[[], bool],
    ) -> Outcome:
        """The outcome, verified. ``on_verifying`` is called, in this thread, once the verification begins; ``may_send``
        is asked right before anything is sent: `StaleState` when it says no."""
        ...


Watcher = Callable[[RolloutState], None]
Effects = Sequence[object]


@dataclass(frozen=True, kw_only=True)
class DriveRollout:
    """The engine. One instance drives any number of rollouts, one after the other or in threads beside each other."""

    store: Store
    clock: Clock
    dispatcher: Dispatcher
    runner: Runner
    check_hosts: CheckHosts
    members: Callable[[], Mapping[str, Member]]
    new_id: Callable[[], str]
    holder: str
    is_read_only: bool

    def __call__(
        self, rollout_id: str, *, watch: Watcher = lambda _state: None, stop: Callable[[], bool] = lambda: False
    ) -> RolloutState:
        """Take the lease and drive until the rollout is final or waits for an operator, or ``stop`` says so.

        Raises `LeaseHeld` when another engine drives it, `StaleState` when one took over meanwhile, `NotAllowed` in
        read-only mode.
        """
        require_write(is_read_only=self.is_read_only)
        lease = self.store.leases.acquire(rollout_id, self.holder, self.clock.now(), LEASE_SECONDS)
        try:
            return _Drive(engine=self, lease=lease, row=self.store.rollouts.load(rollout_id), watch=watch).run(stop)
        finally:
            self.store.leases.release(lease)


@dataclass(frozen=True, kw_only=True)
class _Landing:
    """What a job came back with: the event, and the outcome that is committed with it."""

    event: Event
    outcome: Outcome | None = None


@dataclass(kw_only=True)
class _Drive:
    """One engine's hold on one rollout."""

    engine: DriveRollout
    lease: Lease
    row: RolloutRow
    watch: Watcher
    flights: list[Future[_Landing]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    verifying: SimpleQueue[HostVerifying] = field(default_factory=SimpleQueue)
    """What jobs tell from their threads, for display; drained by the loop."""

    def __post_init__(self) -> None:
        self.plan = Plan.model_validate(self.row.plan)
        self.state = RolloutState.model_validate(self.row.state)
        self.planned: Mapping[str, PlannedHost] = {host.host_id: host for host in self.plan.hosts}
        patches = self.engine.store.catalogue.history().patches
        self.patch = next((patch for patch in patches if patch.id == self.plan.patch_id), None)
        self.members = self.engine.members()
        self.renewed_at = self.engine.clock.now()

    def run(self, stop: Callable[[], bool]) -> RolloutState:
        """The loop. Orders are looked for before it may rest: a rollout that is final can be ordered to roll back."""
        self._take_up()
        while True:
            requests = self.engine.store.notes.items(REQUESTS.format(self.row.id))
            landed = [self._landed(future) for future in list(self.flights) if future.done()]
            now = self.engine.clock.now()
            # Drained after the landed were taken, and decided before them: nobody is verifying once it has ended.
            events = (*_drained(self.verifying), *landed, Tick())
            self._step([*_asked(requests, now), *(Entry(at=now, event=event) for event in events)])
            for key in requests:
                self.engine.store.notes.drop(key)
            self._renew()
            if self._is_settled() or stop():
                return self.state
            self._let_time_pass()

    def _take_up(self) -> None:
        """Find out what became of what an engine before us had under way. Nothing is sent again."""
        attempts = self.engine.store.attempts.open(self.row.id)
        effects = resume(self.state, attempts, self.engine.clock.now())
        self._dispatch(effects, {attempt.id: attempt for attempt in attempts})
        self._forget_handled()
        self.watch(self.state)

    def _forget_handled(self) -> None:
        """Orders that an engine before us committed and had no time to drop: given once, they hold once."""
        requests = self.engine.store.notes.items(REQUESTS.format(self.row.id))
        if requests:
            handled = {entry.get("request") for entry in self.engine.store.rollouts.events(self.row.id)}
            for key in [key for key in requests if key in handled]:
                self.engine.store.notes.drop(key)

    def _let_time_pass(self) -> None:
        if self.flights:
            wait(self.flights, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
        else:
            self.engine.clock.sleep(POLL_SECONDS)

    def _is_settled(self) -> bool:
        rests = self.state.is_final or self.state.status in WAITS_FOR_OPERATOR
        return rests and not self.flights

    def _landed(self, future: Future[_Landing]) -> Event:
        self.flights.remove(future)
        landing = future.result()
        if landing.outcome is not None:
            self.outcomes.append(landing.outcome)
        return landing.event

    def _renew(self) -> None:
        now = self.engine.clock.now()
        if (now - self.renewed_at).total_seconds() >= RENEW_SECONDS:
            self.lease = self.engine.store.leases.renew(self.lease, now, LEASE_SECONDS)
            self.renewed_at = now

    def _step(self, entries: Sequence[Entry]) -> None:
        """Decide on the events, commit what was decided, and only then send anybody out."""
        for _ in range(2 * len(self.planned) + 1):  # per host: a refused commit, and the look that names its lock
            state, effects, heeded = self._decide(entries)
            if state == self.state and not self.outcomes and not _asks(effects):
                return
            intents = self._intents(effects, state)
            busy = self._busy(list(intents.values()))
            if not busy and self._commit(state, heeded, list(intents.values())):
                self._dispatch(effects, {key: intents[key] for key in intents})
                self.watch(self.state)
                return
            entries = [*(Entry(at=entries[0].at, event=event) for event in busy), *entries]
        raise Conflict(f"rollout {self.row.id}: the locks of its hosts kept moving")

    def _decide(self, entries: Sequence[Entry]) -> tuple[RolloutState, list[object], list[Entry]]:
        """The state and effects, and those entries that the journal keeps: the ones that were decided on."""
        state, effects, heeded = self.state, list[object](), list[Entry]()
        for entry in entries:
            try:
                decision = decide(state, entry.event, entry.at)
            except (Conflict, NotFound):
                # An order that fitted when it was given and does not any more, such as a pause after the end.
                continue
            state = decision.state
            effects += decision.effects
            heeded.append(entry)
        return state, effects, heeded

    def _intents(self, effects: Effects, state: RolloutState) -> dict[str, Attempt]:
        now = self.engine.clock.now()
        starts = [effect for effect in effects if isinstance(effect, StartAttempt)]
        return {
            start.key: intent_of(
                start,
                self.planned[start.host_id],
                state,
                patch_id=self.plan.patch_id,
                ids=(self.engine.new_id(), self.row.id),
                now=now,
            )
            for start in starts
        }

    def _busy(self, intents: Sequence[Attempt]) -> list[Event]:
        """Hosts whose lock another attempt holds that this commit would not free."""
        if not intents:
            return []
        locked = self.engine.store.attempts.locked_hosts()
        freed = {outcome.attempt_id for outcome in self.outcomes}
        held = {host: attempt for host, attempt in locked.items() if attempt.id not in freed}
        return [
            HostBusy(host_id=intent.host_id, detail=f"rollout {held[intent.host_id].rollout_id} has it")
            for intent in intents
            if intent.host_id in held
        ]

    def _commit(self, state: RolloutState, entries: Sequence[Entry], intents: Sequence[Attempt]) -> bool:
        """Whether it was committed; False when a lock was taken meanwhile."""
        now = self.engine.clock.now()
        row = self.row.model_copy(
            update={"state": state.model_dump(mode="json"), "state_name": state.status, "updated_at": now}
        )
        try:
            self.engine.store.rollouts.commit(
                row=row,
                lease=self.lease,
                events=[entry.model_dump(mode="json") for entry in entries],
                intents=intents,
                outcomes=tuple(self.outcomes),
            )
        except HostBeingChanged:
            return False
        self.row, self.state = row.model_copy(update={"version": row.version + 1}), state
        self.outcomes.clear()
        return True

    def _dispatch(self, effects: Effects, attempts: Mapping[str, Attempt]) -> None:
        for effect in effects:
            if isinstance(effect, StartAttempt):
                self._fly(effect, attempts[effect.key], is_resumed=False)
            elif isinstance(effect, ResumeAttempt):
                self._fly(effect, attempts.get(effect.attempt_id or ""), is_resumed=True)
            elif isinstance(effect, CheckSoak):
                self.flights += [self._submit(self._soak_job(host_id)) for host_id in effect.host_ids]

    def _submit(self, job: Callable[[], _Landing]) -> Future[_Landing]:
        return self.engine.dispatcher.submit(job)

    def _fly(self, effect: StartAttempt | ResumeAttempt, attempt: Attempt | None, *, is_resumed: bool) -> None:
        def job() -> _Landing:
            outcome = self._carry_out(effect, attempt, is_resumed)
            event = HostFinished(
                host_id=effect.host_id,
                key=effect.key,
                code=outcome.code,
                detail=outcome.detail,
                level=outcome.level,
                boot_id=outcome.boot_id,
            )
            return _Landing(event=event, outcome=outcome if attempt is not None else None)

        self.flights.append(self._submit(job))

    def _carry_out(self, effect: StartAttempt | ResumeAttempt, attempt: Attempt | None, is_resumed: bool) -> Outcome:
        host_id = effect.host_id
        member = self.members.get(host_id)
        now = self.engine.clock.now()
        if attempt is None or member is None:
            missing = "no intent of it is open" if attempt is None else "the inventory no longer lists it"
            attempt_id = "" if attempt is None else attempt.id
            return Outcome(attempt_id=attempt_id, code=OutcomeCode.UNKNOWN, detail=missing, finished_at=now)
        try:
            return self.engine.runner.carry_out(
                attempt,
                member,
                self._errand(self.planned[host_id], attempt),
                self.plan.playbook.limits,
                resume=is_resumed,
                on_verifying=lambda: self.verifying.put(HostVerifying(host_id=host_id, key=effect.key)),
                may_send=self._may_send,
            )
        except (NotAvailable, NotAllowed, StaleState):
            # The database or a program of ours is gone, read-only mode is on, or another engine took over: that says
            # nothing of the host. The intent stays open, and whoever drives next looks.
            raise
        except PatchwaveError as exc:
            return Outcome(
                attempt_id=attempt.id,
                code=OutcomeCode.UNKNOWN,
                error_code=exc.code,
                detail=str(exc),
                finished_at=self.engine.clock.now(),
            )

    def _errand(self, planned: PlannedHost, attempt: Attempt) -> Errand:
        """As the intent has it: what a canary showed meanwhile does not change an attempt under way."""
        return Errand(
            backend=planned.backend,
            patch=self.patch,
            payload=at_level(planned.payload, attempt.level),
            level_before=planned.level_before,
        )

    def _may_send(self) -> bool:
        """Whether the rollout is still ours: an engine that was suspended must not send what another one gave up."""
        current = self.engine.store.leases.current(self.row.id)
        if current is None or current.token != self.lease.token:
            return False
        return self.engine.clock.now() < current.expires_at

    def _soak_job(self, host_id: str) -> Callable[[], _Landing]:
        planned, member, run = self.planned[host_id], self.members.get(host_id), self.state.hosts[host_id]
        payload, boot_id = at_level(planned.payload, run.level), run.boot_id or planned.boot_id

        def job() -> _Landing:
            if member is None:
                return _soaked(host_id, None, "the inventory no longer lists it")
            try:
                # What tools offer next is asked on this occasion: the level that was offered last is in force now.
                record = self.engine.check_hosts.look(member, deep=isinstance(payload, Offer))
            except InvalidInput as exc:
                # The pins, say, were damaged meanwhile: that is no reason to end the engine, and no good sign either.
                return _soaked(host_id, None, str(exc))
            if record.observation is None:
                return _soaked(host_id, None, record.error or "")
            facts = record.observation.facts
            verdict = judge_apply(Facts(boot_id=boot_id), facts, payload)
            return _soaked(host_id, verdict, describe(verdict, facts, payload))

        return job


def _asked(requests: Mapping[str, Json], now: datetime) -> list[Entry]:
    return [
        Entry(at=now, event=EVENTS.validate_python(request["event"]), request=key) for key, request in requests.items()
    ]


def _drained(queue: SimpleQueue[HostVerifying]) -> list[HostVerifying]:
    """What is in it now."""
    return [queue.get() for _ in range(queue.qsize())]


def _soaked(host_id: str, verdict: Verdict | None, detail: str) -> _Landing:
    return _Landing(event=SoakChecked(host_id=host_id, verdict=verdict, detail=detail))


def _asks(effects: Effects) -> bool:
    return any(isinstance(effect, StartAttempt | ResumeAttempt | CheckSoak) for effect in effects)
