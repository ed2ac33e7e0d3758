"""Engines to kill: hosts that keep what was done to them, a store whose every step can be the last."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast

from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, PatchState, Volatile
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.patches import Build
from orchestrator.core.plans import Plan
from orchestrator.core.playbooks import Limits
from orchestrator.core.rollout_events import Event
from orchestrator.core.rollout_state import RolloutState
from orchestrator.errors import ConnectTimedOut, StaleState
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.store import Store
from orchestrator.services.carry_out_attempt import Errand
from orchestrator.services.check_hosts import CheckHosts
from orchestrator.services.drive_rollout import DriveRollout
from orchestrator.services.order_rollout import OrderRollout
from orchestrator.services.settle_identities import SettleIdentities
from orchestrator.services.update_exposures import UpdateExposures
from tests.core.rollout_world import patch
from tests.fakes.clock import FakeClock
from tests.fakes.dispatchers import InlineDispatcher
from tests.fakes.ssh import FakeHostKeys
from tests.fakes.store import FakeStore
from tests.services.fleets import UNKNOWN_AFTER, ids, member

T = TypeVar("T")


class Killed(BaseException):
    """SIGKILL: nothing in the product catches it."""


@dataclass
class Life:
    """Counts what one process does to the world. After the kill it does nothing any more."""

    ends_before: int | None = None
    steps: int = 0

    def take(self, step: Callable[[], T]) -> T:
        """One step."""
        self.steps += 1
        if self.ends_before is not None and self.steps >= self.ends_before:
            raise Killed
        return step()


class MortalStore:
    """A store whose every call is a step of a process's life."""

    def __init__(self, subject: object, life: Life) -> None:
        self._subject, self._life = subject, life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        if not callable(found):
            return MortalStore(found, self._life)
        return lambda *args, **kwargs: self._life.take(lambda: found(*args, **kwargs))


@dataclass
class Machine:
    """A host and its guard: what an attempt did stays on record, so that it is done once."""

    name: str
    build: Build
    boot_id: str
    is_reachable: bool = True
    refuses: bool = False
    insmods: int = 0
    carries: bool = False
    guard: set[str] = field(default_factory=set)

    def facts(self) -> Facts:
        """What a check sees."""
        if not self.is_reachable:
            raise ConnectTimedOut(f"{self.name}: nothing answered")
        live = LivePatch(
            tool="klp", name=self.build.name, state=PatchState.APPLIED, build_id=self.build.module_build_id
        )
        return Facts(
            boot_id=self.boot_id,
            kernel=Kernel(running=self.build.kernel, build_id=self.build.build_id),
            live_patches=(live,) if self.carries else (),
            volatile=Volatile(uptime=timedelta(days=1)),
        )

    def start(self, attempt: Attempt) -> None:
        """What the guard does with an attempt that it has no record of."""
        if attempt.id not in self.guard:
            self.guard.add(attempt.id)
            self.insmods += attempt.action is Action.APPLY
            self.carries = attempt.action is not Action.REVERT

    def reboot(self) -> None:
        """Everything in memory is gone, the guard's record too."""
        self.boot_id, self.carries, self.guard = self.boot_id + "+", False, set()


@dataclass
class FakeRunner:
    """`Runner`: looks, sends once, looks again; each a step of its process's life."""

    machines: dict[str, Machine]
    clock: Clock
    life: Life

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
        if not may_send():
            raise StaleState("another engine drives this rollout")
        machine = self.machines[member.name]
        code = self.life.take(lambda: self._before(attempt, machine, resume))
        if code is None:
            self.life.take(lambda: machine.start(attempt))
            on_verifying()
            wanted = attempt.action is not Action.REVERT
            seen = self.life.take(lambda: machine.carries)
            code = OutcomeCode.DONE if seen is wanted else OutcomeCode.FAILED
        return Outcome(attempt_id=attempt.id, code=code, finished_at=self.clock.now())

    @staticmethod
    def _before(attempt: Attempt, machine: Machine, resume: bool) -> OutcomeCode | None:
        if not machine.is_reachable:
            return OutcomeCode.UNREACHABLE
        if attempt.boot_id not in (None, machine.boot_id):
            return OutcomeCode.LOST
        if machine.refuses:
            return OutcomeCode.REFUSED
        if resume and attempt.id in machine.guard:
            return None
        return OutcomeCode.ALREADY if attempt.action is Action.APPLY and machine.carries else None


@dataclass
class _Eyes:
    machines: dict[str, Machine]
    clock: Clock
    life: Life

    def observe(self, host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        facts = self.life.take(self.machines[host.name].facts)
        return Observation(started_at=self.clock.now(), observed_at=self.clock.now(), facts=facts)


class World:
    """Hosts, a store, and any number of engines, one after the other or beside each other."""

    def __init__(self, plan: Plan, *more: Plan) -> None:
        self.clock, self.store = FakeClock(), FakeStore()
        self.new_id, self._engines = ids("a"), ids("engine-")
        planned = {host.host_id: host for one in (plan, *more) for host in one.hosts}
        self.machines = {
            host.name: Machine(name=host.name, build=host.build, boot_id=host.boot_id)
            for host in planned.values()
            if host.build is not None
        }
        self.members = {host_id: member(host.name, id=host_id) for host_id, host in planned.items()}
        self.store.hosts.save([one.record for one in self.members.values()])
        self.store.catalogue.add(patch(kernels=3))
        self.order = OrderRollout(store=self.store, clock=self.clock, new_id=ids("r"))
        self.rollout = self.order.create(plan, "tester")
        self.others = [self.order.create(one, "tester") for one in more]

    def engine(self, life: Life | None = None, dispatcher: Dispatcher | None = None) -> DriveRollout:
        """A process that was just started."""
        life = life or Life()
        store = cast("Store", MortalStore(self.store, life))
        dispatcher = InlineDispatcher() if dispatcher is None else dispatcher
        check_hosts = CheckHosts(
            check=_Eyes(self.machines, self.clock, life),
            store=store,
            dispatcher=dispatcher,
            clock=self.clock,
            settle=SettleIdentities(store=store, host_keys=FakeHostKeys(), clock=self.clock),
            update_exposures=UpdateExposures(store=store, clock=self.clock),
            unknown_after=UNKNOWN_AFTER,
        )
        return DriveRollout(
            store=store,
            clock=self.clock,
            dispatcher=dispatcher,
            runner=FakeRunner(self.machines, self.clock, life),
            check_hosts=check_hosts,
            members=lambda: self.members,
            new_id=self.new_id,
            holder=self._engines(),
            is_read_only=False,
        )

    def drive(self) -> RolloutState:
        """By a fresh engine, to where it rests."""
        return self.engine()(self.rollout)

    def killed(self, before: int) -> bool:
        """By an engine that ends before its n-th step; False when it got through before."""
        try:
            self.engine(Life(ends_before=before))(self.rollout)
        except Killed:
            return True
        return False

    def ask(self, *events: Event) -> None:
        """Orders, one after the other."""
        for event in events:
            self.order.ask(self.rollout, event, "tester")

    def state(self) -> RolloutState:
        """As stored."""
        return RolloutState.model_validate(self.store.rollouts.load(self.rollout).state)

    def hosts(self) -> dict[str, str]:
        """Host name to state, as stored."""
        return {host.name: host.state.value for host in self.state().hosts.values()}

    def intents(self, action: Action = Action.APPLY) -> list[str]:
        """The hosts of all intents of that kind, sorted."""
        return sorted(one.host for one in self.store.attempts.of_rollout(self.rollout) if one.action is action)

    def outcomes(self) -> list[OutcomeCode]:
        """The codes of all outcomes, sorted."""
        return sorted(one.code for one in self.store.attempts.outcomes(self.rollout).values())
