"""The simulated fleet's klp and zypper, read by the real check: what they say is what is so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, PatchState, Tool, ToolState
from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.probe.answer import read_answer
from tests.lab.simulated import Box, eventually
from tests.probe import machines
from tests.probe.machines import NONCE, STARTED, command, run

pytestmark = pytest.mark.scripts

PACKAGES = {
    "sles-15.3": ("kernel-livepatch-5_3_18-150300_59_198-default", "2-150300.2.1", "3-150300.2.1"),
    "sles-15.6": ("kernel-livepatch-6_4_0-150600_23_53-default", "2-150600.2.1", "3-150600.2.1"),
}


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


def check(box: Box) -> Facts:
    """What a deep check of it sees."""
    done = run(command(extra=probe_parts(deep=True)), box.disk.root)
    return with_tools(machines.read(done), read_answer(done, nonce=NONCE), at=STARTED + timedelta(days=1), deep=True)


def tool_of(facts: Facts) -> Tool:
    """The backend's tool."""
    tool = facts.tool("suse")
    assert tool is not None
    return tool


def offers(tool: Tool) -> list[str | None]:
    """Versions of live patches that are offered."""
    assert tool.deep is not None
    return [update.version for update in tool.deep.updates or () if not update.needs_reboot]


@pytest.mark.parametrize("key", PACKAGES)
def test_a_host_is_patched_step_by_step_and_goes_back(tmp_path: Path, key: str) -> None:
    """What is offered is installed, in force, the level, and the truth; a reboot brings it back; klp goes down to the
    initial live patch, which is loaded and fixes nothing."""
    box, (package, first, second) = Box.of_os(tmp_path, key, "suse"), PACKAGES[key]
    before = tool_of(check(box))
    assert (ToolState.READY, None, [first, second]) == (before.state, before.level, offers(before))

    box.run("zypper", "--non-interactive", "install", f"{package}={first}")
    between = tool_of(check(box))
    assert (first, [second]) == (between.level, offers(between))

    box.run("zypper", "--non-interactive", "install", package)
    facts = check(box)
    assert (second, [], ()) == (tool_of(facts).level, offers(tool_of(facts)), tool_of(facts).disagrees)
    assert {"CVE-2099-1001", "CVE-2099-1002"} == {cve for patch in facts.live_patches for cve in patch.cves}
    assert second == box.disk.truth().tools["suse"].level

    box.disk.boot()
    eventually(lambda: tool_of(check(box)).level == second)
    for _ in range(2):
        assert box.run("klp", "-n", "downgrade").startswith("0")
    facts = check(box)
    assert (None, ToolState.READY) == (tool_of(facts).level, tool_of(facts).state)
    assert "only the initial live patch" in (tool_of(facts).detail or "")
    assert [("suse", PatchState.DISABLED, ())] == [(one.tool, one.state, one.cves) for one in facts.live_patches]
    assert "suse" not in box.disk.truth().tools


@pytest.mark.parametrize("licence", [Licence.NONE, Licence.EXPIRED])
def test_without_a_subscription_nothing_is_offered(tmp_path: Path, licence: Licence) -> None:
    """Which is no "up to date"."""
    box = Box.of_os(tmp_path, "sles-15.6", "suse")
    box.disk.set_faults(Faults(licence=licence))

    deep = tool_of(check(box)).deep

    assert deep is not None
    assert (ToolState.UNLICENSED, None) == (deep.state, deep.updates)


def test_the_very_version_is_installed_and_none_is_replaced_by_an_older_one(tmp_path: Path) -> None:
    """In zypper's words, and with its exit codes."""
    box, (package, first, second) = Box.of_os(tmp_path, "sles-15.6", "suse"), PACKAGES["sles-15.6"]

    assert box.run("zypper", "in", f"{package}={second}").endswith("[done]")
    assert box.run("zypper", "in", f"{package}={first}").endswith("Nothing to do.")
    assert box.run("zypper", "in", f"{package}=77-150600.2.1").startswith("104: ")
    box.disk.set_faults(Faults(package_lock=60))
    assert box.run("zypper", "in", package).startswith("7: System management is locked")


def test_a_transition_under_way_is_no_level(tmp_path: Path) -> None:
    """klp calls it active; the kernel is still at it."""
    box = Box.of_os(tmp_path, "sles-15.6", "suse")
    box.disk.set_faults(Faults(stalls=True))
    box.run("zypper", "in", PACKAGES["sles-15.6"][0])

    tool = tool_of(check(box))

    assert (None, 1) == (tool.level, len(tool.disagrees))
    assert box.run("klp", "status") == "0: in_progress"


def test_what_the_kernel_refuses_is_installed_and_not_in_force(tmp_path: Path) -> None:
    """zypper's 107 tells of the script that failed."""
    box = Box.of_os(tmp_path, "sles-15.3", "suse")
    box.disk.set_faults(Faults(rejects="Key was rejected by service"))

    assert box.run("zypper", "in", PACKAGES["sles-15.3"][0]).startswith("107: ")
    assert "is installed and not in force" in (tool_of(check(box)).detail or "")


def test_a_nightly_update_outruns_everybody(tmp_path: Path) -> None:
    """There is no pin for it."""
    box = Box.of_os(tmp_path, "sles-15.6", "suse")
    box.run("_agent_suse")

    assert PACKAGES["sles-15.6"][2] == tool_of(check(box)).level
