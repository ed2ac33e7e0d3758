"""The simulated fleet's Ksplice, read by the real check: what it says is what is so."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, Tool, ToolState
from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.probe.answer import read_answer
from tests.lab.simulated import Box
from tests.probe import machines
from tests.probe.machines import NONCE, STARTED, command, run

pytestmark = pytest.mark.scripts


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves running ends with it."""
    yield
    kill_below(tmp_path)


def check(box: Box) -> Facts:
    """What a deep check of it sees."""
    done = run(command(extra=probe_parts(deep=True)), box.disk.root)
    return with_tools(machines.read(done), read_answer(done, nonce=NONCE), at=STARTED + timedelta(days=1), deep=True)


def tool_of(facts: Facts) -> Tool:
    """The backend's tool."""
    tool = facts.tool("ksplice")
    assert tool is not None
    return tool


def offers(tool: Tool) -> int:
    """How many updates are offered."""
    assert tool.deep is not None
    return len(tool.deep.updates or ())


@pytest.mark.parametrize("key", ["ol-8", "ol-9", "ubuntu-22.04"])
@pytest.mark.parametrize("name", ["web-001", "web-002", "db-003"])
def test_a_host_is_patched_comes_back_and_is_cleared(tmp_path: Path, key: str, name: str) -> None:
    """Level, CVEs and effective kernel; a reboot brings the same updates back; then more are offered."""
    box = Box.of_os(tmp_path, key, "ksplice", name=name)
    before = tool_of(check(box))
    box.run("uptrack-upgrade", "-y")
    facts = check(box)
    after = tool_of(facts)
    box.disk.boot()
    again = tool_of(check(box))
    box.run("ksplice", "-y", "kernel", "remove", "--all")
    end = tool_of(check(box))

    release = box.disk.machine.kernel.release
    assert (ToolState.READY, None, release) == (before.state, before.level, before.effective_kernel)
    assert offers(before) > 1
    assert (0, ()) == (offers(after), after.disagrees)
    assert after.effective_kernel != release
    assert {"CVE-2099-1001", "CVE-2099-1002"} == {cve for patch in facts.live_patches for cve in patch.cves}
    assert (after.level, None) == (again.level, end.level)
    assert "ksplice" not in box.disk.truth().tools


@pytest.mark.parametrize("licence", [Licence.NONE, Licence.EXPIRED])
def test_without_a_licence_nothing_is_offered(tmp_path: Path, licence: Licence) -> None:
    """What is in force may be shown with an expired one, and not without a key."""
    box = Box.of_os(tmp_path, "ol-9", "ksplice")
    box.run("uptrack-upgrade", "-y")
    box.disk.set_faults(Faults(licence=licence))

    tool = tool_of(check(box))

    assert tool.deep is not None
    assert (ToolState.UNLICENSED, None) == (tool.deep.state, tool.deep.updates)
    assert (ToolState.UNLICENSED, licence is Licence.EXPIRED) == (tool.state, tool.level is not None)


@pytest.mark.parametrize(("faults", "code"), [(Faults(stalls=True), "1"), (Faults(rejects="no match"), "1")])
def test_an_update_that_does_not_get_in(tmp_path: Path, faults: Faults, code: str) -> None:
    """It says who keeps it out, and nothing is in force."""
    box = Box.of_os(tmp_path, "ol-9", "ksplice")
    box.disk.set_faults(faults)

    said = box.run("uptrack-upgrade", "-y")

    assert (code, None) == (said.partition(":")[0], tool_of(check(box)).level)
    assert "The following actions failed:" in said


def test_the_agent_installs_what_is_offered_unless_it_is_held(tmp_path: Path) -> None:
    """By autoinstall, which a pin sets to no."""
    box = Box.of_os(tmp_path, "ol-9", "ksplice")
    conf = box.disk.root / "etc/uptrack/uptrack.conf"
    free, text = tool_of(check(box)).pin, conf.read_text()
    conf.write_text(text.replace("autoinstall = yes", "autoinstall = no"))
    box.run("_agent_ksplice")
    held = tool_of(check(box))
    conf.write_text(text)
    box.run("_agent_ksplice")

    assert (None, None) == (free, held.level)
    assert held.pin is not None
    assert tool_of(check(box)).level is not None
