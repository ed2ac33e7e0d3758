"""What stand-ins of live-patch tools share does what docs/lab-simulated.md promises them."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.lab.simulated.faults import Faults, Licence
from orchestrator.lab.simulated.machines import DEPLOY
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.lab.simulated.truth import ToolTruth
from orchestrator.probe.notes import gnu_build_id
from tests.lab.simulated import Box, eventually
from tests.needs import require

pytestmark = pytest.mark.scripts

TOOLS = Path(__file__).parents[2] / "orchestrator" / "lab" / "simulated" / "tools"
HEAD = '#!/bin/sh\ntool=trial\n. "${0%/*}/_tool"\n'
MODULE = HEAD + '. "${0%/*}/_module"\n'
PACKAGES = HEAD + '. "${0%/*}/_packages"\n"$@"\n'


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A host with Rocky Linux 9 and no live-patch tool but the kernel's own."""
    return Box.of_os(tmp_path, "rocky-9")


def test_state_on_disk_outlives_a_boot_and_state_in_memory_does_not(box: Box) -> None:
    """And neither is there before it was written: the default is printed then."""
    box.give("trial", HEAD + '"$@"\n')
    assert box.run("trial", "kept", "sticky", "none") == "0: none"
    box.run("trial", "keep", "sticky", "two words")
    box.run("trial", "remember", "level", "3")
    assert ("0: two words", "0: 3") == (box.run("trial", "kept", "sticky"), box.run("trial", "remembered", "level"))
    box.disk.boot()
    assert ("0: two words", "0: 0") == (
        box.run("trial", "kept", "sticky"),
        box.run("trial", "remembered", "level", "0"),
    )
    box.run("trial", "forget", "sticky")
    assert box.run("trial", "kept", "sticky", "gone") == "0: gone"


def test_a_stand_in_knows_its_host(box: Box) -> None:
    """Its kernel, its system, a number of its own, and how many patches are offered; that can grow."""
    box.give("trial", HEAD + 'host_value "$1" && echo "$value"\n')
    told = {key: box.run("trial", key) for key in ("release", "os", "distribution", "number", "level_offered")}
    assert told == {
        "release": f"0: {box.disk.machine.kernel.release}",
        "os": "0: rocky-9",
        "distribution": "0: rocky",
        "number": "0: 0",
        "level_offered": "0: 2",
    }
    box.disk.describe(3)
    assert ("0: 3", "1:") == (box.run("trial", "level_offered"), box.run("trial", "nonsense"))


def test_the_truth_of_a_tool_is_what_its_stand_in_tells(box: Box) -> None:
    """A level and patches; a boot ends it."""
    box.give("trial", HEAD + 'tell_truth "$@"\n')
    box.run("trial", "level=2", "patch aaaa1111 1.0", "patch bbbb2222 2")
    expected = ToolTruth(level="2", patches=(("aaaa1111", "1.0"), ("bbbb2222", "2")))
    assert box.disk.truth().tools == {"trial": expected}
    box.disk.boot()
    assert box.disk.truth().tools == {}


def test_a_module_counts_as_long_as_the_kernel_has_it_in_force(box: Box) -> None:
    """Whatever its tool tells: not while its transition goes on, nor after it was disabled."""
    box.disk.set_faults(Faults(transition=3600))
    box.give("trial", MODULE + _INSERT)
    assert box.run("trial") == "0:"
    assert box.disk.truth().tools == {"trial": ToolTruth()}
    box.disk.boot()
    box.disk.set_faults(Faults(transition=0.1))
    box.run("trial")
    eventually(lambda: box.disk.truth().in_force == ("kp_1",))
    assert box.disk.truth().tools == {"trial": ToolTruth(patches=(("kp_1", "7"),))}
    box.give("end", MODULE + "disable_patch kp_1 && settle 20 && ! is_in_force kp_1 && remove_module kp_1\n")
    assert box.run("end") == "0:"
    assert box.disk.truth().tools == {"trial": ToolTruth()}


_INSERT = """
file=$root/tmp/kp_1.ko
tell_truth "module kp_1"
write_module "$file" kp_1 7 replace
insert_module "$file"
"""


def test_a_module_made_here_is_recognised_by_its_build_id(box: Box) -> None:
    """Its note can be read as a real one; another version has another build id."""
    box.give(
        "trial", MODULE + 'write_module "$root/tmp/$1.ko" "$1" "$2" && insert_module "$root/tmp/$1.ko" && settle 20\n'
    )
    box.run("trial", "one", "1")
    box.run("trial", "two", "2")
    notes = [(box.disk.root / f"sys/module/{name}/notes/.note.gnu.build-id").read_bytes() for name in ("one", "two")]
    assert (36, 36) == (len(notes[0]), len(notes[1]))
    ids = {gnu_build_id(note.hex()) for note in notes}
    assert (2, False) == (len(ids), None in ids)


def test_insmod_says_to_a_tool_what_the_kernel_says(box: Box) -> None:
    """A refusal, a lie, a stall."""
    box.give("trial", MODULE + _INSERT + 'code=$?\nis_loaded kp_1 && echo loaded\nexit "$code"\n')
    box.disk.set_faults(Faults(rejects="Key was rejected by service"))
    assert box.run("trial").endswith("kp_1.ko: Key was rejected by service")
    box.disk.set_faults(Faults(lies=True))
    assert box.run("trial") == "0:"
    box.disk.set_faults(Faults(stalls=True))
    assert box.run("trial") == "0: loaded"
    assert (box.disk.truth().in_transition, box.disk.read("proc/57/task/57/patch_state")) == ("kp_1", "0\n")


def test_a_plain_module_is_no_live_patch(box: Box) -> None:
    """It is in the kernel's list, without the taint of live patching; loading it twice is loading it once."""
    box.give("trial", MODULE + "load_plain_module kcare && load_plain_module kcare && is_loaded kcare\n")
    assert box.run("trial") == "0:"
    assert ("12288\n", 1) == (box.disk.read("proc/sys/kernel/tainted"), box.disk.read("proc/modules").count("kcare "))
    assert box.disk.truth().in_force == ()


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        (Faults(), b"level 12\nall is well\n"),
        (Faults(truncates=7), b"level 1"),
        (Faults(truncates=0), b""),
        (Faults(garbles=6), b"level \xff\x0123\nbmm jt xfmm\n"),
    ],
)
def test_what_a_tool_prints_is_spoilt_on_request(box: Box, faults: Faults, expected: bytes) -> None:
    """Cut off, or junk from some byte on; its exit code stays."""
    box.give("trial", HEAD + 'main() {\n  echo "level 12"\n  echo "all is well"\n  exit 3\n}\nspeak main "$@"\n')
    box.disk.set_faults(faults)
    assert box.ask("trial") == (3, expected)


def test_faults_tell_their_values(box: Box) -> None:
    """The licence; whether the agent has had its turn and the package database is locked, by the clock."""
    box.give("trial", HEAD + 'find_licence\necho "$licence"\nagent_outruns && echo outran\nexit 0\n')
    assert box.run("trial") == "0: valid"
    box.disk.set_faults(Faults(licence=Licence.EXPIRED, agent_outruns=0))
    assert box.run("trial") == "0: expired\noutran"
    box.disk.set_faults(Faults(agent_outruns=3600))
    assert box.run("trial") == "0: valid"


def test_a_tool_takes_its_time(box: Box) -> None:
    """For what reaches the network: the host's own, or what the fault says."""
    box.give("sleep", '#!/bin/sh\necho "$1"\n')
    box.give("trial", HEAD + "take_time\n")
    assert box.run("trial") == f"0: {box.disk.machine.tool_seconds:.2f}"
    box.disk.set_faults(Faults(tool_slow=9))
    assert box.run("trial") == "0: 9.0"


@pytest.mark.parametrize("key", ["debian-12", "rocky-9", "sles-15.6", "alpine-3.22"])
def test_packages_come_and_go(tmp_path: Path, key: str) -> None:
    """In every packager's database, which is the host's own from then on; a version takes the place of another."""
    box, other = Box.of_os(tmp_path, key), Box.of_os(tmp_path, key, name="web-002")
    box.give("trial", PACKAGES)
    assert box.run("trial", "package_version", "livepatch-1") == "1:"
    before = box.disk.read(box.disk.machine.kernel.system.database)
    for version in ("1-1", "1-2"):
        assert box.run("trial", "add_package", "livepatch-1", version) == "0:"
        assert box.run("trial", "package_version", "livepatch-1") == f"0: {version}"
    assert box.run("trial", "package_version", "bash").startswith("0:")
    assert other.run("trial", "package_version", "livepatch-1") == "1:"
    assert box.run("trial", "remove_package", "livepatch-1") == "0:"
    assert box.disk.read(box.disk.machine.kernel.system.database) == before


def test_a_locked_database_and_a_full_disk_are_told_apart(box: Box) -> None:
    """75 and 28; nothing changes."""
    box.give("trial", PACKAGES)
    for faults, code in ((Faults(package_lock=3600), 75), (Faults(disk_full=True), 28)):
        box.disk.set_faults(faults)
        assert box.run("trial", "add_package", "kpatch-patch-1", "1-1") == f"{code}:"
    box.disk.set_faults(Faults())
    assert box.run("trial", "package_version", "kpatch-patch-1") == "1:"


def test_rpm_answers_queries(box: Box) -> None:
    """All, by glob, by name, by file, with a format; the exit code counts what is missing."""
    box.give("trial", PACKAGES)
    box.run("trial", "add_package", "kpatch-patch-1", "2:1-4.el9")
    full, release = "%{NAME}|%{EPOCH}|%{EVR}|%{NVRA}\\n", box.disk.machine.kernel.release
    assert (
        box.run("rpm", "-qa", "--qf", full, "kpatch-*") == "0: kpatch-patch-1|2|2:1-4.el9|kpatch-patch-1-1-4.el9.x86_64"
    )
    assert box.run("rpm", "-q", "kpatch-patch-1", "no-such") == (
        "1: kpatch-patch-1-1-4.el9.x86_64\npackage no-such is not installed"
    )
    assert box.run("rpm", "-q", "--qf", "%{NAME}\\n", "-f", f"/lib/modules/{release}/vmlinuz", "/x", "/y") == (
        "2: kernel-core\nfile /x is not owned by any package\nfile /y is not owned by any package"
    )
    assert len(box.run("rpm", "-qa").splitlines()) > 200


def test_rpm_tells_changes(box: Box) -> None:
    """Those that a stand-in wrote, none for others."""
    box.give(
        "trial",
        HEAD + '. "${0%/*}/_packages"\nadd_package "$1" 1-1\necho "- fix {CVE-2099-0001}" | set_changelog "$1"\n',
    )
    box.run("trial", "kpatch-patch-1")
    assert box.run("rpm", "-q", "--changelog", "kpatch-patch-1") == "0: - fix {CVE-2099-0001}"
    assert box.run("rpm", "-q", "--changelog", "bash") == "0: (none)"


def test_agents_and_boots_run_what_a_tool_has_for_them(box: Box) -> None:
    """The agent when it is its turn; the boot only where the tool asked for it."""
    box.give("_agent_klp", HEAD + "keep agent was_here\n")
    box.give("_boot_klp", HEAD.replace("trial", "klp") + "remember boot was_here\n")
    box.give("trial", HEAD.replace("trial", "klp") + '"$@"\n')
    box.disk.run_agents()
    assert box.disk.read("lab/tools/trial/agent") == "was_here\n"
    box.disk.boot()
    assert box.run("trial", "remembered", "boot", "not") == "0: not"
    box.run("trial", "keep", "at_boot", "yes")
    box.disk.boot()
    assert box.run("trial", "remembered", "boot", "not") == "0: was_here"


def test_what_a_live_patch_changed_in_proc_is_undone_by_a_boot(box: Box) -> None:
    """It was a file of the host's own until then."""
    box.give("trial", MODULE + 'lock\nput "$root/proc/sys/kernel/version" "#1 SMP (lp)"\nunlock\n')
    before = box.run("uname", "-v")
    box.run("trial")
    assert box.run("uname", "-v") == "0: #1 SMP (lp)"
    box.disk.boot()
    assert box.run("uname", "-v") == before


def test_every_tool_s_patch_of_a_number_fixes_the_same(box: Box) -> None:
    """So that a fleet of many tools is exposed to the same vulnerabilities."""
    box.give("trial", HEAD + "cve_of 1\ncve_of 12\n")
    assert box.run("trial") == "0: CVE-2099-1001\nCVE-2099-1012"


def test_a_stand_in_that_was_killed_does_not_stop_the_others(box: Box) -> None:
    """Its place is taken."""
    box.give("trial", HEAD + "one_at_a_time true\n")
    (box.disk.root / "lab/memory/trial").mkdir()
    (box.disk.root / "lab/memory/trial/holder").symlink_to("4194305")  # more than the highest process id
    assert box.run("trial") == "0:"


def test_one_call_at_a_time(box: Box) -> None:
    """What is asked to run alone runs alone, and its exit code comes back."""
    box.give("trial", HEAD + "main() {\n  is_root && return 5\n}\none_at_a_time main\n")
    assert ("5:", "1:") == (box.run("trial"), box.run("trial", account=DEPLOY))


SCRIPTS = sorted(TOOLS.rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_stand_ins_pass_shellcheck(script: Path) -> None:
    """Each by itself, with the reasons beside what it is allowed. SC2317: it is called by those that source it; SC1091:
    what it sources is put together with it."""
    argv = [require("shellcheck"), "-s", "sh", "-e", "SC2317,SC1091", str(script)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)
