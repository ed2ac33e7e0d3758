"""One attempt with what a host's own tool offers, also by an engine that did not see its begin."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from orchestrator.backends.base import Capabilities, Work
from orchestrator.backends.guard import GuardAnswer, GuardExit, GuardState
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import Facts, Kernel, LivePatch, Observation, PatchState, Tool, ToolState
from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Offer
from orchestrator.core.playbooks import Limits
from orchestrator.ports.ssh import Command, Completed
from orchestrator.services.carry_out_attempt import AttemptRunner, Errand
from tests.backends.local_host import NOW
from tests.fakes.clock import FakeClock
from tests.fakes.ssh import FakeTransport
from tests.services.fleets import member

KERNEL = "5.14.0-70.el9.x86_64"
LIMITS = Limits.model_validate({"transition": "2s", "host": "10s"})


class Vendor(VendorTool):
    """A tool whose guard answers as it is told."""

    name = "vendor"
    actions = "vendor/actions"
    capabilities = Capabilities(applies=True, reverts=True, persists=False, pins=False, needs_module=False)

    def __init__(self, *answers: GuardAnswer) -> None:
        self.answers: Iterator[GuardAnswer] = iter(answers)
        self.sent: list[tuple[Action, str | None]] = []

    def start(self, host: Host, work: Work, nonce: str) -> Command:
        """Remembers what was asked for."""
        assert isinstance(work.payload, Offer)
        self.sent.append((work.attempt.action, work.payload.level))
        return Command(argv=("start",))

    def status(self, host: Host, attempt_id: str, nonce: str) -> Command:
        """Asks."""
        return Command(argv=("status",))

    def answer(self, host: Host, completed: Completed, nonce: str) -> GuardAnswer:
        """The next one."""
        return next(self.answers)


def host_with(level: str | None, *, boot_id: str = "b1") -> Facts:
    """A host whose tool has that level in force."""
    live = LivePatch(tool="vendor", name="vendor", state=PatchState.APPLIED)
    return Facts(
        is_root=True,
        boot_id=boot_id,
        kernel=Kernel(running=KERNEL),
        tools=(Tool(name="vendor", state=ToolState.READY, level=level),),
        live_patches=() if level is None else (live,),
    )


def carry_out(
    vendor: Vendor,
    *seen: Facts,
    action: Action = Action.APPLY,
    level: str | None = None,
    before: str | None = "6",
    resume: bool = False,
) -> Outcome:
    """The attempt; checks see these facts one after the other, the last one for ever."""
    checks = [*seen]

    def check(_member: Member, _apart_from: str | None = None) -> Observation:
        facts = checks.pop(0) if len(checks) > 1 else checks[0]
        return Observation(started_at=NOW, observed_at=NOW, facts=facts)

    clock = FakeClock()
    runner = AttemptRunner(
        transport=FakeTransport(lambda _host, _command: Completed(exit_status=0, stdout=b"", stderr=b"")),
        clock=clock,
        modules=None,  # type: ignore[arg-type]  # an offer has none
        backend=lambda _name: vendor,  # type: ignore[arg-type,return-value]  # parts and readers are not asked for
        check=check,
        ours=dict,
        new_nonce=lambda: "n1",
        controller="controller-1",
        is_read_only=False,
    )
    attempt = Attempt(
        id="A1",
        rollout_id="R1",
        host_id="H1",
        host="web",
        action=action,
        patch_id="vendor",
        level=level,
        boot_id=None if action is Action.REVERT else "b1",
        intent_at=clock.now() - timedelta(minutes=1),
    )
    offer = Offer(tool="vendor", kernel=KERNEL, level=level)
    errand = Errand(backend="vendor", patch=None, payload=offer, level_before=before)
    return runner.carry_out(attempt, member("web"), errand, LIMITS, resume=resume)


def finished(code: GuardExit = GuardExit.DONE) -> GuardAnswer:
    """The guard's word for an attempt that ended."""
    return GuardAnswer(state=GuardState.FINISHED, code=int(code), boot_id="b1", text="said so")


DIED = GuardAnswer(state=GuardState.DIED, boot_id="b1")


def test_an_apply_is_done_when_a_check_sees_another_level() -> None:
    """With the level and the boot in which it was seen."""
    vendor = Vendor(finished())

    outcome = carry_out(vendor, host_with("6"), host_with("7"))

    assert (OutcomeCode.DONE, "7", "b1", [(Action.APPLY, None)]) == (
        outcome.code,
        outcome.level,
        outcome.boot_id,
        vendor.sent,
    )


@pytest.mark.parametrize(
    ("answer", "seen", "level", "code"),
    [
        (finished(), "7", None, OutcomeCode.DONE),
        (DIED, "7", None, OutcomeCode.DONE),
        (finished(GuardExit.TOOL_FAILED), "7", None, OutcomeCode.DONE),
        (finished(GuardExit.TOOL_FAILED), "6", None, OutcomeCode.FAILED),
        (finished(), "8", "7", OutcomeCode.DRIFTED),
        (finished(GuardExit.NOTHING_OFFERED), "6", "7", OutcomeCode.DRIFTED),
        (finished(GuardExit.OTHER_LEVEL), "6", "7", OutcomeCode.DRIFTED),
        (finished(GuardExit.NOTHING_OFFERED), "6", None, OutcomeCode.ALREADY),
    ],
)
def test_an_engine_that_takes_over_compares_with_the_plan(
    answer: GuardAnswer, seen: str, level: str | None, code: OutcomeCode
) -> None:
    """It did not see the host before: what was in force when it was planned stands for that. Nothing is sent again."""
    vendor = Vendor(answer)

    outcome = carry_out(vendor, host_with(seen), level=level, resume=True)

    assert (code, []) == (outcome.code, vendor.sent)


@pytest.mark.parametrize(("now", "before"), [("6", "6"), (None, "6"), (None, None)])
def test_what_was_there_before_us_is_not_taken_out(now: str | None, before: str | None) -> None:
    """The attempt that is taken back may never have changed anything."""
    vendor = Vendor()

    outcome = carry_out(vendor, host_with(now), action=Action.REVERT, before=before)

    assert (OutcomeCode.ALREADY, []) == (outcome.code, vendor.sent)


@pytest.mark.parametrize("level", [None, "7"])
def test_what_we_brought_is_taken_out_by_its_level(level: str | None) -> None:
    """Where its end was never seen: what the tool has now and had not then."""
    vendor = Vendor(finished())

    outcome = carry_out(vendor, host_with("7"), host_with(None), action=Action.REVERT, level=level)

    assert (OutcomeCode.DONE, [(Action.REVERT, "7")]) == (outcome.code, vendor.sent)
