"""The kernel lab gives what the other acceptance tests stand on: real kernels, real live patches, real reboots."""

import re
import time
from pathlib import Path

import pytest
import yaml

from orchestrator.lab.kernel import fleet
from orchestrator.lab.kernel.fleet import LabFleet, LabVm
from orchestrator.lab.kernel.guest import CAROL_PASSWORD, Init
from tests.acceptance.kernel_lab import boot_id, reboot, run_on, send_to

pytestmark = pytest.mark.kernel

GNU_BUILD_ID = re.compile(r"04000000" + r"14000000" + r"03000000" + b"GNU\0".hex() + r"([0-9a-f]{40})")
"""A note's header: length of the owner's name, length of the value, type 3; then owner and value (elf(5))."""


def names(lab: LabFleet) -> list[str]:
    return [vm.name for vm in lab.vms]


def module_for(lab: LabFleet, vm: LabVm, patch: str) -> Path:
    """The module that the catalogue has for a machine's kernel."""
    document = yaml.safe_load((lab.catalogue / f"{patch}.yaml").read_text())
    builds = {(build["kernel"], build["build_id"]): build["module"] for build in document["builds"]}
    return lab.catalogue / str(builds[vm.release, vm.build_id])


def load(lab: LabFleet, name: str, patch: str) -> None:
    send_to(lab, name, module_for(lab, lab.vm(name), patch), "/run/lab.ko")
    run_on(lab, name, "insmod /run/lab.ko")


def settled(lab: LabFleet, name: str, seconds: float = 60.0) -> str:
    """The loaded patches as ``name=enabled``, once no transition is under way."""
    script = """\
for p in /sys/kernel/livepatch/*; do
    [ ! -d "$p" ] || echo "${p##*/}=$(cat "$p/enabled")/$(cat "$p/transition")"
done
"""
    deadline = time.monotonic() + seconds
    while "/1" in (shown := run_on(lab, name, script)) and time.monotonic() < deadline:
        time.sleep(0.3)
    return shown.replace("/0", "")


def test_machines_differ_in_kernel_and_init(kernel_lab: LabFleet) -> None:
    """Two kernel builds where the archive has them, one machine with systemd, ids of their own."""
    assert [Init.TINY, Init.TINY, Init.SYSTEMD] == [vm.init for vm in kernel_lab.vms]
    assert len({vm.machine.machine_id for vm in kernel_lab.vms}) == 3
    assert len({boot_id(kernel_lab, name) for name in names(kernel_lab)}) == 3
    assert len({vm.build_id for vm in kernel_lab.vms}) == 2


def test_machines_run_what_the_lab_says(kernel_lab: LabFleet) -> None:
    """Release, build id, package version, machine id and host name are the ones that the lab gives."""
    script = "uname -r; dpkg-query -W -f '${Version}\\n' linux-image-$(uname -r); cat /etc/machine-id; hostname"
    for vm in kernel_lab.vms:
        expected = [vm.release, vm.version, vm.machine.machine_id, vm.name]
        assert expected == run_on(kernel_lab, vm.name, script).splitlines()
        notes = run_on(kernel_lab, vm.name, "od -An -v -tx1 /sys/kernel/notes | tr -d ' \\n'")
        assert [vm.build_id] == GNU_BUILD_ID.findall(notes)
        assert run_on(kernel_lab, vm.name, "dpkg --audit") == ""


def test_accounts(kernel_lab: LabFleet) -> None:
    """deploy becomes root without a password, carol only with hers."""
    for name in names(kernel_lab):
        assert run_on(kernel_lab, name, "sudo -n id -u", user="deploy") == "0"
        assert run_on(kernel_lab, name, "sudo -n id -u 2>/dev/null || echo refused", user="carol") == "refused"
        script = f"echo {CAROL_PASSWORD} | sudo -S -p '' id -u"
        assert run_on(kernel_lab, name, script, user="carol") == "0"


def test_first_patch_masks_the_secret(kernel_lab: LabFleet) -> None:
    """LAB-0001 takes effect on every kernel at once, in the boot in which it was loaded, and the console tells."""
    for vm in kernel_lab.vms:
        boot, told = boot_id(kernel_lab, vm.name), vm.console.read_text().count("enabling patch 'lab_0001'")
        assert f"lab_secret=hunter2-{vm.name}" in run_on(kernel_lab, vm.name, "cat /proc/cmdline", user="deploy")
        load(kernel_lab, vm.name, "LAB-0001")
        assert settled(kernel_lab, vm.name) == "lab_0001=1"
        line = run_on(kernel_lab, vm.name, "cat /proc/cmdline", user="deploy")
        assert "hunter2" not in line
        assert vm.machine.command_line.split("lab_secret=")[0] in line
        assert boot == boot_id(kernel_lab, vm.name)
        assert told + 1 == vm.console.read_text().count("enabling patch 'lab_0001'")


def test_modules_are_recognisable(kernel_lab: LabFleet) -> None:
    """A loaded module shows its own build id in sysfs."""
    script = "od -An -v -tx1 /sys/module/lab_0001/notes/.note.gnu.build-id | tr -d ' \\n'"
    for name in names(kernel_lab):
        load(kernel_lab, name, "LAB-0001")
        assert len(GNU_BUILD_ID.findall(run_on(kernel_lab, name, script))) == 1


def test_second_patch_takes_the_place_of_the_first(kernel_lab: LabFleet) -> None:
    """LAB-0002 is in force alone, masks the secret and withholds who built the kernel."""
    for name in names(kernel_lab):
        load(kernel_lab, name, "LAB-0001")
        assert settled(kernel_lab, name) == "lab_0001=1"
        assert "gcc" in run_on(kernel_lab, name, "cat /proc/version", user="deploy")
        load(kernel_lab, name, "LAB-0002")
        assert settled(kernel_lab, name) == "lab_0002=1"
        assert "hunter2" not in run_on(kernel_lab, name, "cat /proc/cmdline", user="deploy")
        assert "gcc" not in run_on(kernel_lab, name, "cat /proc/version", user="deploy")


def test_stall_is_for_good_and_reverts(kernel_lab: LabFleet) -> None:
    """LAB-STALL stays in transition because of kswapd alone; writing 0 to enabled undoes it."""
    blocking = 'for t in /proc/[0-9]*; do [ "$(cat $t/patch_state)" != 0 ] || cat $t/comm; done 2>/dev/null'
    for name in names(kernel_lab):
        load(kernel_lab, name, "LAB-STALL")
    time.sleep(5)
    for name in names(kernel_lab):
        assert run_on(kernel_lab, name, "cat /sys/kernel/livepatch/lab_stall/transition") == "1"
        assert run_on(kernel_lab, name, blocking) == "kswapd0"
        run_on(kernel_lab, name, "echo 0 >/sys/kernel/livepatch/lab_stall/enabled")
        assert settled(kernel_lab, name) == ""
        run_on(kernel_lab, name, "rmmod lab_stall")


def test_reboot_keeps_the_disk(kernel_lab: LabFleet) -> None:
    """A reboot from within changes the boot id, drops the live patch, and keeps files; the console log goes on."""
    for vm in kernel_lab.vms:
        load(kernel_lab, vm.name, "LAB-0001")
        boot, log = boot_id(kernel_lab, vm.name), vm.console.stat().st_size
        run_on(kernel_lab, vm.name, f"echo {boot} >/var/lib/lab-witness")
        reboot(kernel_lab, vm.name)
        assert boot != boot_id(kernel_lab, vm.name)
        assert boot == run_on(kernel_lab, vm.name, "cat /var/lib/lab-witness")
        assert settled(kernel_lab, vm.name) == ""
        assert log < vm.console.stat().st_size


def test_modules_load_entry_brings_a_patch_back(kernel_lab: LabFleet) -> None:
    """With either init a module named in /etc/modules-load.d is loaded at boot."""
    install = """\
install -D -m 644 /run/lab.ko "/lib/modules/$(uname -r)/updates/patchwave/lab_0001.ko" || exit
depmod || exit
echo lab_0001 >/etc/modules-load.d/patchwave-lab.conf
"""
    for vm in (kernel_lab.vms[0], kernel_lab.vms[-1]):
        send_to(kernel_lab, vm.name, module_for(kernel_lab, vm, "LAB-0001"), "/run/lab.ko")
        run_on(kernel_lab, vm.name, install)
        reboot(kernel_lab, vm.name)
        assert settled(kernel_lab, vm.name) == "lab_0001=1"
        assert "hunter2" not in run_on(kernel_lab, vm.name, "cat /proc/cmdline")


def test_power_cycle_keeps_disk_and_port(kernel_lab: LabFleet) -> None:
    """restart cuts the power: another process and boot, the same port and disk."""
    name = kernel_lab.vms[0].name
    before, boot = kernel_lab.vm(name).process, boot_id(kernel_lab, name)
    run_on(kernel_lab, name, "echo kept >/var/lib/lab-witness && sync")
    kernel_lab.restart(name)
    after = kernel_lab.vm(name).process
    assert (before.port, False, True) == (after.port, before.is_alive, after.is_alive)
    assert boot != boot_id(kernel_lab, name)
    assert run_on(kernel_lab, name, "cat /var/lib/lab-witness") == "kept"


def test_up_again_changes_nothing(kernel_lab: LabFleet) -> None:
    """up over a lab that is up leaves its machines alone."""
    before = [vm.process for vm in kernel_lab.vms]
    again = fleet.up(kernel_lab.home)
    assert before == [vm.process for vm in again.vms]


def test_down_stops_its_own_machines_only(kernel_lab: LabFleet, tmp_path: Path) -> None:
    """Another home's lab goes down alone; its inventory goes with it, its console log stays."""
    other = fleet.up(tmp_path, names=("lab-z",))
    assert [("lab-z", True)] == [(vm.name, vm.alive) for vm in fleet.status(tmp_path)]
    assert fleet.down(tmp_path) == ("lab-z",)
    assert fleet.status(tmp_path) == ()
    assert not other.inventory.exists()
    assert "Linux version" in other.console("lab-z").read_text()
    assert [True, True, True] == [vm.alive for vm in fleet.status(kernel_lab.home)]
