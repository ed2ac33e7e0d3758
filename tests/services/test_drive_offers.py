"""The engine with what hosts' own tools offer: what the first canary was verified with is what the rest gets."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, PatchState, Tool, ToolState, Volatile
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Offer
from orchestrator.core.planning import Candidate, plan
from orchestrator.core.plans import Plan
from orchestrator.core.playbooks import Limits
from orchestrator.core.rollout_events import Resume, Retry, Rollback
from orchestrator.core.rollout_state import RolloutState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.ports.runtime import Clock
from orchestrator.services.carry_out_attempt import Errand
from orchestrator.services.read_rollouts import ReadRollouts
from tests.core.rollout_world import NOW, playbook
from tests.services.engine_world import World

KERNEL = "5.14.0-70.el9.x86_64"


@dataclass
class ToolHosts:
    """`Runner` and `Observer` of hosts with a tool that applies ``newest`` where it is asked for no level."""

    clock: Clock
    newest: dict[str, str]
    boots: dict[str, str]
    tool: str = "ksplice"
    levels: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    ends: dict[str, OutcomeCode] = field(default_factory=dict)
    """How the first attempt on a host ends, which changes nothing there."""

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
        """One apply or revert."""
        assert isinstance(errand.payload, Offer)
        assert (errand.payload.level, None) == (attempt.level, attempt.build_sha256)
        self.asked.append((member.name, attempt.level))
        code = self.ends.pop(member.name, OutcomeCode.DONE)
        if attempt.action is Action.REVERT:
            self.levels.pop(member.name, None)
        elif code is not OutcomeCode.DONE:
            pass
        elif member.name in self.lost:
            self.lost.discard(member.name)
            self.boots[member.name] += "+"
            return Outcome(attempt_id=attempt.id, code=OutcomeCode.LOST, finished_at=self.clock.now())
        elif attempt.boot_id in (None, self.boots[member.name]):
            self.levels[member.name] = self.newest[member.name]
        return Outcome(
            attempt_id=attempt.id,
            code=code,
            level=self.levels.get(member.name),
            boot_id=self.boots[member.name],
            finished_at=self.clock.now(),
        )

    def observe(self, host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        """What a check sees."""
        level = self.levels.get(host.name)
        live = LivePatch(tool=self.tool, name="patches", state=PatchState.APPLIED, cves=("CVE-2099-0001",))
        facts = Facts(
            boot_id=self.boots[host.name],
            kernel=Kernel(running=KERNEL),
            tools=(Tool(name=self.tool, state=ToolState.READY, level=level),),
            live_patches=() if level is None else (live,),
            volatile=Volatile(),
        )
        return Observation(started_at=self.clock.now(), observed_at=self.clock.now(), facts=facts)


def world_of(newest: dict[str, str], *, tool: str = "ksplice") -> tuple[World, ToolHosts]:
    """Hosts whose tool offers that level without a name for it."""
    offer = Offer(tool=tool, kernel=KERNEL)
    candidates = [
        Candidate(
            host_id=f"id-{name}",
            name=name,
            facts=Facts(boot_id=f"boot-{name}", kernel=Kernel(running=KERNEL)),
            offer=offer,
        )
        for name in newest
    ]
    book = playbook(apply={"tool": tool}, soak="1s", strategy={"waves": ["50%", "100%"]})
    world = World(plan(book, candidates, None, now=NOW))
    return world, ToolHosts(world.clock, newest, {name: f"boot-{name}" for name in newest}, tool)


def drive(world: World, hosts: ToolHosts) -> RolloutState:
    """By a fresh engine, to where it rests."""
    engine = world.engine()
    checks = replace(engine.check_hosts, check=hosts)
    return replace(engine, runner=hosts, check_hosts=checks)(world.rollout)


def test_the_rest_is_asked_for_what_the_canary_was_verified_with() -> None:
    """The canary gets the newest; everybody after it that very level."""
    world, hosts = world_of({"a": "7", "b": "7", "c": "7"})

    state = drive(world, hosts)

    assert (RolloutStatus.SUCCEEDED, [("a", None), ("b", "7"), ("c", "7")]) == (state.status, hosts.asked)
    assert {"7"} == {host.level for host in state.hosts.values()}


def test_a_host_that_ends_with_another_level_drifted_and_the_rollout_holds() -> None:
    """Its vendor published something between the canary and it. Accepted, it is left as it is."""
    world, hosts = world_of({"a": "7", "b": "8", "c": "7"})

    held = drive(world, hosts)
    world.ask(Resume())
    state = drive(world, hosts)

    assert (RolloutStatus.HELD, RolloutStatus.SUCCEEDED) == (held.status, state.status)
    assert {"a": "patched", "b": "drifted", "c": "patched"} == world.hosts()


def test_an_agent_that_outruns_us_in_the_soak_is_drift() -> None:
    """The level that was verified is no longer the one that is in force."""
    world, hosts = world_of({"a": "7", "b": "7"})
    observe = hosts.observe

    def outrun(host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        hosts.levels[host.name] = "9"
        return observe(host, before, deep=deep)

    hosts.observe = outrun  # type: ignore[method-assign]

    assert RolloutStatus.HELD is drive(world, hosts).status
    assert {"a": "drifted", "b": "pending"} == world.hosts()


def test_a_host_that_rebooted_is_tried_again_in_its_new_boot() -> None:
    """What was lost with the boot can be put in force in the next one, and soaks there."""
    world, hosts = world_of({"a": "7", "b": "7"})
    hosts.lost = {"a"}

    failed = drive(world, hosts)
    world.ask(Retry())
    state = drive(world, hosts)

    assert (RolloutStatus.FAILED, RolloutStatus.SUCCEEDED) == (failed.status, state.status)
    assert "boot-a+" == state.hosts["id-a"].boot_id


def test_what_a_rollback_would_expose_again_is_what_the_tool_says_that_it_fixes() -> None:
    """The catalogue knows nothing of it."""
    world, hosts = world_of({"a": "7", "b": "7"})
    drive(world, hosts)
    read = ReadRollouts(store=world.store, clock=world.clock)

    assert (("a", "CVE-2099-0001"), ("b", "CVE-2099-0001")) == read.reopening(world.rollout)
    assert () == read.staying(world.rollout)


def test_what_a_tool_cannot_take_out_stays_and_exposes_nobody() -> None:
    """Canonical Livepatch has no way back without a reboot."""
    world, hosts = world_of({"a": "7"}, tool="canonical")
    drive(world, hosts)
    read = ReadRollouts(store=world.store, clock=world.clock)

    assert ((), (("a", "canonical"),)) == (read.reopening(world.rollout), read.staying(world.rollout))


@pytest.mark.parametrize("code", [OutcomeCode.FAILED, OutcomeCode.UNKNOWN])
def test_a_level_that_was_merely_seen_is_not_what_is_asked_for(code: OutcomeCode) -> None:
    """An attempt that did not end well saw what was there before: another try asks for the newest again, and a revert
    does not name what was there before us."""
    world, hosts = world_of({"a": "7", "b": "7"})
    hosts.levels, hosts.ends = {"a": "6", "b": "6"}, {"a": code}

    drive(world, hosts)
    seen = world.state().hosts["id-a"].level
    world.ask(Retry())
    state = drive(world, hosts)

    assert (None, RolloutStatus.SUCCEEDED) == (seen, state.status)
    assert [("a", None), ("a", None), ("b", "7")] == hosts.asked
    assert {"a": "7", "b": "7"} == hosts.levels


def test_a_rollback_asks_nobody_whose_tool_takes_nothing_out() -> None:
    """They keep the patch, and the reason says so."""
    world, hosts = world_of({"a": "7", "b": "7"})
    plan = Plan.model_validate(world.store.rollouts.load(world.rollout).plan)
    mixed = plan.model_copy(
        update={"hosts": tuple(host.model_copy(update={"reverts": host.name == "a"}) for host in plan.hosts)}
    )
    world.rollout = world.order.create(mixed, "tester")
    drive(world, hosts)
    world.ask(Rollback())

    state = drive(world, hosts)

    assert (RolloutStatus.ROLLED_BACK, {"a": "reverted", "b": "patched"}) == (state.status, world.hosts())
    assert "1 hosts keep the patch" in state.reason
    assert {"b": "7"} == hosts.levels
