"""What holds for every backend, on simulated hosts that have its tool: its own scripts, run by this machine's shell
below the host's root folder, the real guard, and the simulation's own truth to compare with."""

from pathlib import Path

import pytest

from orchestrator.backends.guard import REFUSALS, GuardExit
from orchestrator.backends.registry import BACKENDS
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, ToolState
from orchestrator.core.offering import NoOffer, offered
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.plans import LeftOutReason
from orchestrator.core.verdict import Verdict, judge_apply, judge_revert
from orchestrator.errors import PatchRefused
from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.machines import Account
from orchestrator.lab.simulated.tool_folders import folder_of
from orchestrator.services.plan_rollout import OFFERING
from tests.backends.contract_cases import ACTING, CASES, NAMES, READY, TELLING, Subject
from tests.backends.simulated_host import SimulatedSession
from tests.lab.in_force import LOADERS, NOTHING, InForce, said_of
from tests.lab.simulated import Box

pytestmark = pytest.mark.scripts

LOCALES = {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "LC_MESSAGES": "de_DE.UTF-8", "LANGUAGE": "de:fr"}
PLACES = (0, 9, 40, 130, 400, 900)
SPOILED = (*(Faults(garbles=at, tool_slow=0) for at in PLACES), *(Faults(truncates=at, tool_slow=0) for at in PLACES))
"""What a tool says turns into junk, or ends, at one place or another."""

WITHOUT_PROGRAM = ("klp", "userspace")
"""What is on every host."""


def test_every_backend_has_a_case() -> None:
    """One that is registered and has none, or whose tool no simulated host has, would not be asked anything here."""
    assert (set(CASES), list(BACKENDS)) == (set(BACKENDS), READY)


@pytest.mark.parametrize("host", NAMES[:3])
@pytest.mark.parametrize("name", ACTING)
def test_applied_verified_applied_again_and_taken_out(tmp_path: Path, name: str, host: str) -> None:
    """What is offered gets in force and is seen by an ordinary check, level and patches as they are in truth; applied
    again it changes nothing and succeeds; what can be taken out is out, and what cannot is refused by name."""
    subject = Subject.make(tmp_path, name, host)
    before = subject.session.check(deep=True)
    assert (NOTHING, NOTHING) == (said_of(before, name), subject.session.truth_of(name))
    payload = subject.payload(before)
    assert subject.backend.refusal(before, subject.patch, payload, ours={}, action=Action.APPLY) is None
    code, text = subject.carry_out(Action.APPLY, before, payload)
    assert (code, "") == (GuardExit.DONE, text if code else "")
    after = subject.session.check(before)
    _is_in_force(subject, before, after, payload)
    _again_changes_nothing(subject, after, payload)
    _goes_out_or_says_that_it_cannot(subject, after, payload)


def _is_in_force(subject: Subject, before: Facts, after: Facts, payload: Payload) -> None:
    truth = subject.session.truth_of(subject.name)
    assert (Verdict.IN_FORCE, truth) == (judge_apply(before, after, payload), said_of(after, subject.name))
    assert truth.patches
    assert (truth.level is None) is not subject.backend.capabilities.tells_updates
    tool = after.tool(subject.name)
    assert tool is not None
    assert (ToolState.READY, ()) == (tool.state, tool.disagrees)
    if isinstance(payload, Offer) and payload.cves:
        patches = [patch for patch in after.live_patches if patch.tool == subject.name]
        assert set(payload.cves) <= {cve for patch in patches for cve in patch.cves}


def _again_changes_nothing(subject: Subject, after: Facts, payload: Payload) -> None:
    truth = subject.box.disk.truth()
    code, text = subject.carry_out(Action.APPLY, after, payload)
    assert (code, truth) == (GuardExit.DONE, subject.box.disk.truth()), text
    again = subject.session.check(after, deep=True)
    assert said_of(after, subject.name) == said_of(again, subject.name)
    if isinstance(payload, Offer):
        nothing = offered(again, OFFERING, only=subject.name)
        assert isinstance(nothing, NoOffer), nothing
        # A newer kernel may be waiting for a reboot.
        assert nothing.reason in (LeftOutReason.ALREADY_PATCHED, LeftOutReason.REBOOT_ONLY), nothing


def _goes_out_or_says_that_it_cannot(subject: Subject, after: Facts, payload: Payload) -> None:
    refused = subject.backend.refusal(after, subject.patch, payload, ours={}, action=Action.REVERT)
    truth = subject.session.truth_of(subject.name)
    code, text = subject.carry_out(Action.REVERT, after, payload)
    end = subject.session.check(after)
    if subject.backend.capabilities.reverts:
        assert (None, GuardExit.DONE) == (refused, code), text
        assert (Verdict.NOT_IN_FORCE, NOTHING) == (judge_revert(after, end, payload), said_of(end, subject.name))
        assert subject.session.truth_of(subject.name).patches == frozenset()
    else:
        assert isinstance(refused, PatchRefused)
        assert (GuardExit.NO_ROLLBACK, truth) == (code, subject.session.truth_of(subject.name)), text
        assert "no_rollback" == REFUSALS[GuardExit.NO_ROLLBACK].code
        assert Verdict.IN_FORCE is judge_revert(after, end, payload)


@pytest.mark.parametrize("name", TELLING)
def test_what_only_tells_applies_nothing(tmp_path: Path, name: str) -> None:
    """It is ready, says what is so, is not offered to any rollout, and every action of it is refused before anything is
    sent."""
    subject = Subject.make(tmp_path, name)
    facts = subject.session.check(deep=True)
    assert subject.session.truth_of(name) == said_of(facts, name)
    tool = facts.tool(name)
    assert tool is not None
    assert (ToolState.READY, name in OFFERING) == (tool.state, False), tool
    assert facts.kernel is not None
    offer = Offer(tool=name, kernel=facts.kernel.running)
    for action in Action:
        refused = subject.backend.refusal(facts, None, offer, ours={}, action=action)
        assert isinstance(refused, PatchRefused)
        assert name in str(refused)


@pytest.mark.parametrize("name", READY)
def test_a_tool_that_is_not_there_is_absent(tmp_path: Path, name: str) -> None:
    """On a host of the same system without it: no state of error, no level, nothing that it might bring. What needs no
    program is ready there."""
    bare = SimulatedSession(box=Box.of_os(tmp_path, CASES[name].os))
    facts = bare.check(deep=True)
    tool = facts.tool(name)
    assert tool is not None
    expected = ToolState.READY if name in WITHOUT_PROGRAM else ToolState.ABSENT
    assert (expected, NOTHING) == (tool.state, said_of(facts, name)), tool


@pytest.mark.parametrize("name", READY)
def test_another_locale_changes_nothing(tmp_path: Path, name: str) -> None:
    """A login with German settings sees what one without sees, and what it applies is in force."""
    subject = Subject.make(tmp_path, name, **LOCALES)
    plain = SimulatedSession(box=subject.box)
    before = subject.session.check(deep=True)
    assert _tools(plain.check(deep=True), name) == _tools(before, name)
    if not subject.backend.capabilities.applies:
        return
    payload = subject.payload(before)
    subject.carry_out(Action.APPLY, before, payload)
    after = subject.session.check(before)
    assert _tools(plain.check(before), name) == _tools(after, name)
    assert NOTHING != said_of(after, name) == subject.session.truth_of(name)


def _tools(facts: Facts, name: str) -> object:
    """All that a check says of it."""
    return facts.tool(name), [patch for patch in facts.live_patches if patch.tool == name], facts.userspace_patches


@pytest.mark.parametrize("name", READY)
def test_without_root_nothing_is_made_up(tmp_path: Path, name: str) -> None:
    """An account without sudo, on a host that is patched and on one that is not: at most what is so is said, the tool
    is not called absent, and applying is refused for want of root."""
    subject = Subject.make(tmp_path, name)
    nobody = SimulatedSession(box=subject.box, account=Account(user="guest"))
    root = subject.session.check(deep=True)
    _claims_at_most(nobody.check(deep=True), subject.session.truth_of(name), name)
    if not subject.backend.capabilities.applies:
        return
    payload = subject.payload(root)
    subject.carry_out(Action.APPLY, root, payload)
    truth = subject.session.truth_of(name)
    assert truth != NOTHING
    facts = nobody.check()
    _claims_at_most(facts, truth, name)
    refused = subject.backend.refusal(facts, subject.patch, payload, ours={}, action=Action.APPLY)
    assert isinstance(refused, PatchRefused)
    assert truth == subject.session.truth_of(name)


def _claims_at_most(facts: Facts, truth: InForce, name: str) -> None:
    tool = facts.tool(name)
    assert tool is not None
    assert tool.state is not ToolState.ABSENT
    assert said_of(facts, name).is_no_more_than(truth), (said_of(facts, name), tool)
    assert "root" in facts.unknown


@pytest.mark.parametrize("name", TELLING)
def test_what_only_tells_is_spoiled_and_tells_no_more(tmp_path: Path, name: str) -> None:
    """Wherever it turns into junk or ends, no library is called patched that is not."""
    subject = Subject.make(tmp_path, name)
    truth = subject.session.truth_of(name)
    for spoiled in SPOILED:
        subject.box.disk.set_faults(spoiled)
        facts = subject.session.check(deep=True)
        assert said_of(facts, name).is_no_more_than(truth), (spoiled, facts.tool(name))


@pytest.mark.parametrize("name", ACTING)
def test_what_is_spoiled_never_patches_more(tmp_path: Path, name: str) -> None:
    """Wherever what the tool says turns into junk or ends: of a host without a patch no check says that it has one, and
    of a patched one none says more than is so. Whatever is offered then is what would be offered, or less."""
    subject = Subject.make(tmp_path, name)
    before = subject.session.check(deep=True)
    payload = subject.payload(before)
    for spoiled in SPOILED:
        subject.box.disk.set_faults(spoiled)
        facts = subject.session.check(deep=True)
        assert NOTHING == said_of(facts, name), (spoiled, facts.tool(name))
        _offers_at_most(facts, payload, name)
    subject.box.disk.set_faults(Faults(transition=0.2))
    subject.carry_out(Action.APPLY, before, payload)
    truth = subject.session.truth_of(name)
    assert truth != NOTHING
    states = set()
    for spoiled in SPOILED:
        subject.box.disk.set_faults(spoiled)
        facts = subject.session.check()
        assert said_of(facts, name).is_no_more_than(truth), (spoiled, facts.tool(name))
        states |= {tool.state for tool in facts.tools if tool.name == name}
    assert (ToolState.ERROR in states) is bool(CASES[name].tools)


def _offers_at_most(facts: Facts, payload: Payload, name: str) -> None:
    offer = offered(facts, OFFERING, only=name)
    if isinstance(offer, Offer) and isinstance(payload, Offer):
        assert set(offer.cves) <= set(payload.cves)


@pytest.mark.parametrize("name", READY)
def test_escape_sequences_are_neither_kept_nor_believed(tmp_path: Path, name: str) -> None:
    """A tool that puts escape sequences into every line, on a host that is patched: nothing of them is kept, nothing
    more is patched."""
    subject = Subject.make(tmp_path, name)
    before = subject.session.check(deep=True)
    if subject.backend.capabilities.applies:
        subject.carry_out(Action.APPLY, before, subject.payload(before))
    _colour(subject)
    facts = subject.session.check(deep=True)
    assert said_of(facts, name).is_no_more_than(subject.session.truth_of(name))
    text = facts.model_copy(update={"packages": None}).model_dump_json()
    assert "\\u001b" not in text


COLOURED = """#!/bin/sh
"${{0%/*}}/plain.{name}" "$@" | sed 's/^/\033[31m/; s/$/\033[0m\007/'
"""


def _colour(subject: Subject) -> None:
    """Every program of the host's tools, but for those of the machine itself."""
    programs = subject.box.disk.root / "stand-ins"
    for tool in CASES[subject.name].tools:
        for name in _programs_of(tool):
            (programs / name).replace(programs / f"plain.{name}")
            subject.box.give(name, COLOURED.format(name=name))


def _programs_of(tool: str) -> list[str]:
    names = [entry.name.removesuffix(".sh") for entry in folder_of(tool).iterdir() if entry.name.endswith(".sh")]
    return [name for name in names if not name.startswith("_")]


@pytest.mark.parametrize("name", ACTING)
def test_lies_are_not_believed(tmp_path: Path, name: str) -> None:
    """The tool says that it patched, and nothing is in force: no check says so, and where the tool itself claims a
    patch, the disagreement is named."""
    subject = Subject.make(tmp_path, name)
    before = subject.session.check(deep=True)
    payload = subject.payload(before)
    subject.box.disk.set_faults(Faults(lies=True, transition=0.2))
    subject.carry_out(Action.APPLY, before, payload)
    after = subject.session.check(before)
    assert subject.session.truth_of(name).patches == frozenset()
    assert (CASES[name].lied, frozenset()) == (judge_apply(before, after, payload), said_of(after, name).patches)
    tool = after.tool(name)
    assert tool is not None
    assert bool(tool.disagrees) is (CASES[name].lied is Verdict.CONTRADICTED)


@pytest.mark.parametrize("licence", [Licence.EXPIRED, Licence.NONE])
@pytest.mark.parametrize("name", sorted({*ACTING} - {*LOADERS}))
def test_without_a_licence_nothing_happens_and_is_no_drift(tmp_path: Path, name: str, licence: Licence) -> None:
    """A licence that ran out after the plan was made: the attempt fails, and neither says that it is done nor that the
    host has another level than the plan's, which would hold a rollout."""
    subject = Subject.make(tmp_path, name)
    before = subject.session.check(deep=True)
    payload = subject.payload(before)
    subject.box.disk.set_faults(Faults(licence=licence))
    code, text = subject.carry_out(Action.APPLY, before, payload)
    assert code not in (None, GuardExit.DONE, GuardExit.OTHER_LEVEL), text
    assert NOTHING == subject.session.truth_of(name)
    after = subject.session.check(before)
    assert judge_apply(before, after, payload) in (Verdict.NOT_IN_FORCE, Verdict.UNREADABLE)
