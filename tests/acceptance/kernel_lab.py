"""The kernel lab for acceptance tests: machines that boot once per session and are reset between tests.

Registered in this folder's conftest. Tests that run Patchwave make a home of their own and call
`LabFleet.hand_over(home)`, which puts inventory and pins into it.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.lab.kernel import fleet, vms
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


def shell_on(lab: LabFleet, name: str, *, user: str = "root") -> tuple[str, ...]:
    """The start of a command line that runs something on a machine over a connection that is kept for the next one.

    An emulated processor takes about a second for a handshake.
    """
    argv = _with_kept_connection(lab, name, user)
    if subprocess.run([*argv, "-O", "check"], capture_output=True, timeout=10, check=False).returncode != 0:
        keep = ("-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-o", "ServerAliveInterval=10", "-f", "-N")
        nowhere = subprocess.DEVNULL  # the kept connection would hold a pipe open
        opened = subprocess.run([*argv, *keep], stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=60, check=False)
        assert opened.returncode == 0, f"no connection as {user} to {name}"
    return argv


def hang_up(lab: LabFleet, name: str) -> None:
    """Drop the kept connections of a machine, which do not survive its reboot."""
    for user in ("root", "deploy", "carol"):
        argv = [*_with_kept_connection(lab, name, user), "-O", "exit"]
        subprocess.run(argv, capture_output=True, timeout=10, check=False)


def _with_kept_connection(lab: LabFleet, name: str, user: str) -> tuple[str, ...]:
    return (*lab.ssh(name, user=user), "-o", f"ControlPath={lab.home}/{name}-{user}")


def run_on(lab: LabFleet, name: str, script: str, *, user: str = "root") -> str:
    """What a script prints on a machine; it must succeed."""
    argv = [*shell_on(lab, name, user=user), "sh"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{name}: exit code {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def send_to(lab: LabFleet, name: str, source: Path, target: str) -> None:
    """Copy a file to a machine."""
    argv = [*shell_on(lab, name), "tee", target]
    subprocess.run(argv, input=source.read_bytes(), stdout=subprocess.DEVNULL, timeout=60, check=True)


def boot_id(lab: LabFleet, name: str) -> str:
    """The id of the machine's current boot."""
    return run_on(lab, name, "cat /proc/sys/kernel/random/boot_id")


def reboot(lab: LabFleet, name: str) -> None:
    """Reboot a machine from within, as an administrator would; returns when it is up again."""
    before = boot_id(lab, name)
    # In the background: the connection may die without a word, and ssh would wait for one.
    run_on(lab, name, "(sleep 0.3; exec reboot) >/dev/null 2>&1 &")
    wait_for_boot_after(lab, name, before)


def wait_for_boot_after(lab: LabFleet, name: str, before: str, *, seconds: float = 300.0) -> str:
    """Wait until a machine answers in another boot than ``before``; returns that boot's id."""
    hang_up(lab, name)
    argv = [*lab.ssh(name), "cat", "/proc/sys/kernel/random/boot_id"]
    deadline = time.monotonic() + seconds
    for patience in vms.patience():
        # QEMU accepts connections while nobody in the guest does: ssh would sit there until its own deadline.
        if vms.answers(lab.vm(name).process.port, seconds=patience):
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            if done.returncode == 0 and done.stdout.strip() != before:
                return done.stdout.strip()
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    raise AssertionError(f"{name} did not reboot within {seconds:.0f} s: {lab.console(name).read_text()[-500:]}")


def on_each(names: Sequence[str], action: Callable[[str], None]) -> None:
    """Do something with several machines at a time: most of it is waiting for them."""
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(action, names))


def reset(lab: LabFleet, name: str) -> None:
    """Bring a machine back to a kernel without live patches; one that cannot be reset so is restarted."""
    try:
        run_on(lab, name, RESET)
    except (AssertionError, subprocess.TimeoutExpired):
        hang_up(lab, name)
        lab.restart(name)
        run_on(lab, name, RESET)


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
    on_each(names, lambda name: reset(kernel_fleet, name))
    return kernel_fleet
