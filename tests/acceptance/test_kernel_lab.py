"""The kernel lab gives what the other acceptance tests stand on: real kernels, real live patches, real reboots."""

import re
import time
from pathlib import Path

import pytest
import yaml

from orchestrator.lab.kernel import fleet
from orchestrator.lab.kernel.fleet import LabFleet, LabVm
from orchestrator.lab.kernel.guest import CAROL_PASSWORD, Init
from orchestrator.lab.kernel.kernels import gnu_build_id
from tests.acceptance.kernel_lab import boot_id, on_each, reboot, run_on, send_to

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
    # A patch may vanish while it is looked at.
    script = """\
for p in /sys/kernel/livepatch/*; do
    state=$(cat "$p/enabled" "$p/transition" 2>/dev/null) || continue
    echo "${p##*/}=$(echo $state | tr ' ' /)"
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
    script = """\
uname -r
dpkg-query -W -f '${Version}\\n' "linux-image-$(uname -r)"
cat /etc/machine-id
hostname
od -An -v -tx1 /sys/kernel/notes | tr -d ' \\n'
echo
dpkg --audit
"""

    def check(name: str) -> None:
        vm = kernel_lab.vm(name)
        *told, notes = run_on(kernel_lab, name, script).splitlines()
        assert [vm.release, vm.version, vm.machine.machine_id, vm.name] == told
        assert [vm.build_id] == GNU_BUILD_ID.findall(notes)

    on_each(names(kernel_lab), check)


def test_accounts(kernel_lab: LabFleet) -> None:
    """deploy becomes root without a password, carol only with hers."""
    carol = f"sudo -n id -u 2>/dev/null || echo refused; echo {CAROL_PASSWORD} | sudo -S -p '' id -u"

    def check(name: str) -> None:
        assert run_on(kernel_lab, name, "sudo -n id -u", user="deploy") == "0"
        assert run_on(kernel_lab, name, carol, user="carol") == "refused\n0"

    on_each(names(kernel_lab), check)


def test_first_patch_masks_the_secret(kernel_lab: LabFleet) -> None:
    """LAB-0001 takes effect on every kernel at once, in the boot in which it was loaded; the console tells, the
    module is recognisable by its own build id."""
    look = "cat /proc/sys/kernel/random/boot_id /proc/cmdline"
    note = "od -An -v -tx1 /sys/module/lab_0001/notes/.note.gnu.build-id | tr -d ' \\n'"

    def check(name: str) -> None:
        vm = kernel_lab.vm(name)
        told = vm.console.read_text().count("enabling patch 'lab_0001'")
        boot, open_line = run_on(kernel_lab, name, look, user="deploy").splitlines()
        assert vm.machine.command_line == open_line
        load(kernel_lab, name, "LAB-0001")
        assert settled(kernel_lab, name) == "lab_0001=1"
        masked_line = open_line.replace(f"hunter2-{name}", "*" * len(f"hunter2-{name}"))
        assert [boot, masked_line] == run_on(kernel_lab, name, look, user="deploy").splitlines()
        assert told + 1 == vm.console.read_text().count("enabling patch 'lab_0001'")
        build_id = gnu_build_id(module_for(kernel_lab, vm, "LAB-0001").read_bytes())
        assert [build_id] == GNU_BUILD_ID.findall(run_on(kernel_lab, name, note))

    on_each(names(kernel_lab), check)


def test_second_patch_takes_the_place_of_the_first(kernel_lab: LabFleet) -> None:
    """LAB-0002 is in force alone, masks the secret and withholds who built the kernel."""
    look = "cat /proc/cmdline /proc/version"

    def check(name: str) -> None:
        load(kernel_lab, name, "LAB-0001")
        assert settled(kernel_lab, name) == "lab_0001=1"
        assert "gcc" in run_on(kernel_lab, name, look, user="deploy")
        load(kernel_lab, name, "LAB-0002")
        assert settled(kernel_lab, name) == "lab_0002=1"
        shown = run_on(kernel_lab, name, look, user="deploy")
        assert (False, False, True) == tuple(word in shown for word in ("hunter2", "gcc", "builder withheld"))

    on_each(names(kernel_lab), check)


def test_stall_is_for_good_and_reverts(kernel_lab: LabFleet) -> None:
    """LAB-STALL stays in transition because of kswapd alone; writing 0 to enabled undoes it."""
    look = """\
cat /sys/kernel/livepatch/lab_stall/transition
for task in /proc/[0-9]*; do [ "$(cat "$task/patch_state")" != 0 ] || cat "$task/comm"; done 2>/dev/null
echo 0 >/sys/kernel/livepatch/lab_stall/enabled
"""

    def check(name: str) -> None:
        load(kernel_lab, name, "LAB-STALL")
        time.sleep(5)  # idle tasks move within moments; what still has the old code then is stuck
        assert run_on(kernel_lab, name, look) == "1\nkswapd0"
        assert settled(kernel_lab, name) == ""

    on_each(names(kernel_lab), check)


def test_reboot_keeps_the_disk(kernel_lab: LabFleet) -> None:
    """A reboot from within changes the boot id, drops the live patch, and keeps files; the console log goes on."""

    def check(name: str) -> None:
        load(kernel_lab, name, "LAB-0001")
        boot, log = boot_id(kernel_lab, name), kernel_lab.console(name).stat().st_size
        run_on(kernel_lab, name, f"echo {boot} >/var/lib/lab-witness")
        reboot(kernel_lab, name)
        script = "cat /proc/sys/kernel/random/boot_id /var/lib/lab-witness"
        after, witness = run_on(kernel_lab, name, script).splitlines()
        assert (boot, False) == (witness, boot == after)
        assert settled(kernel_lab, name) == ""
        assert log < kernel_lab.console(name).stat().st_size

    on_each(names(kernel_lab)[1:], check)


def test_modules_load_entry_brings_a_patch_back(kernel_lab: LabFleet) -> None:
    """With either init a module named in /etc/modules-load.d is loaded at boot."""
    install = """\
install -D -m 644 /run/lab.ko "/lib/modules/$(uname -r)/updates/patchwave/lab_0001.ko" || exit
depmod || exit
echo lab_0001 >/etc/modules-load.d/patchwave-lab.conf
"""

    def check(name: str) -> None:
        module = module_for(kernel_lab, kernel_lab.vm(name), "LAB-0001")
        send_to(kernel_lab, name, module, "/run/lab.ko")
        run_on(kernel_lab, name, install)
        reboot(kernel_lab, name)
        assert settled(kernel_lab, name) == "lab_0001=1"
        assert "hunter2" not in run_on(kernel_lab, name, "cat /proc/cmdline")

    on_each([kernel_lab.vms[0].name, kernel_lab.vms[-1].name], check)


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
