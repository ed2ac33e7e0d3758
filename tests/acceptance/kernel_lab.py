"""The kernel lab for acceptance tests: machines that boot once per session and are reset between tests.

Registered in this folder's conftest. Tests that run Patchwave make a home of their own and call
`LabFleet.hand_over(home)`, which puts inventory and pins into it.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.lab.kernel import fleet
from orchestrator.lab.kernel.fleet import LabFleet
from tests.needs import require

RESET = """\
settled() {
    for file in /sys/kernel/livepatch/*/enabled; do [ ! -e "$file" ] || return 1; done
}
reset() {
    rm -rf /etc/modules-load.d/patchwave-*.conf /lib/modules/*/updates/patchwave* /var/lib/patchwave
    tries=0
    until settled; do
        for file in /sys/kernel/livepatch/*/enabled; do echo 0 >"$file"; done 2>/dev/null
        sleep 0.2
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || return 1
    done
    for module in /sys/module/lab_*; do [ ! -d "$module" ] || rmmod "${module##*/}" || return 1; done
    rm -rf /run/patchwave
}
reset
"""
"""Unloads every live patch and removes what Patchwave may have left, for this boot and for the next."""


def run_on(lab: LabFleet, name: str, script: str, *, user: str = "root") -> str:
    """What a script prints on a machine; it must succeed."""
    argv = [*lab.ssh(name, user=user), "sh"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{name}: exit code {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def send_to(lab: LabFleet, name: str, source: Path, target: str) -> None:
    """Copy a file to a machine."""
    argv = [*lab.ssh(name), "tee", target]
    subprocess.run(argv, input=source.read_bytes(), stdout=subprocess.DEVNULL, timeout=60, check=True)


def boot_id(lab: LabFleet, name: str) -> str:
    """The id of the machine's current boot."""
    return run_on(lab, name, "cat /proc/sys/kernel/random/boot_id")


def reboot(lab: LabFleet, name: str) -> None:
    """Reboot a machine from within, as an administrator would; returns when it is up again."""
    before = boot_id(lab, name)
    subprocess.run([*lab.ssh(name), "reboot"], capture_output=True, timeout=60, check=False)
    wait_for_boot_after(lab, name, before)


def wait_for_boot_after(lab: LabFleet, name: str, before: str, *, seconds: float = 120.0) -> str:
    """Wait until a machine answers in another boot than ``before``; returns that boot's id."""
    argv = [*lab.ssh(name), "cat", "/proc/sys/kernel/random/boot_id"]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0 and done.stdout.strip() != before:
            return done.stdout.strip()
        time.sleep(0.5)
    raise AssertionError(f"{name} did not reboot within {seconds:.0f} s: {lab.console(name).read_text()[-500:]}")


def reset(lab: LabFleet, name: str) -> None:
    """Bring a machine back to a kernel without live patches; one that cannot be reset so is restarted."""
    argv = [*lab.ssh(name), "sh"]
    try:
        done = subprocess.run(argv, input=RESET.encode(), capture_output=True, timeout=90, check=False)
    except subprocess.TimeoutExpired:
        lab.restart(name)
        return
    if done.returncode != 0:
        lab.restart(name)


@pytest.fixture(scope="session")
def kernel_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabFleet]:
    """The lab, up. Use `kernel_lab`, which resets it."""
    require("qemu-system-x86_64")
    require("debootstrap")
    home = tmp_path_factory.mktemp("kernel-lab")
    try:
        yield fleet.up(home, environ=os.environ)
    finally:
        fleet.down(home)


@pytest.fixture
def kernel_lab(kernel_fleet: LabFleet) -> LabFleet:
    """The lab with no live patch loaded on any machine, and none coming back at boot."""
    names = [vm.name for vm in kernel_fleet.vms]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: reset(kernel_fleet, name), names))
    return kernel_fleet
