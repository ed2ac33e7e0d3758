"""Plans to try rollouts on, and a small world that answers a rollout's effects."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestrator.core.attempts import Action, Attempt, OutcomeCode
from orchestrator.core.facts import Facts, Kernel
from orchestrator.core.patches import Build, Patch
from orchestrator.core.planning import Candidate, plan
from orchestrator.core.plans import Plan
from orchestrator.core.playbooks import Playbook
from orchestrator.core.rollout import Decision, RolloutState, decide, resume, start
from orchestrator.core.rollout_events import (
    CheckSoak,
    Entry,
    Event,
    HostFinished,
    ResumeAttempt,
    SoakChecked,
    StartAttempt,
    Tick,
    WaitUntil,
)
from orchestrator.core.verdict import Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def build_id(kernel: int) -> str:
    """The build id of our n-th kernel."""
    return f"{kernel:040x}"


def patch(kernels: int = 3, patch_id: str = "LAB-0001", **more: Any) -> Patch:
    """A patch with a module for so many kernels, named 6.1.0-N."""
    tag = sum(patch_id.encode())
    builds = tuple(
        Build(
            module=f"k{n}.ko",
            kernel=f"6.1.0-{n}",
            build_id=build_id(n),
            sha256=f"{tag * 1000 + n:064x}",
            name="lab",
            module_build_id=f"{tag * 1000 + n:040x}",
            size=1,
        )
        for n in range(kernels)
    )
    return Patch.model_validate(
        {"id": patch_id, "summary": "s", "fixes": (), "builds": builds, "added_at": NOW} | more,
    )


def candidate(name: str, kernel: int = 0, **more: Any) -> Candidate:
    """A healthy host that runs our n-th kernel."""
    facts = Facts(boot_id=f"boot-{name}", kernel=Kernel(running=f"6.1.0-{kernel}", build_id=build_id(kernel)))
    return Candidate.model_validate({"host_id": f"id-{name}", "name": name, "facts": facts} | more)


def playbook(**more: Any) -> Playbook:
    """A playbook with these fields beside what is required."""
    head = {"apiVersion": "patchwave/v1", "kind": "Playbook", "name": "p", "apply": {"patch": "LAB-0001"}}
    return Playbook.model_validate(head | {"soak": "1m"} | more)


def planned(hosts: int, kernels: int = 1, sites: int = 0, **more: Any) -> Plan:
    """A plan for hosts h00, h01, … that run so many kernels in turn, at so many sites in turn."""
    candidates = [candidate(f"h{n:02}", n % kernels, site=f"site{n % sites}" if sites else None) for n in range(hosts)]
    return plan(playbook(**more), candidates, patch(kernels), now=NOW)


OutcomeOf = Callable[[str, Action], OutcomeCode]
VerdictOf = Callable[[str], Verdict | None]
LevelOf = Callable[[str], str | None]


class World:
    """Carries a rollout's effects out: attempts end when told to, with the outcome that `outcome_of` gives.

    Every decision is stored as JSON and read back, as an engine would. ``applied`` counts apply intents per host.
    """

    def __init__(
        self,
        plan_: Plan,
        outcome_of: OutcomeOf = lambda _host, _action: OutcomeCode.DONE,
        verdict_of: VerdictOf = lambda _host: Verdict.IN_FORCE,
        level_of: LevelOf = lambda _host: None,
    ) -> None:
        self.plan, self.now = plan_, NOW
        self.outcome_of, self.verdict_of, self.level_of = outcome_of, verdict_of, level_of
        self.state = start(plan_, NOW)
        self.running: dict[str, StartAttempt | ResumeAttempt] = {}
        self.soaks: list[str] = []
        self.wake: datetime | None = None
        self.journal: list[Entry] = []
        self.intents: list[tuple[str, Action]] = []
        self.history: list[RolloutState] = [self.state]

    def send(self, event: Event) -> Decision:
        """Decide an event and take the effects in."""
        decision = decide(self.state, event, self.now)
        self.journal.append(Entry(at=self.now, event=event))
        self.state = RolloutState.model_validate_json(decision.state.model_dump_json())
        assert decision.state == self.state
        self.history.append(self.state)
        self.wake = None
        for effect in decision.effects:
            self._take(effect)
        return decision

    def _take(self, effect: object) -> None:
        if isinstance(effect, StartAttempt):
            assert effect.host_id not in self.running, "one mutation per host"
            self.intents.append((effect.host_id, effect.action))
            self.running[effect.host_id] = effect
        elif isinstance(effect, ResumeAttempt):
            self.running[effect.host_id] = effect
        elif isinstance(effect, CheckSoak):
            self.soaks += [host_id for host_id in effect.host_ids if host_id not in self.soaks]
        elif isinstance(effect, WaitUntil):
            self.wake = effect.moment

    def finish(self, host_id: str) -> Decision:
        """The host's attempt ends."""
        effect = self.running.pop(host_id)
        code = self.outcome_of(host_id, effect.action)
        return self.send(HostFinished(host_id=host_id, key=effect.key, code=code, level=self.level_of(host_id)))

    def step(self) -> bool:
        """The next thing that happens; False when nothing does."""
        if self.state.is_final:
            return False
        if self.running:
            self.finish(min(self.running))
        elif self.soaks:
            host_id = self.soaks.pop(0)
            self.send(SoakChecked(host_id=host_id, verdict=self.verdict_of(host_id)))
        elif len(self.history) == 1:
            self.send(Tick())
        elif self.wake is not None:
            self.now = max(self.now, self.wake)
            self.send(Tick())
        else:
            return False
        return True

    def run(self, limit: int = 2000) -> RolloutState:
        """Until nothing happens any more."""
        while self.step():
            limit -= 1
            assert limit, "the rollout does not end"
        return self.state

    def crash(self) -> None:
        """The engine is killed between two steps, and another takes over: it knows the state and the open intents."""
        open_attempts = [
            Attempt(
                id=f"attempt-{host_id}",
                rollout_id="r",
                host_id=host_id,
                host=host_id,
                action=effect.action,
                patch_id="LAB-0001",
                intent_at=NOW,
            )
            for host_id, effect in self.running.items()
        ]
        self.running, self.soaks, self.wake = {}, [], None
        for effect in resume(self.state, open_attempts, self.now):
            assert not isinstance(effect, StartAttempt)
            assert not isinstance(effect, ResumeAttempt) or effect.attempt_id is not None
            self._take(effect)

    def states(self) -> dict[str, str]:
        """Host name to state."""
        return {host.name: host.state.value for host in self.state.hosts.values()}


def wait(seconds: int) -> timedelta:
    """Shorter to read."""
    return timedelta(seconds=seconds)
