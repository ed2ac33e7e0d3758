"""The lab's client of Canonical Livepatch: what the backend reads of it is what is so on its host."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, PatchState, Pin, ToolState, Update
from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.machines import DEPLOY
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.lab.simulated.truth import ToolTruth
from orchestrator.probe import read_answer
from tests.backends.canonical.answers import AT
from tests.lab.simulated import Box
from tests.probe.machines import NONCE, command, read, run

pytestmark = pytest.mark.scripts

MODULE = "lkp_Ubuntu_5_15_0_151_161_generic_102"
CVES = ("CVE-2099-1001", "CVE-2099-1002")
HOSTS = ("web-001", "web-002", "db-003")
"""Their clients: 10.8.5, 10.15.0 with a free subscription, 9.5.5."""


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


@pytest.fixture(params=HOSTS)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    """A host of each client, with two patches offered."""
    return make(tmp_path, request.param)


@pytest.fixture
def one(tmp_path: Path) -> Box:
    """The first, for what does not depend on the client."""
    return make(tmp_path, "web-001")


def make(folder: Path, name: str) -> Box:
    """The host of that name."""
    return Box.of_os(folder, "ubuntu-22.04", "canonical", name=name)


def check(box: Box, *, deep: bool = False) -> Facts:
    """A check of it, by the real script."""
    parts = probe_parts(deep=deep)
    env = box.disk.environment()
    completed = run(command(extra=parts), box.disk.root, env={key: env[key] for key in env if key != "PATH"})
    return with_tools(read(completed), read_answer(completed, nonce=NONCE), at=AT, deep=deep)


def state(box: Box, *, deep: bool = False) -> tuple[ToolState, str | None]:
    """The tool's state and level."""
    found = check(box, deep=deep).tool("canonical")
    assert found is not None
    return found.state, found.level


def faults(box: Box, **changes: object) -> None:
    """Give it these faults."""
    box.disk.set_faults(Faults.model_validate({"transition": 0.2, **changes}))


def test_a_new_host_is_offered_a_patch(box: Box) -> None:
    """It waits to be applied, and nothing is in force."""
    facts = check(box, deep=True)
    found = facts.tool("canonical")
    assert found is not None
    assert found.deep is not None
    assert (ToolState.READY, None) == (found.state, found.level)
    assert (Update(name="livepatch"),) == found.deep.updates
    assert () == facts.live_patches


def test_what_was_applied_is_in_force(box: Box) -> None:
    """Level, module and CVEs are what the backend reads, and what the lab knows to be true; again changes nothing."""
    for _ in range(2):
        assert 0 == box.ask("canonical-livepatch", "refresh")[0]
        facts = check(box)
        assert [("canonical", MODULE, "102.1", PatchState.APPLIED, CVES)] == [
            (live.tool, live.name, live.version, live.state, live.cves) for live in facts.live_patches
        ]
        assert (ToolState.READY, "102.1") == state(box)
        truth = box.disk.truth()
        assert ToolTruth(level="102.1", patches=((MODULE, "102.1"),)) == truth.tools["canonical"]
        assert {MODULE: 1} == truth.enabled_count


def test_a_newer_one_takes_its_place(one: Box) -> None:
    """The module of the older one leaves the kernel's list."""
    one.ask("canonical-livepatch", "refresh")
    one.disk.describe(3)
    one.ask("canonical-livepatch", "refresh")
    assert (ToolState.READY, "103.1") == state(one)
    assert ("lkp_Ubuntu_5_15_0_151_161_generic_103",) == one.settle()


def test_a_patch_comes_back_at_boot(one: Box) -> None:
    """The daemon inserts it when it starts; a host that crashed of it gets it no more."""
    one.ask("canonical-livepatch", "refresh")
    one.disk.boot()
    one.disk.bring_back()
    assert (ToolState.READY, "102.1") == state(one)
    faults(one, reboots_after=100.0)
    one.disk.boot()
    one.disk.bring_back()
    assert (ToolState.READY, None) == state(one)
    assert "1: detected a crash last time" in one.run("canonical-livepatch", "refresh")


def test_a_patch_that_stalls(one: Box) -> None:
    """It is not in force, whatever the client waits for."""
    faults(one, stalls=True)
    one.ask("canonical-livepatch", "refresh")
    assert (ToolState.READY, None) == state(one)
    assert [PatchState.TRANSITIONING] == [live.state for live in check(one).live_patches]


def test_a_kernel_that_refuses(one: Box) -> None:
    """The patch could not be applied, and counts for nothing."""
    faults(one, rejects="Required key not available")
    one.ask("canonical-livepatch", "refresh")
    facts = check(one)
    assert [(PatchState.FAILED, ())] == [(live.state, live.cves) for live in facts.live_patches]
    assert {} == box_truth(one)


def box_truth(box: Box) -> dict[str, ToolTruth]:
    """What is really in force."""
    return dict(box.disk.truth().tools)


def test_a_client_that_lies(one: Box) -> None:
    """The kernel lists no such patch: named, and not in force."""
    faults(one, lies=True)
    one.ask("canonical-livepatch", "refresh")
    facts = check(one)
    found = facts.tool("canonical")
    assert found is not None
    assert (f"says that {MODULE} is applied, and the kernel lists no such patch",) == found.disagrees
    assert [PatchState.FAILED] == [live.state for live in facts.live_patches]


def test_licences(box: Box) -> None:
    """None: not enabled. Expired: a deep check finds out, and a refresh is refused."""
    faults(box, licence=Licence.NONE)
    assert (ToolState.UNLICENSED, None) == state(box)
    faults(box, licence=Licence.EXPIRED)
    assert (ToolState.READY, None) == state(box)
    assert (ToolState.UNLICENSED, None) == state(box, deep=True)
    assert "1: livepatch check failed: machine token is invalid" in box.run("canonical-livepatch", "refresh")


@pytest.mark.parametrize("name", ["web-001", "web-002"])
def test_garbled_and_cut_answers(name: str, tmp_path: Path) -> None:
    """Nothing that was spoilt tells of a patch; what the kernel lists counts by its own word."""
    box = make(tmp_path, name)
    box.ask("canonical-livepatch", "refresh")
    for fault in ({"garbles": 40}, {"truncates": 200}, {"truncates": 0}):
        faults(box, **fault)
        assert (ToolState.ERROR, None) == state(box)
        assert [()] == [live.cves for live in check(box).live_patches]


def test_the_agent_outruns_unless_it_is_held(one: Box) -> None:
    """The daemon applies what is offered; with an interval of 0 it does not."""
    assert "0:" == one.run("canonical-livepatch", "config", "check-interval=0")
    one.disk.run_agents()
    assert (ToolState.READY, None) == state(one)
    found = check(one).tool("canonical")
    assert Pin(setting="check-interval=0", by_us=False) == (found and found.pin)
    one.ask("canonical-livepatch", "config", "check-interval=")
    one.disk.run_agents()
    assert (ToolState.READY, "102.1") == state(one)


def test_a_cutoff_date_keeps_newer_ones_away(one: Box) -> None:
    """What was offered when it was set may still be had; a free subscription and an old client have no such date."""
    assert "0:" == one.run("canonical-livepatch", "config", f"cutoff-date={time.strftime('%Y-%m-%dT%H:%M:%SZ')}")
    one.disk.describe(5)
    one.ask("canonical-livepatch", "refresh")
    assert (ToolState.READY, "102.1") == state(one)


def test_clients_that_take_no_cutoff_date(tmp_path: Path) -> None:
    """A free subscription has none, and a client of 2021 knows no such setting."""
    said = [make(tmp_path / name, name).run("canonical-livepatch", "config", "cutoff-date=x") for name in HOSTS]
    assert ["0:", "1: error: cutoff-date is only available with a paid subscription"] == said[:2]
    assert '1: error: unknown configuration key "cutoff-date"' == said[2]


def test_only_root_changes_anything(one: Box) -> None:
    """An account reads, and no more."""
    assert 0 == one.ask("canonical-livepatch", "status", account=DEPLOY)[0]
    assert 1 == one.ask("canonical-livepatch", "refresh", account=DEPLOY)[0]
    assert 1 == one.ask("canonical-livepatch", "config", "check-interval=0", account=DEPLOY)[0]


def test_the_lines_for_a_person(box: Box) -> None:
    """What an operator sees."""
    box.ask("canonical-livepatch", "refresh")
    said = box.run("canonical-livepatch", "status")
    assert "patch state: ✓ all applicable livepatch modules inserted\npatch version: 102.1" in said
