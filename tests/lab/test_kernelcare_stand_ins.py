"""KernelCare and LibCare of simulated hosts, read by the backends and driven by the guard as a real host's are."""

from pathlib import Path

import pytest

from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Deep, Facts, PatchState, Tool, ToolState, Update
from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.truth import read_truth
from orchestrator.probe import read_answer
from tests.lab.simulated import Box
from tests.probe.machines import FINISHED, NONCE, command, read, run

pytestmark = pytest.mark.scripts


def check(box: Box) -> Facts:
    """A deep check of it."""
    environment = box.disk.environment()
    completed = run(command(extra=probe_parts(deep=True)), box.disk.root, env=environment)
    return with_tools(read(completed), read_answer(completed, nonce=NONCE), at=FINISHED, deep=True)


def kernelcare(facts: Facts) -> Tool:
    """Its tool."""
    found = facts.tool("kernelcare")
    assert found is not None
    return found


@pytest.fixture(params=["web-001", "web-002"])
def box(request: pytest.FixtureRequest, tmp_path: Path) -> Box:
    """A host of each of the two clients, with two levels on offer."""
    host = Box.of_os(tmp_path, "rocky-9", "kernelcare", name=request.param)
    host.disk.describe(2)
    return host


def test_what_a_check_reads_is_the_simulations_own_truth(box: Box) -> None:
    """Before an update, after it, and after it was taken out."""
    before = check(box)
    assert (kernelcare(before).state, kernelcare(before).level) == (ToolState.READY, None)
    assert kernelcare(before).deep == Deep(updates=(Update(name="kernelcare"),))

    assert box.run("kcarectl", "--update").startswith("0:")

    after, truth = check(box), read_truth(box.disk.root).tools["kernelcare"]
    assert (kernelcare(after).level, kernelcare(after).disagrees) == (truth.level, ())
    assert [(one.name, one.version) for one in after.live_patches] == list(truth.patches)
    assert after.live_patches[0].cves == ("CVE-2099-2001", "CVE-2099-2002", "CVE-2099-2003", "CVE-2099-2004")
    assert after.kernel is not None
    assert after.kernel.effective == (truth.level or "").partition("@")[2]
    assert kernelcare(after).deep == Deep(updates=())

    assert box.run("kcarectl", "--unload").startswith("0:")
    assert (kernelcare(check(box)).level, read_truth(box.disk.root).tools) == (None, {})


def test_a_client_that_lies_is_contradicted(box: Box) -> None:
    """The kernel has no module of it."""
    box.disk.set_faults(Faults(lies=True))
    box.run("kcarectl", "--update")
    facts = check(box)
    assert kernelcare(facts).disagrees
    assert [one.state for one in facts.live_patches] == [PatchState.FAILED]
    assert read_truth(box.disk.root).tools == {}


@pytest.mark.parametrize("licence", ["expired", "none"])
def test_without_a_licence_nothing_is_applied(box: Box, licence: str) -> None:
    """And the deep check says so."""
    box.disk.set_faults(Faults.model_validate({"licence": licence}))
    assert box.run("kcarectl", "--update").startswith("1:")
    assert kernelcare(check(box)).state is ToolState.UNLICENSED


@pytest.mark.parametrize("fault", [{"stalls": True}, {"rejects": "Key was rejected by service"}])
def test_what_the_kernel_does_not_take_is_not_in_force(box: Box, fault: dict[str, object]) -> None:
    """Whatever keeps it out."""
    box.disk.set_faults(Faults.model_validate(fault))
    assert box.run("kcarectl", "--update").startswith("1:")
    assert kernelcare(check(box)).level is None


def test_the_agent_patches_unless_it_is_pinned(box: Box) -> None:
    """By AUTO_UPDATE; after a boot patches come back in any case."""
    conf = "etc/sysconfig/kcare/kcare.conf"
    box.disk.write(conf, box.disk.read(conf).replace("AUTO_UPDATE=True", "AUTO_UPDATE=False"))
    box.disk.run_agents()
    assert kernelcare(check(box)).level is None
    box.disk.write(conf, box.disk.read(conf).replace("AUTO_UPDATE=False", "AUTO_UPDATE=True"))
    box.disk.run_agents()
    level = kernelcare(check(box)).level
    assert level is not None
    box.disk.boot()
    assert kernelcare(check(box)).level == level


@pytest.mark.parametrize("cut", [1, 40, 150])
def test_spoilt_answers_are_errors(box: Box, cut: int) -> None:
    """Junk or an end in the middle is never a patch."""
    box.run("kcarectl", "--update")
    for fault in ({"garbles": cut}, {"truncates": cut}):
        box.disk.set_faults(Faults.model_validate(fault))
        facts = check(box)
        assert kernelcare(facts).state is ToolState.ERROR
        assert [one for one in facts.live_patches if one.state is PatchState.APPLIED] == []


@pytest.mark.parametrize(
    ("key", "tools"),
    [("rocky-9", ("kernelcare", "libcare")), ("debian-12", ("libcare",)), ("sles-15.6", ("libpulp",))],
)
def test_patched_libraries_are_the_simulations_own_truth(tmp_path: Path, key: str, tools: tuple[str, ...]) -> None:
    """By whichever program tells of them."""
    box = Box.of_os(tmp_path, key, *tools)
    facts, truth = check(box), read_truth(box.disk.root).tools[tools[-1]]
    named = [(one.target, one.version) for one in facts.userspace_patches if one.version is not None]
    assert named == list(truth.patches)
    assert (
        facts.userspace_patches[-1].cves == ("CVE-2099-3001", "CVE-2099-3002")[: len(facts.userspace_patches[-1].cves)]
    )


def test_a_process_that_runs_an_old_library_is_found(tmp_path: Path) -> None:
    """By a deep check."""
    facts = check(Box.of_os(tmp_path, "debian-12", "libcare"))
    userspace = facts.tool("userspace")
    assert userspace is not None
    assert userspace.deep is not None
    assert [one.command for one in userspace.deep.outdated or ()] == ["sshd"]
