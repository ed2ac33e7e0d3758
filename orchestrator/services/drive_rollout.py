"""Drive a rollout: decide, commit, carry out, feed the outcomes back, until it is final.

Nothing is dispatched before the state and the intents that want it are committed. The process may be killed at any
instant: whoever takes the lease over next finds out what became of open intents by looking at the hosts.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field

from orchestrator.core.attempts import Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts
from orchestrator.core.fleet import Member
from orchestrator.core.patches import Patch
from orchestrator.core.plans import Plan, PlannedHost
from orchestrator.core.rollout import decide, resume
from orchestrator.core.rollout_events import (
    EVENTS,
    CheckSoak,
    Entry,
    Event,
    HostBusy,
    HostFinished,
    ResumeAttempt,
    SoakChecked,
    StartAttempt,
    Tick,
)
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.verdict import Verdict, describe, judge_soak
from orchestrator.errors import Conflict, NotFound, PatchwaveError, StaleState
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.store import Lease, RolloutRow, Store
from orchestrator.services.carry_out_attempt import AttemptRunner
from orchestrator.services.check_hosts import CheckHosts
from orchestrator.services.order_rollout import REQUESTS, WAITS_FOR_OPERATOR

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
POLL_SECONDS = 0.25

Watcher = Callable[[RolloutState], None]
Effects = Sequence[object]


@dataclass(frozen=True, kw_only=True)
class DriveRollout:
    """The engine. One instance drives any number of rollouts, one after the other or in threads beside each other."""

    store: Store
    clock: Clock
    dispatcher: Dispatcher
    runner: AttemptRunner
    check_hosts: CheckHosts
    members: Callable[[], Mapping[str, Member]]
    new_id: Callable[[], str]
    holder: str

    def __call__(
        self, rollout_id: str, *, watch: Watcher = lambda _state: None, stop: Callable[[], bool] = lambda: False
    ) -> RolloutState:
        """Take the lease and drive until the rollout is final or waits for an operator, or ``stop`` says so.

        Raises `LeaseHeld` when another engine drives it, `StaleState` when one took over meanwhile.
        """
        lease = self.store.leases.acquire(rollout_id, self.holder, self.clock.now(), LEASE_SECONDS)
        drive = _Drive(engine=self, lease=lease, row=self.store.rollouts.load(rollout_id), watch=watch)
        try:
            return drive.run(stop)
        finally:
            self.store.leases.release(drive.lease)


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
    flights: set[Future[_Landing]] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = Plan.model_validate(self.row.plan)
        self.state = RolloutState.model_validate(self.row.state)
        self.planned: Mapping[str, PlannedHost] = {host.host_id: host for host in self.plan.hosts}
        patches = self.engine.store.catalogue.history().patches
        self.patch: Patch = next(patch for patch in patches if patch.id == self.plan.patch_id)
        self.members = self.engine.members()
        self.renewed_at = self.engine.clock.now()

    def run(self, stop: Callable[[], bool]) -> RolloutState:
        """The loop."""
        attempts = self.engine.store.attempts.open(self.row.id)
        self._dispatch(
            resume(self.state, attempts, self.engine.clock.now()), {attempt.id: attempt for attempt in attempts}
        )
        self.watch(self.state)
        self._step([Tick()])
        while not (self._is_settled() or stop()):
            done, _ = wait(self.flights, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            requests = self.engine.store.notes.items(REQUESTS.format(self.row.id))
            asked = [EVENTS.validate_python(request["event"]) for request in requests.values()]
            self._step([*(self._landed(future) for future in done), *asked, Tick()])
            for key in requests:
                self.engine.store.notes.drop(key)
            self._renew()
        return self.state

    def _is_settled(self) -> bool:
        rests = self.state.is_final or self.state.status in WAITS_FOR_OPERATOR
        return rests and not self.flights

    def _landed(self, future: Future[_Landing]) -> Event:
        self.flights.discard(future)
        landing = future.result()
        if landing.outcome is not None:
            self.outcomes.append(landing.outcome)
        return landing.event

    def _renew(self) -> None:
        now = self.engine.clock.now()
        if (now - self.renewed_at).total_seconds() >= RENEW_SECONDS:
            self.lease = self.engine.store.leases.renew(self.lease, now, LEASE_SECONDS)
            self.renewed_at = now

    def _step(self, events: Sequence[Event]) -> None:
        """Decide on the events, commit what was decided, and only then send anybody out."""
        for _ in range(len(self.planned) + 1):
            state, effects = self._decide(events)
            if state == self.state and not self.outcomes and not _asks(effects):
                return
            intents = self._intents(effects)
            busy = self._busy(list(intents.values()))
            if not busy and self._commit(state, events, list(intents.values())):
                self._dispatch(effects, {key: intents[key] for key in intents})
                self.watch(self.state)
                return
            events = [*busy, *events]
        raise Conflict(f"rollout {self.row.id}: the locks of its hosts kept moving")

    def _decide(self, events: Sequence[Event]) -> tuple[RolloutState, list[object]]:
        now, state, effects = self.engine.clock.now(), self.state, list[object]()
        for event in events:
            try:
                decision = decide(state, event, now)
            except (Conflict, NotFound):
                # An order that fitted when it was given and does not any more, such as a pause after the end.
                continue
            state = decision.state
            effects += decision.effects
        return state, effects

    def _intents(self, effects: Effects) -> dict[str, Attempt]:
        now = self.engine.clock.now()
        starts = [effect for effect in effects if isinstance(effect, StartAttempt)]
        return {
            start.key: Attempt(
                id=self.engine.new_id(),
                rollout_id=self.row.id,
                host_id=start.host_id,
                host=self.planned[start.host_id].name,
                action=start.action,
                patch_id=self.plan.patch_id,
                build_sha256=self.planned[start.host_id].build.sha256,
                boot_id=self.planned[start.host_id].boot_id,
                intent_at=now,
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

    def _commit(self, state: RolloutState, events: Sequence[Event], intents: Sequence[Attempt]) -> bool:
        """Whether it was committed; False when a lock was taken meanwhile."""
        now = self.engine.clock.now()
        row = self.row.model_copy(
            update={"state": state.model_dump(mode="json"), "state_name": state.status, "updated_at": now}
        )
        try:
            self.engine.store.rollouts.commit(
                row=row,
                lease=self.lease,
                events=[Entry(at=now, event=event).model_dump(mode="json") for event in events],
                intents=intents,
                outcomes=tuple(self.outcomes),
            )
        except StaleState:
            raise
        except Conflict:
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
                self.flights |= {self._submit(self._soak_job(host_id)) for host_id in effect.host_ids}

    def _submit(self, job: Callable[[], _Landing]) -> Future[_Landing]:
        return self.engine.dispatcher.submit(job)

    def _fly(self, effect: StartAttempt | ResumeAttempt, attempt: Attempt | None, *, is_resumed: bool) -> None:
        def job() -> _Landing:
            outcome = self._carry_out(effect.host_id, attempt, is_resumed)
            event = HostFinished(host_id=effect.host_id, key=effect.key, code=outcome.code, detail=outcome.detail)
            return _Landing(event=event, outcome=outcome if attempt is not None else None)

        self.flights.add(self._submit(job))

    def _carry_out(self, host_id: str, attempt: Attempt | None, is_resumed: bool) -> Outcome:
        member = self.members.get(host_id)
        now = self.engine.clock.now()
        if attempt is None or member is None:
            missing = "no intent of it is open" if attempt is None else "the inventory no longer lists it"
            return Outcome(attempt_id="", code=OutcomeCode.UNKNOWN, detail=missing, finished_at=now)
        try:
            return self.engine.runner.carry_out(
                attempt,
                member,
                self.patch,
                self.planned[host_id].build,
                self.plan.playbook.limits,
                resume=is_resumed,
            )
        except PatchwaveError as exc:
            return Outcome(
                attempt_id=attempt.id,
                code=OutcomeCode.UNKNOWN,
                error_code=exc.code,
                detail=str(exc),
                finished_at=self.engine.clock.now(),
            )

    def _soak_job(self, host_id: str) -> Callable[[], _Landing]:
        planned, member = self.planned[host_id], self.members.get(host_id)

        def job() -> _Landing:
            if member is None:
                return _soaked(host_id, None, "the inventory no longer lists it")
            record = self.engine.check_hosts.one(member)
            self.engine.check_hosts.keep(member, record)
            if record.observation is None:
                return _soaked(host_id, None, record.error or "")
            facts = record.observation.facts
            verdict = judge_soak(Facts(boot_id=planned.boot_id), facts, planned.build)
            return _soaked(host_id, verdict, describe(verdict, facts, planned.build))

        return job


def _soaked(host_id: str, verdict: Verdict | None, detail: str) -> _Landing:
    return _Landing(event=SoakChecked(host_id=host_id, verdict=verdict, detail=detail))


def _asks(effects: Effects) -> bool:
    return any(isinstance(effect, StartAttempt | ResumeAttempt | CheckSoak) for effect in effects)
