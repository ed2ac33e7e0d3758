"""The simulated fleet's kpatch, read by the real check: every version says what is so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, PatchState, ToolState
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.machines import describe
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.lab.simulated.script import HostScript
from orchestrator.probe.answer import read_answer
from tests.lab.simulated import Box
from tests.probe import machines
from tests.probe.machines import NONCE, STARTED, command, run

pytestmark = pytest.mark.scripts

VERSIONS = {0: "0.9.11", 6: "0.6.3", 9: "0.4.0"}
"""By the number of a host."""


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


def make(folder: Path, number: int = 0) -> Box:
    """A host with kpatch: Debian 12, for whose kernel the demo's patches are."""
    plain = describe(number + 1, mixed=True)[number].name
    script = {plain: HostScript(os="debian-12", tools=("kpatch",))}
    return Box.of(folder, describe(number + 1, mixed=True, script=script)[number])


def check(box: Box) -> Facts:
    """What a check of it sees."""
    done = run(command(extra=probe_parts(deep=False)), box.disk.root)
    return with_tools(machines.read(done), read_answer(done, nonce=NONCE), at=STARTED + timedelta(days=1), deep=False)


def seen(box: Box) -> tuple[ToolState, str | None, list[tuple[str, str, PatchState]]]:
    """The tool's state and detail, and what is live."""
    facts = check(box)
    tool = facts.tool("kpatch")
    assert tool is not None
    return tool.state, tool.detail, [(patch.tool, patch.name, patch.state) for patch in facts.live_patches]


@pytest.mark.parametrize("number", VERSIONS)
def test_what_every_version_lists_is_what_is_so(tmp_path: Path, number: int) -> None:
    """Nothing, a patch in force, one in transition, and nothing again."""
    box = make(tmp_path, number)
    assert f"0: {VERSIONS[number]}" == box.run("kpatch", "version")
    assert (ToolState.READY, None, []) == seen(box)

    module = box.module("LAB-0001")
    assert box.run("kpatch", "load", module).startswith("0: loading patch module")
    name = Path(module).stem
    assert (ToolState.READY, None, [("kpatch", name, PatchState.APPLIED)]) == seen(box)
    assert box.run("kpatch", "load", module) == f"0: module named {name} already loaded and enabled"

    box.disk.set_faults(Faults(stalls_reverting=True))
    assert box.run("kpatch", "unload", name).startswith("1: disabling patch module")
    assert [PatchState.REVERTING] == [state for _, _, state in seen(box)[2]]


def test_a_stall_is_unloaded_again(tmp_path: Path) -> None:
    """With the words and the exit code of kpatch, and whoever blocks named."""
    box = make(tmp_path)
    box.disk.set_faults(Faults(stalls=True, transition=0.2))

    said = box.run("kpatch", "load", box.module("LAB-0001"))

    assert said.startswith("1: ")
    assert "57 " in said.partition("Stalled processes:\n")[2]
    assert said.endswith("(transition stalled)")
    assert (ToolState.READY, None, []) == seen(box)


def test_what_is_installed_comes_back_at_boot(tmp_path: Path) -> None:
    """And is told from what is not: twice is an error, and what did not get in is named."""
    box = make(tmp_path)
    module = box.module("LAB-0001")
    name = Path(module).stem

    assert box.run("kpatch", "install", module).startswith("0: installing")
    assert box.run("kpatch", "install", module).endswith(f"{name}.ko is already installed")
    assert (ToolState.READY, f"installed for this kernel and not loaded: {name}", []) == seen(box)

    box.disk.boot()
    assert (name,) == box.settle()
    assert (ToolState.READY, None, [("kpatch", name, PatchState.APPLIED)]) == seen(box)

    assert box.run("kpatch", "unload", name).startswith("0: ")
    assert box.run("kpatch", "uninstall", "-k", box.disk.machine.kernel.release, f"{name}.ko").startswith("0: ")
    assert (ToolState.READY, None, []) == seen(box)


@pytest.mark.parametrize("faults", [Faults(garbles=10), Faults(truncates=10)])
def test_spoiled_lists_are_errors(tmp_path: Path, faults: Faults) -> None:
    """Never "no patches": what the kernel shows stays."""
    box = make(tmp_path)
    box.run("kpatch", "load", box.module("LAB-0001"))
    box.disk.set_faults(faults)

    state, _, live = seen(box)

    assert (ToolState.ERROR, [PatchState.APPLIED]) == (state, [patch for _, _, patch in live])
