"""The stand-ins keep the semantics of the kernel's live patching (Documentation/livepatch/livepatch.rst)."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.lab.simulated.faults import Faults
from orchestrator.lab.simulated.machines import CAROL, DEPLOY
from orchestrator.lab.simulated.processes import kill_below
from orchestrator.probe.notes import gnu_build_id
from tests.lab.simulated import Box, eventually

NEVER = Faults(transition=3600)


@pytest.fixture(autouse=True)
def _power_cut(tmp_path: Path) -> Iterator[None]:
    """What a test leaves in transition ends with it."""
    yield
    kill_below(tmp_path)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A host with Debian 12."""
    return Box.make(tmp_path)


def test_enabling_goes_through_a_transition(box: Box) -> None:
    """`enabled` is 1 at once, `transition` is 1 until all tasks have moved, and the kernel says so."""
    box.disk.set_faults(NEVER)
    assert box.insert("LAB-0001") == "0:"
    assert ("1", "1", "0") == (
        box.sysfs("lab_0001/enabled"),
        box.sysfs("lab_0001/transition"),
        box.sysfs("lab_0001/vmlinux/patched"),
    )
    assert box.disk.truth().in_force == ()


def test_a_transition_ends(box: Box) -> None:
    """Then the patch is in force, no task has a patch state, and the log tells of it once."""
    box.insert("LAB-0001")
    assert box.settle() == ("lab_0001",)
    assert box.sysfs("lab_0001/vmlinux/patched") == "1"
    assert box.disk.read("proc/57/task/57/patch_state") == "-1\n"
    assert box.disk.truth().enabled_count == {"lab_0001": 1}
    eventually(lambda: "'lab_0001': patching complete" in box.run("dmesg"))


def test_a_loaded_module_is_recognised_by_its_build_id(box: Box) -> None:
    """Its note is that of the file; the kernel is tainted, and its module list has the taint K."""
    box.insert("LAB-0001")
    note = (box.disk.root / "sys/module/lab_0001/notes/.note.gnu.build-id").read_bytes()
    written = Path(box.module("LAB-0001")).read_bytes()
    build_id = gnu_build_id(note.hex())
    assert build_id is not None
    assert bytes.fromhex(build_id) in written
    assert "45056" == box.disk.read("proc/sys/kernel/tainted").strip()
    assert "(OEK)" in box.disk.read("proc/modules")


def test_sysfs_depends_on_the_kernel(tmp_path: Path) -> None:
    """6.1 has no `replace`, 6.12 has it."""
    old, new = Box.make(tmp_path / "old", 0), Box.make(tmp_path / "new", 1)
    for box in (old, new):
        box.insert("LAB-0002")
    assert ("", "1") == (old.sysfs("lab_0002/replace"), new.sysfs("lab_0002/replace"))


def test_a_replacing_patch_takes_the_place_of_older_ones(box: Box) -> None:
    """They vanish from sysfs, while their modules stay loaded and can be removed."""
    box.insert("LAB-0001")
    box.settle()
    box.insert("LAB-0002")
    assert box.settle() == ("lab_0002",)
    assert (box.disk.root / "sys/module/lab_0001").is_dir()
    assert box.run("rmmod", "lab_0001") == "0:"


def test_a_patch_that_replaces_none_stacks(box: Box) -> None:
    """Both are in force."""
    box.insert("LAB-0002")
    box.settle()
    box.insert("LAB-0001")
    assert box.settle() == ("lab_0001", "lab_0002")


def test_one_transition_at_a_time(box: Box) -> None:
    """insmod and writes to other patches are answered EBUSY meanwhile."""
    box.insert("LAB-0001")
    box.settle()
    box.disk.set_faults(NEVER)
    box.insert("LAB-0002")
    assert "Device or resource busy" in box.insert("LAB-STALL")
    assert box.enable("lab_0001", 0).endswith("Device or resource busy")


def test_a_disabled_patch_vanishes_and_is_not_enabled_again(box: Box) -> None:
    """Since 5.1 it leaves sysfs, its module stays; insmod finds it there until it is removed."""
    box.insert("LAB-0001")
    box.settle()
    assert box.enable("lab_0001", 1).endswith("Invalid argument")
    assert box.enable("lab_0001", 0) == "0: 0"
    assert box.settle() == ()
    assert box.disk.truth().disabled_count == {"lab_0001": 1}
    assert box.insert("LAB-0001").endswith("File exists")
    assert box.run("rmmod", "lab_0001") == "0:"
    assert box.insert("LAB-0001") == "0:"


def test_a_module_in_use_cannot_be_removed(box: Box) -> None:
    """Neither while its patch is in force nor in transition."""
    box.disk.set_faults(NEVER)
    box.insert("LAB-0001")
    assert box.run("rmmod", "lab_0001") == "1: rmmod: ERROR: Module lab_0001 is in use"
    assert box.run("rmmod", "other") == "1: rmmod: ERROR: Module other is not currently loaded"


def test_a_stalled_transition_is_reversed(box: Box) -> None:
    """One task stays in the old code; writing 0 moves the others back."""
    box.insert("LAB-STALL")
    assert ("1", "0") == tuple(box.disk.read(f"proc/{pid}/task/{pid}/patch_state").strip() for pid in (1, 57))
    assert box.enable("lab_stall", 0) == "0: 0"
    assert box.settle() == ()
    assert box.run("rmmod", "lab_stall") == "0:"


def test_a_reversal_can_stall_too(box: Box) -> None:
    """On request: then the patch is neither in force nor gone."""
    box.disk.set_faults(Faults(stalls=True, stalls_reverting=True))
    box.insert("LAB-0001")
    box.enable("lab_0001", 0)
    assert ("0", "1") == (box.sysfs("lab_0001/enabled"), box.sysfs("lab_0001/transition"))
    assert box.disk.read("proc/57/task/57/patch_state") == "1\n"


@pytest.mark.parametrize(
    ("faults", "words"),
    [(Faults(rejects="Key was rejected by service"), "Key was rejected by service"), (Faults(lies=True), "0:")],
)
def test_a_kernel_that_refuses_or_lies_loads_nothing(box: Box, faults: Faults, words: str) -> None:
    """Whatever insmod's exit code is."""
    box.disk.set_faults(faults)
    assert box.insert("LAB-0001").endswith(words)
    assert not (box.disk.root / "sys/module/lab_0001").exists()


def test_a_module_for_another_kernel_is_refused(box: Box) -> None:
    """By its vermagic."""
    assert box.run("insmod", box.module("LAB-0001", of_host=1)).endswith("Invalid module format")


def test_only_root_changes_the_kernel(box: Box) -> None:
    """And reads its log; sudo makes root, with or without a password."""
    module = box.module("LAB-0001")
    assert box.run("insmod", module, account=DEPLOY).endswith("Operation not permitted")
    assert box.run("dmesg", account=DEPLOY).startswith("1:")
    box.disk.write("lab/sudo", "nopasswd\n")
    assert box.run("sudo", "-n", "--", "insmod", module, account=DEPLOY) == "0:"


def test_sudo_asks_for_the_password(box: Box) -> None:
    """With -n it refuses; with -S it asks by the prompt that it was given, three times at most."""
    box.disk.write("lab/sudo", "carols-word\n")

    def sudo(*options: str, stdin: str = "") -> str:
        return box.run("sudo", *options, "--", "id", "-u", stdin=stdin, account=CAROL)

    assert sudo("-n") == "1: sudo: a password is required"
    assert sudo("-S", "-p", "word? ", stdin="carols-word\n") == "0: word? 0"
    assert sudo("-S", "-p", "?", stdin="no\ncarols-word\n") == "0: ?Sorry, try again.\n?0"
    assert sudo("-S", "-p", "?", stdin="1\n2\n3\n").endswith("3 incorrect password attempts")
    (box.disk.root / "lab/sudo").unlink()
    assert sudo("-n") == "1: carol is not in the sudoers file."


def test_a_boot_forgets_what_was_in_memory(box: Box) -> None:
    """Another boot id; no patch, no /run, no log; the journal stays."""
    before = box.disk.truth()
    box.insert("LAB-0001")
    box.settle()
    box.disk.write("run/patchwave/attempt/rc", "0\n")
    box.disk.boot()
    after = box.disk.truth()
    assert (after.in_force, after.enabled_count) == ((), {"lab_0001": 1})
    assert before.boot_id != after.boot_id
    assert not (box.disk.root / "run/patchwave").exists()
    assert ("0\n", "lab_0001" in box.run("dmesg")) == (box.disk.read("proc/sys/kernel/tainted"), False)


def test_a_persisted_module_comes_back_at_boot(box: Box) -> None:
    """As systemd-modules-load(8) brings it."""
    release = box.disk.machine.kernel.release
    folder = box.disk.root / f"lib/modules/{release}/updates/patchwave"
    folder.mkdir(parents=True)
    (folder / "lab_0001.ko").write_bytes(Path(box.module("LAB-0001")).read_bytes())
    box.disk.write("etc/modules-load.d/patchwave-lab_0001.conf", "# ours\nlab_0001\n")
    assert box.run("depmod", release) == "0:"
    box.disk.boot()
    assert box.settle() == ("lab_0001",)


def test_dpkg_query_prints_what_is_asked_for(box: Box) -> None:
    """Fields of the packages that match; exit code 1 when a pattern matches nothing."""
    admin = f"--admindir={box.disk.root}/var/lib/dpkg"
    fields = "-f=${Package}|${Version}|${db:Status-Status}|${source:Package}|${source:Version}\n"
    image = "linux-image-6.1.0-41-cloud-amd64|6.1.158-1|installed|linux-signed-amd64|6.1.158+1"
    assert box.run("dpkg-query", admin, "-W", fields, "linux-image-*") == f"0: {image}"
    assert box.run("dpkg-query", admin, "-W", fields, "linux-image-*", "pve-*") == f"1: {image}"
    everything = box.run("dpkg-query", admin, "-W", "-f=${Package}\n").split()
    assert len(everything) > 200
