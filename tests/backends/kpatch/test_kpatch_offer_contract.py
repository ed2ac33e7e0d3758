"""A module that is on a simulated host already: checked, loaded, verified, unloaded, and compared with what is so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.guard import GuardAnswer, GuardExit
from orchestrator.backends.kpatch import Kpatch
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts
from orchestrator.core.offering import NoOffer, offered
from orchestrator.core.offers import Offer
from orchestrator.core.plans import LeftOutReason
from orchestrator.core.verdict import Verdict, judge_apply, judge_revert
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.processes import kill_below
from tests.backends.kpatch.test_kpatch_stand_ins import VERSIONS, make
from tests.backends.simulated_host import SimulatedSession
from tests.lab.in_force import NOTHING, InForce, said_of

pytestmark = pytest.mark.scripts

MODULE = "lab_offered_1"
IN_FORCE = InForce(level=MODULE, patches=frozenset({MODULE}))


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


def log_in(folder: Path, number: int = 0, offers: int = 1) -> SimulatedSession:
    """A host with kpatch, on which somebody installed a module."""
    box = make(folder, number)
    box.disk.describe(offers)
    return SimulatedSession(box=box)


def offer_of(facts: Facts) -> Offer:
    """What kpatch offers there."""
    offer = offered(facts, ["kpatch"])
    assert isinstance(offer, Offer), offer
    return offer


def carry_out(session: SimulatedSession, action: Action, before: Facts, offer: Offer) -> GuardAnswer:
    """What the guard says in the end, after what may be asked before is asked."""
    assert Kpatch().refusal(before, None, offer, ours={}, action=action) is None
    return session.carry_out(Kpatch(), action, before, offer, patch=None, module=b"")


@pytest.mark.parametrize("number", VERSIONS)
def test_applied_verified_applied_again_and_taken_out(tmp_path: Path, number: int) -> None:
    """By every version of kpatch: what an ordinary check sees is what is so."""
    session = log_in(tmp_path, number)
    before = session.check(deep=True)
    offer = offer_of(before)
    assert (MODULE, MODULE, NOTHING) == (offer.package, offer.level, said_of(before, "kpatch"))

    assert GuardExit.DONE == carry_out(session, Action.APPLY, before, offer).code
    after = session.check(before)
    assert (Verdict.IN_FORCE, IN_FORCE) == (judge_apply(before, after, offer), said_of(after, "kpatch"))
    truth = session.box.disk.truth()
    assert (IN_FORCE, ((MODULE, "1"),)) == (session.truth_of("kpatch"), truth.tools["kpatch"].patches)

    assert GuardExit.DONE == carry_out(session, Action.APPLY, after, offer).code
    again = session.check(after, deep=True)
    nothing = offered(again, ["kpatch"])
    assert isinstance(nothing, NoOffer)
    assert (truth, LeftOutReason.ALREADY_PATCHED) == (session.box.disk.truth(), nothing.reason)

    assert GuardExit.DONE == carry_out(session, Action.REVERT, again, offer).code
    end = session.check(again, deep=True)
    assert (Verdict.NOT_IN_FORCE, NOTHING) == (judge_revert(again, end, offer), said_of(end, "kpatch"))
    assert (NOTHING, offer) == (session.truth_of("kpatch"), offer_of(end))


@pytest.mark.parametrize(
    ("faults", "code"),
    [
        (Faults(stalls=True, transition=0.2), GuardExit.STALLED_REVERTED),
        (Faults(lies=True), GuardExit.NOT_LIVE),
        (Faults(rejects="Required key not available"), GuardExit.SIGNATURE_REQUIRED),
    ],
)
def test_what_fails_leaves_nothing_in_force(tmp_path: Path, faults: Faults, code: GuardExit) -> None:
    """And no check says otherwise."""
    session = log_in(tmp_path)
    before = session.check(deep=True)
    offer = offer_of(before)
    session.box.disk.set_faults(faults)

    answer = carry_out(session, Action.APPLY, before, offer)

    after = session.check(before)
    assert (code, Verdict.NOT_IN_FORCE, NOTHING) == (
        answer.code,
        judge_apply(before, after, offer),
        said_of(after, "kpatch"),
    ), answer.text
    assert NOTHING == session.truth_of("kpatch")


@pytest.mark.parametrize("kind", ["garbles", "truncates"])
def test_what_is_spoiled_offers_no_more_and_patches_no_more(tmp_path: Path, kind: str) -> None:
    """Wherever what kpatch says turns into junk or ends, before and after the module is loaded."""
    session = log_in(tmp_path)
    before = session.check(deep=True)
    offer = offer_of(before)
    for faults in [Faults.model_validate({kind: at}) for at in (0, 9, 30, 55, 80)]:
        session.box.disk.set_faults(faults)
        facts = session.check(deep=True)
        assert NOTHING == said_of(facts, "kpatch")
        found = offered(facts, ["kpatch"])
        assert isinstance(found, NoOffer) or found == offer
    session.box.disk.set_faults(Faults(transition=0.2))
    carry_out(session, Action.APPLY, before, offer)
    for faults in [Faults.model_validate({kind: at}) for at in (0, 9, 30, 55, 80)]:
        session.box.disk.set_faults(faults)
        assert said_of(session.check(), "kpatch").is_no_more_than(IN_FORCE)


def test_nobody_installed_anything_by_default(tmp_path: Path) -> None:
    """What kpatch loads has no vendor; of several that were installed the newest alone is there."""
    session = log_in(tmp_path, offers=0)
    assert isinstance(offered(session.check(deep=True), ["kpatch"]), NoOffer)

    session.box.disk.describe(3)

    assert "lab_offered_3" == offer_of(session.check(deep=True)).package


def test_a_module_of_the_catalogue_in_force_keeps_it_out(tmp_path: Path) -> None:
    """It might be replaced, and what it fixes would be lost."""
    session = log_in(tmp_path)
    session.box.insert("LAB-0001")
    session.box.settle()
    facts = session.check(deep=True)

    refused = Kpatch().refusal(facts, None, offer_of(facts), ours={}, action=Action.APPLY)

    assert refused is not None
    assert "foreign_patch" == refused.code
