"""One attempt, driven over a host that runs the real guard scripts: its outcomes, and every instant of a kill."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from orchestrator.backends.klp import Klp
from orchestrator.backends.registry import backend
from orchestrator.core.attempts import Action, Outcome, OutcomeCode
from orchestrator.core.facts import Observation, PatchState
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Patch
from orchestrator.core.playbooks import Limits
from orchestrator.errors import (
    ConnectionDropped,
    ConnectionRefused,
    IdentityConflict,
    ModuleInvalid,
    NotAllowed,
    StaleState,
    SudoPasswordWrong,
)
from orchestrator.ports.ssh import Command, Completed
from orchestrator.services.carry_out_attempt import AttemptRunner, Errand
from tests.backends.local_host import BUILD, NOW, PATCH, LocalHost, eventually, make_attempt, make_work, module_bytes
from tests.needs import require

pytestmark = pytest.mark.scripts

T = TypeVar("T")
LIMITS = Limits.model_validate({"transition": "2s", "host": "100s"})
ERRAND = Errand(backend="klp", patch=PATCH, payload=BUILD)
SHORT = Limits.model_validate({"transition": "2s", "host": "20s"})
BEFORE_THE_GUARD = Limits.model_validate({"transition": "20s", "host": "20s"})
"""By the controller's clock, which runs faster than the guard's."""
FASTER = 10.0
"""The controller's clock runs that much faster than the host's."""


class Killed(BaseException):
    """SIGKILL of the controller: nothing in the product catches it."""


@dataclass
class Steps:
    """Counts what the controller does to the world, and kills it before or after the step with that number."""

    kill_before: int | None = None
    kill_after: int | None = None
    done: int = 0

    def take(self, step: Callable[[], T]) -> T:
        """One step."""
        self.done += 1
        if self.done == self.kill_before:
            raise Killed
        result = step()
        if self.done == self.kill_after:
            raise Killed
        return result


class FastClock:
    """Ten seconds of the controller pass in one."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> datetime:
        """Ten times as far from the start as it is."""
        return NOW + timedelta(seconds=(time.monotonic() - self._start) * FASTER)

    def sleep(self, seconds: float) -> None:
        """A tenth of it."""
        time.sleep(seconds / FASTER)


@dataclass
class World:
    """The host, and the faults of the way to it. ``runner`` makes a fresh controller."""

    local: LocalHost
    fails: list[Exception | None] = field(default_factory=list)
    """What the next runs of the transport end with; None: they work."""
    loses_answers: bool = False
    """A run that fails has its effect on the host first."""
    nonces: "count[int]" = field(default_factory=count)
    reads_fail: bool = False
    is_read_only: bool = False
    told: list[str] = field(default_factory=list)
    """Checks and whether they set the attempt apart, and when the verification began."""

    def runner(self, steps: Steps | None = None) -> AttemptRunner:
        """A controller that was just started."""
        taken = steps or Steps()
        clock = FastClock()
        return AttemptRunner(
            transport=_Line(self, taken),
            clock=clock,
            modules=_Modules(self, taken),
            backend=backend,
            check=lambda member, apart_from=None: taken.take(lambda: self._checked(member, apart_from)),
            ours=lambda: {BUILD.module_build_id: PATCH},
            new_nonce=lambda: f"n{next(self.nonces)}",
            controller="controller-1",
            is_read_only=self.is_read_only,
        )

    def _checked(self, member: Member, apart_from: str | None) -> Observation:
        self.told.append(f"check apart from {apart_from}")
        return self.check(member)

    def check(self, member: Member) -> Observation:
        """A check, over the same line."""
        return self.local.check(member.host)

    def carry_out(
        self,
        *,
        action: Action = Action.APPLY,
        resume: bool = False,
        steps: Steps | None = None,
        patch: Patch = PATCH,
        limits: Limits = LIMITS,
    ) -> Outcome:
        """The whole attempt."""
        return self.runner(steps).carry_out(
            make_attempt(action),
            MEMBER,
            Errand(backend="klp", patch=patch, payload=BUILD),
            limits,
            resume=resume,
            on_verifying=lambda: self.told.append("verifying"),
        )

    def state(self) -> PatchState | None:
        """Where the patch stands."""
        found = self.local.facts().patch_with_build(BUILD.module_build_id)
        return found.state if found else None


class _Line:
    """The transport."""

    def __init__(self, world: World, steps: Steps) -> None:
        self._world, self._steps = world, steps

    def run(self, host: Host, command: Command) -> Completed:
        """Over to the host, or into the next fault."""
        return self._steps.take(lambda: self._run(host, command))

    def _run(self, host: Host, command: Command) -> Completed:
        fault = self._world.fails.pop(0) if self._world.fails else None
        if fault is None:
            return self._world.local.run(host, command)
        if self._world.loses_answers:
            self._world.local.run(host, command)
        raise fault

    def forget(self, host: Host) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""


class _Modules:
    """The catalogue's files."""

    def __init__(self, world: World, steps: Steps) -> None:
        self._world, self._steps = world, steps

    def read(self, patch_id: str, module: str, sha256: str) -> bytes:
        """The module."""
        return self._steps.take(self._read)

    def _read(self) -> bytes:
        if self._world.reads_fail:
            raise ModuleInvalid("its file is not what the catalogue recorded")
        return module_bytes("lab_0001", BUILD.module_build_id)


MEMBER = Member(
    host=Host(name="web1", address="web1"),
    record=HostRecord(id="H1", name="web1", address="web1", incarnated_at=NOW, first_listed_at=NOW, last_listed_at=NOW),
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A host with dash."""
    require("dash")
    return World(LocalHost(tmp_path / "root", "dash"))


def test_apply_ends_done(world: World) -> None:
    """Sent, waited for, verified by a check."""
    world.local.fault("transition", "1")

    outcome = world.carry_out()

    assert (OutcomeCode.DONE, None, PatchState.APPLIED) == (outcome.code, outcome.error_code, world.state())


def test_a_patch_in_force_is_already(world: World) -> None:
    """Nothing is sent."""
    world.local.load("lab_0001", BUILD.module_build_id)
    steps = Steps()

    assert (OutcomeCode.ALREADY, 1) == (world.carry_out(steps=steps).code, steps.done)


def test_a_refusal_names_its_error(world: World) -> None:
    """Found in the facts: nothing is sent."""
    world.local.load("kpatch_1", "ee" * 20)
    steps = Steps()

    outcome = world.carry_out(patch=PATCH.model_copy(update={"replaces": "all"}), steps=steps)

    assert (OutcomeCode.REFUSED, "foreign_patch", 1) == (outcome.code, outcome.error_code, steps.done)


def test_a_module_that_changed_on_our_disk_is_refused(world: World) -> None:
    """The catalogue's own files are not trusted either."""
    world.reads_fail = True

    outcome = world.carry_out()

    assert (OutcomeCode.REFUSED, "module_invalid") == (outcome.code, outcome.error_code)


def test_a_refusal_of_the_kernel_names_its_error(world: World) -> None:
    """insmod's words, as an error of ours."""
    world.local.fault("insmod", "Key was rejected by service")

    outcome = world.carry_out()

    assert (OutcomeCode.REFUSED, "signature_required") == (outcome.code, outcome.error_code)
    assert "Key was rejected" in outcome.output


def test_another_controllers_lock_is_a_refusal_that_names_it(world: World) -> None:
    """Which controller, which attempt."""
    world.local.fault("transition", "never")
    other = make_work(attempt="B1", controller="controller-2", limit_seconds=30)
    world.local.run(MEMBER.host, Klp().start(MEMBER.host, other, "z1"))

    outcome = world.carry_out()
    world.local.kill_worker("B1")

    assert (OutcomeCode.REFUSED, "host_locked", "held by controller-2 B1") == (
        outcome.code,
        outcome.error_code,
        outcome.detail,
    )


def test_a_stall_is_reverted_and_names_who_blocks(world: World) -> None:
    """Verified: out of force."""
    world.local.fault("transition", "never")
    world.local.write("proc/7/task/7/patch_state", "0\n")
    world.local.write("proc/7/task/7/comm", "kswapd0\n")

    outcome = world.carry_out()

    assert (OutcomeCode.STALLED_REVERTED, "stalled_reverted", None) == (
        outcome.code,
        outcome.error_code,
        world.state(),
    )
    assert "blocked by kswapd0 (7)" in outcome.detail


def test_a_stall_that_cannot_be_reverted_is_unknown(world: World) -> None:
    """Neither in force nor out of it."""
    world.local.fault("transition", "never")
    world.local.fault("revert", "never")

    outcome = world.carry_out()

    assert (OutcomeCode.UNKNOWN, "stalled_not_reverted") == (outcome.code, outcome.error_code)


def test_a_failed_insert_is_failed(world: World) -> None:
    """Tried, and verified to be as before."""
    world.local.fault("insmod", "Unknown symbol in module")

    outcome = world.carry_out()

    assert (OutcomeCode.FAILED, "insert_failed") == (outcome.code, outcome.error_code)


def test_a_reboot_since_the_intent_is_lost(world: World) -> None:
    """The plan was made for another boot: nothing is sent."""
    world.local.reboot()

    assert (OutcomeCode.LOST, "") == (world.carry_out().code, world.local.read("calls/insmod"))


def test_no_session_at_all_is_unreachable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check before already fails."""

    def unreachable(_member: Member) -> Observation:
        raise ConnectionRefused("nothing listens")

    monkeypatch.setattr(world, "check", unreachable)

    outcome = world.carry_out()

    assert (OutcomeCode.UNREACHABLE, "connection_refused") == (outcome.code, outcome.error_code)


def test_no_session_for_the_start_is_unreachable(world: World) -> None:
    """Nothing was sent."""
    world.fails = [ConnectionRefused("nothing listens")]

    assert OutcomeCode.UNREACHABLE is world.carry_out().code


def test_a_wrong_sudo_password_is_a_refusal(world: World) -> None:
    """Root was not had, so nothing can have changed."""
    world.fails = [SudoPasswordWrong("no")]

    outcome = world.carry_out()

    assert (OutcomeCode.REFUSED, "sudo_password_wrong") == (outcome.code, outcome.error_code)


@pytest.mark.parametrize("loses_answers", [False, True])
def test_a_start_that_broke_is_asked_about_before_it_is_sent_again(world: World, loses_answers: bool) -> None:
    """Whether or not it arrived: one insert in all."""
    world.fails = [ConnectionDropped("in mid-command")]
    world.loses_answers = loses_answers

    assert (OutcomeCode.DONE, 1) == (world.carry_out().code, world.local.enabling_lines())


def test_a_start_that_never_arrives_is_failed(world: World) -> None:
    """Sent three times; the host says each time that nothing started; verified."""
    world.fails = [ConnectionDropped("a"), None, ConnectionDropped("b"), None, ConnectionDropped("c")]

    outcome = world.carry_out()

    assert (OutcomeCode.FAILED, "guard_absent", 0) == (outcome.code, outcome.error_code, world.local.enabling_lines())


def test_status_is_asked_again_while_the_line_is_down(world: World) -> None:
    """Trouble after the start does not decide anything."""
    world.local.fault("transition", "1")
    world.fails = [None, *[ConnectionRefused("down")] * 5]

    assert OutcomeCode.DONE is world.carry_out().code


def test_a_host_that_stays_silent_after_the_start_is_unknown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the limit, then unknown: never done, never failed."""
    world.local.fault("transition", "1")
    world.fails = [None, *[ConnectionRefused("down")] * 1000]
    answers = iter([world.check])

    def once(member: Member) -> Observation:
        check = next(answers, None)
        if check is None:
            raise ConnectionRefused("down")
        return check(member)

    monkeypatch.setattr(world, "check", once)

    outcome = world.carry_out(limits=SHORT)

    assert (OutcomeCode.UNKNOWN, "not_verified") == (outcome.code, outcome.error_code)


@pytest.mark.parametrize(("resume", "code"), [(False, OutcomeCode.UNREACHABLE), (True, OutcomeCode.UNKNOWN)])
@pytest.mark.parametrize("action", [Action.APPLY, Action.REVERT])
def test_nothing_is_sent_to_another_machine(
    world: World, monkeypatch: pytest.MonkeyPatch, action: Action, resume: bool, code: OutcomeCode
) -> None:
    """The host itself is not reached. What an earlier controller did there is unknown: a stranger knows of nothing."""
    world.local.load("lab_0001", BUILD.module_build_id)
    monkeypatch.setattr(world, "check", _stranger)

    outcome = world.carry_out(action=action, resume=resume)

    assert (code, "identity_conflict", PatchState.APPLIED) == (outcome.code, outcome.error_code, world.state())
    assert "answers as another machine" in outcome.detail


def test_no_attempt_is_judged_by_what_another_machine_shows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answered in the host's place once the patch was sent, until the limit: unknown, and it says why."""
    monkeypatch.setattr(world, "check", _in_turn(world.check, _stranger))

    outcome = world.carry_out(limits=SHORT)

    assert (OutcomeCode.UNKNOWN, "identity_conflict") == (outcome.code, outcome.error_code)


def test_a_host_that_is_itself_again_is_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine had its address for a moment."""
    monkeypatch.setattr(world, "check", _in_turn(world.check, _stranger, world.check))

    assert OutcomeCode.DONE is world.carry_out().code


def _in_turn(*checks: Callable[[Member], Observation]) -> Callable[[Member], Observation]:
    """One after the other; the last for ever."""
    left = list(checks)

    def check(member: Member) -> Observation:
        return (left.pop(0) if len(left) > 1 else left[0])(member)

    return check


def _stranger(_member: Member) -> Observation:
    raise IdentityConflict("web1 answers as another machine (other_machine)")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", [Action.APPLY, Action.REVERT, Action.PERSIST])
def test_a_controller_killed_between_any_two_steps_ends_true_when_started_again(
    tmp_path: Path, action: Action, when: str
) -> None:
    """Whatever it had done: the outcome is true, and the patch was inserted at most once."""
    require("dash")
    for step in count(1):
        world = World(LocalHost(tmp_path / f"{step}", "dash"))
        world.local.fault("transition", "0.3")
        world.local.fault("revert", "0.3")
        if action is not Action.APPLY:
            world.local.load("lab_0001", BUILD.module_build_id)
        steps = Steps(kill_before=step) if when == "before" else Steps(kill_after=step)
        try:
            world.carry_out(action=action, steps=steps)
        except Killed:
            outcome = world.carry_out(action=action, resume=True)
        else:
            assert step > 4
            return
        expected = None if action is Action.REVERT else PatchState.APPLIED
        assert (OutcomeCode.DONE, expected) == (outcome.code, world.state())
        assert (1 if action is Action.APPLY else 0) == world.local.enabling_lines()
        assert action is not Action.PERSIST or [BUILD.kernel] == world.local.read("calls/depmod").split()


@pytest.mark.parametrize("sent", [0, 1, 4096, BUILD.size - 1, BUILD.size])
def test_a_controller_killed_during_the_upload_ends_true(world: World, sent: int) -> None:
    """However much of the module had arrived: one insert in all, by the same attempt."""
    world.local.run_cut(Klp().start(MEMBER.host, make_work(), "k1"), sent)

    outcome = world.carry_out(resume=True)

    assert (OutcomeCode.DONE, 1) == (outcome.code, world.local.enabling_lines())


def test_a_worker_killed_before_the_insert_is_failed(world: World) -> None:
    """The guard says died; the check says that nothing is in force."""
    world.local.load("other", "ee" * 20, transition="1")
    _start_and_kill(world)
    world.local.write("sys/kernel/livepatch/other/transition", "0\n")

    outcome = world.carry_out(resume=True)

    assert (OutcomeCode.FAILED, "guard_died", 0) == (outcome.code, outcome.error_code, world.local.enabling_lines())


def test_a_worker_killed_in_mid_transition_is_what_the_check_sees(world: World) -> None:
    """The kernel went on by itself: the patch is in force, and that is the truth."""
    world.local.fault("transition", "never")
    _start_and_kill(world, when=lambda: world.state() is PatchState.TRANSITIONING)
    world.local.write("sys/kernel/livepatch/lab_0001/transition", "0\n")

    outcome = world.carry_out(resume=True)

    assert (OutcomeCode.DONE, 1) == (outcome.code, world.local.enabling_lines())


def test_a_transition_that_nobody_ends_is_unknown(world: World) -> None:
    """The worker is gone and the patch hangs between: the limit passes, and nobody claims to know."""
    world.local.fault("transition", "never")
    _start_and_kill(world, when=lambda: world.state() is PatchState.TRANSITIONING)

    outcome = world.carry_out(resume=True, limits=SHORT)

    assert (OutcomeCode.UNKNOWN, "guard_died") == (outcome.code, outcome.error_code)


def test_a_reboot_while_the_controller_was_away_is_lost(world: World) -> None:
    """Another boot id: never started again on the strength of "absent"."""
    world.local.fault("transition", "never")
    _start_and_kill(world, when=lambda: world.state() is PatchState.TRANSITIONING)
    world.local.reboot()

    outcome = world.carry_out(resume=True)

    assert (OutcomeCode.LOST, 1) == (outcome.code, world.local.enabling_lines())


def test_another_build_under_the_name_is_drifted(world: World) -> None:
    """The host ended with another patch than the one that was asked for."""
    world.local.fault("transition", "never")
    _start_and_kill(world, when=lambda: world.state() is PatchState.TRANSITIONING)
    world.local.load("lab_0001", "ff" * 20)

    assert OutcomeCode.DRIFTED is world.carry_out(resume=True).code


def test_a_revert_takes_the_patch_out_of_whatever_boot_it_finds(world: World) -> None:
    """A persisted patch came back with a later boot than the plan was made for: it is reverted there."""
    world.local.reboot()
    world.local.load("lab_0001", BUILD.module_build_id)
    intent = make_attempt(Action.REVERT).model_copy(update={"boot_id": None})

    outcome = world.runner().carry_out(intent, MEMBER, ERRAND, LIMITS, resume=False)

    assert (OutcomeCode.DONE, None) == (outcome.code, world.state())


def test_a_reboot_between_the_check_and_the_revert_takes_out_what_came_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The persisted patch is live again, in a boot that the check has not seen."""
    world.carry_out()
    world.runner().carry_out(make_attempt(Action.PERSIST, "P1"), MEMBER, ERRAND, LIMITS, resume=False)
    checks: Iterator[Callable[[], None]] = iter([lambda: _come_back(world)])
    seen = world.check

    def check(member: Member) -> Observation:
        observation = seen(member)
        next(checks, lambda: None)()
        return observation

    monkeypatch.setattr(world, "check", check)

    outcome = world.runner().carry_out(make_attempt(Action.REVERT, "V1"), MEMBER, ERRAND, LIMITS, resume=False)

    assert (OutcomeCode.LOST, None) == (outcome.code, world.state())
    assert [] == list((world.local.root / "etc").rglob("*.conf"))


def test_a_revert_that_a_reboot_swallowed_is_sent_again(world: World) -> None:
    """Another boot knows nothing of it, and the patch came back there."""
    _come_back(world)

    outcome = world.carry_out(action=Action.REVERT, resume=True)

    assert (OutcomeCode.DONE, None) == (outcome.code, world.state())


def test_a_revert_that_never_ran_is_not_done(world: World) -> None:
    """Out of force by a check: whether something comes back at the next boot, nobody told."""
    world.fails = [ConnectionDropped("a"), None, ConnectionDropped("b"), None, ConnectionDropped("c")]

    outcome = world.carry_out(action=Action.REVERT)

    assert (OutcomeCode.UNKNOWN, "guard_absent") == (outcome.code, outcome.error_code)


def test_a_revert_needs_no_module(world: World) -> None:
    """A lost file of the catalogue does not block the emergency exit."""
    world.local.load("lab_0001", BUILD.module_build_id)
    world.reads_fail = True

    assert (OutcomeCode.DONE, None) == (world.carry_out(action=Action.REVERT).code, world.state())


def test_a_revert_that_waited_in_vain_is_not_refused(world: World) -> None:
    """What was installed for the next boot is gone by then: a check says what is so."""
    world.local.load("lab_0001", BUILD.module_build_id)
    world.local.load("other", "ee" * 20, transition="1")

    outcome = world.carry_out(action=Action.REVERT)

    assert (OutcomeCode.FAILED, "transition_under_way") == (outcome.code, outcome.error_code)


@pytest.mark.parametrize("sent", [0, 1])
def test_nothing_is_sent_once_the_attempt_is_anothers(world: World, sent: int) -> None:
    """Asked before each start, also one that is sent again: the attempt stays open."""
    leave = iter([True] * sent + [False])
    world.fails = [ConnectionDropped("in mid-command")] * sent

    with pytest.raises(StaleState):
        world.runner().carry_out(make_attempt(), MEMBER, ERRAND, LIMITS, resume=False, may_send=lambda: next(leave))

    assert ([], "") == (list(leave), world.local.read("calls/insmod"))


def test_nothing_is_sent_after_the_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check took all of it."""
    seen = world.check

    def slow(member: Member) -> Observation:
        time.sleep(SHORT.host.total_seconds() / FASTER)
        return seen(member)

    monkeypatch.setattr(world, "check", slow)

    outcome = world.carry_out(limits=SHORT)

    assert (OutcomeCode.UNREACHABLE, "not_sent", "") == (
        outcome.code,
        outcome.error_code,
        world.local.read("calls/insmod"),
    )


def test_a_revert_of_nothing_is_already(world: World) -> None:
    """It still goes to the host: something may be installed for the next boot."""
    assert OutcomeCode.ALREADY is world.carry_out(action=Action.REVERT).code


def test_the_verification_is_told_and_overlaps_nothing_once_the_guard_is_through(world: World) -> None:
    """Before the start and after the end nothing of the attempt runs on the host."""
    world.carry_out()

    assert ["check apart from A1", "verifying", "check apart from A1"] == world.told


def test_a_verification_beside_a_running_guard_overlaps_it(world: World) -> None:
    """The limit passed while the worker still lived: what the check sees is seen in its midst."""
    world.local.fault("transition", "never")

    world.carry_out(limits=BEFORE_THE_GUARD)
    world.local.kill_worker()

    assert "check apart from None" == world.told[-1]


def test_read_only_mode_carries_nothing_out(world: World) -> None:
    """Refused before the host is contacted, whoever asks."""
    world.is_read_only = True

    with pytest.raises(NotAllowed):
        world.carry_out()

    assert ([], "") == (world.told, world.local.read("calls/insmod"))


def _come_back(world: World) -> None:
    """A reboot, after which the persisted patch is live again."""
    world.local.reboot()
    world.local.load("lab_0001", BUILD.module_build_id)


def _start_and_kill(world: World, when: Callable[[], bool] = lambda: True) -> None:
    world.local.run(MEMBER.host, Klp().start(MEMBER.host, make_work(), "k1"))
    eventually(when)
    world.local.kill_worker()
