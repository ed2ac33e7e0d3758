"""The simulated fleet's dnf, yum and rpm, read by the real check: what it says is what is so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, PatchState, Tool, ToolState
from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.probe.answer import read_answer
from tests.lab.simulated import Box
from tests.probe import machines
from tests.probe.machines import NONCE, STARTED, command, run

pytestmark = pytest.mark.scripts

PACKAGES = {
    "rhel-9": ("kpatch-patch-5_14_0-570_22_1", "1-1.el9_6", "1-2.el9_6"),
    "amzn-2023": (None, "1.0-1.amzn2023", "1.0-2.amzn2023"),
    "amzn-2": (None, "1.0-1.amzn2", "1.0-2.amzn2"),
}


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


def check(box: Box) -> Facts:
    """What a deep check of it sees."""
    done = run(command(extra=probe_parts(deep=True)), box.disk.root)
    answer, at = read_answer(done, nonce=NONCE), STARTED + timedelta(days=1)
    return with_tools(machines.read(done), answer, at=at, deep=True)


def tool_of(facts: Facts) -> Tool:
    """The backend's tool."""
    tool = facts.tool("dnf")
    assert tool is not None
    return tool


def offers(tool: Tool) -> list[str | None]:
    """Versions of live patches that are offered."""
    assert tool.deep is not None
    return [update.version for update in tool.deep.updates or () if not update.needs_reboot]


def install(box: Box, version: str | None = None) -> str:
    """As the guard's action does it."""
    update = next(update for update in (tool_of(check(box)).deep or pytest.fail("no deep check")).updates or ())
    program = "yum" if box.disk.machine.kernel.system.key == "amzn-2" else "dnf"
    return box.run(program, "-y", "install", update.name if version is None else f"{update.name}-{version}")


@pytest.mark.parametrize("key", PACKAGES)
def test_a_host_is_patched_step_by_step(tmp_path: Path, key: str) -> None:
    """What is offered is installed, in force, the level, and the truth; a reboot brings it back."""
    box, (_, first, second) = Box.of_os(tmp_path, key, "dnf"), PACKAGES[key]

    before = tool_of(check(box))
    assert (ToolState.READY, None, [second]) == (before.state, before.level, offers(before))

    install(box, first)
    between = check(box)
    assert (first, [second]) == (tool_of(between).level, offers(tool_of(between)))
    assert 1 == len({cve for patch in between.live_patches for cve in patch.cves})
    assert {("dnf", PatchState.APPLIED)} == {(patch.tool, patch.state) for patch in between.live_patches}

    install(box)
    after = check(box)
    assert (second, [], ()) == (tool_of(after).level, offers(tool_of(after)), tool_of(after).disagrees)
    assert 2 == len({cve for patch in after.live_patches for cve in patch.cves})
    assert second == box.disk.truth().tools["dnf"].level

    box.disk.boot()
    box.settle()
    assert second == tool_of(check(box)).level


def test_the_very_version_is_installed_and_none_is_replaced_by_an_older_one(tmp_path: Path) -> None:
    """In dnf's words, and with its exit codes."""
    box = Box.of_os(tmp_path, "rocky-9", "dnf")
    package = "kpatch-patch-5_14_0-570_26_1"

    assert box.run("dnf", "-y", "install", f"{package}-1-2.el9_6").endswith("Complete!")
    assert "0: Nothing to do." == box.run("dnf", "-y", "upgrade", f"{package}-1-1.el9_6")
    assert box.run("dnf", "-y", "install", f"{package}-1-7.el9_6").startswith("1: No match for argument")


@pytest.mark.parametrize("licence", [Licence.NONE, Licence.EXPIRED])
def test_red_hat_wants_a_subscription(tmp_path: Path, licence: Licence) -> None:
    """Without one nothing is offered, which is no "up to date"; the others want none."""
    red_hat, rocky = Box.of_os(tmp_path / "a", "rhel-9", "dnf"), Box.of_os(tmp_path / "b", "rocky-9", "dnf")
    for box in (red_hat, rocky):
        box.disk.set_faults(Faults(transition=0.2, licence=licence))

    states = [tool_of(check(box)).state for box in (red_hat, rocky)]

    assert [ToolState.UNLICENSED, ToolState.READY] == states


def test_coverage_ends_where_nothing_is_paid_for(tmp_path: Path) -> None:
    """Amazon Linux tells the day."""
    box = Box.of_os(tmp_path, "amzn-2023", "dnf")
    box.disk.set_faults(Faults(licence=Licence.EXPIRED))

    assert ToolState.COVERAGE_EXPIRED is tool_of(check(box)).state


def test_a_tool_that_lies_is_contradicted(tmp_path: Path) -> None:
    """The package is installed, and the kernel took nothing."""
    box = Box.of_os(tmp_path, "rhel-9", "dnf")
    box.disk.set_faults(Faults(lies=True))
    install(box)

    tool = tool_of(check(box))

    assert (None, 1, None) == (tool.level, len(tool.disagrees), box.disk.truth().tools.get("dnf"))


def test_a_transition_that_stalls_is_given_up_by_the_packages_script(tmp_path: Path) -> None:
    """The package stays, its module goes."""
    box = Box.of_os(tmp_path, "rhel-9", "dnf")
    box.disk.set_faults(Faults(stalls=True, transition=0.2))

    said = install(box)

    assert "scriptlet failed, exit status 1" in said
    assert ((), 1) == (check(box).live_patches, len(tool_of(check(box)).disagrees))


@pytest.mark.parametrize(
    ("key", "faults", "code", "words"),
    [
        ("rhel-9", Faults(package_lock=60), 200, "already locked by"),
        ("amzn-2", Faults(package_lock=60), 200, "another copy is running"),
        ("rhel-9", Faults(disk_full=True), 1, "more space needed|needs 2MB more space"),
    ],
)
def test_what_hinders_is_said_in_its_own_words(tmp_path: Path, key: str, faults: Faults, code: int, words: str) -> None:
    """With the exit codes of dnf and yum."""
    box = Box.of_os(tmp_path, key, "dnf")
    box.disk.set_faults(faults)

    said = install(box)

    assert said.startswith(f"{code}:")
    assert any(word in said for word in words.split("|"))


@pytest.mark.parametrize("faults", [Faults(garbles=40), Faults(truncates=40)])
def test_spoiled_answers_are_errors(tmp_path: Path, faults: Faults) -> None:
    """Never "no patches", nor "no updates"."""
    box = Box.of_os(tmp_path, "rhel-9", "dnf")
    install(box, "1-1.el9_6")
    box.disk.set_faults(faults)

    tool = tool_of(check(box))

    assert ToolState.ERROR is tool.state
    assert tool.deep is not None
    assert None is tool.deep.updates


def test_its_agent_installs_what_is_offered(tmp_path: Path) -> None:
    """As dnf-automatic does."""
    box = Box.of_os(tmp_path, "almalinux-9", "dnf")

    box.disk.run_agents()
    box.settle()

    assert "1-2.el9_6" == tool_of(check(box)).level
