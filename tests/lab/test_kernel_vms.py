"""How the lab starts its machines, tells them from other processes, and keeps what it built."""

import socket
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel import fleet, programs, vms
from orchestrator.lab.kernel.cache import Cache, cache_root, digest
from orchestrator.lab.kernel.guest import Init
from orchestrator.lab.processes import start_ticks


def machine(folder: Path) -> vms.Machine:
    return vms.Machine(
        name="lab-a",
        release="6.1.0-9-cloud-amd64",
        vmlinux=folder / "vmlinux",
        initrd=folder / "initrd",
        disk=folder / "disk.img",
        machine_id="0123456789abcdef0123456789abcdef",
        command_line="console=ttyS0 lab_secret=hunter2",
    )


def process(pid: int, started: int) -> vms.Process:
    return vms.Process(name="lab-a", pid=pid, started=started, port=22000, release="6.1", disk="/disk.img")


def test_command_line() -> None:
    """Emulated, without a display, forwarding one loopback port to sshd, appending to the console log."""
    folder = Path("/home/a,b")
    argv = vms.qemu_command(
        machine(folder), overlay=folder / "o", console=folder / "c", pid_file=folder / "p", port=22007, accel=vms.ACCEL
    )
    options = dict(pairwise(argv))
    assert options["-accel"] == "tcg,thread=multi"
    assert options["-netdev"] == "user,id=n0,hostfwd=tcp:127.0.0.1:22007-:22"
    assert options["-uuid"] == "01234567-89ab-cdef-0123-456789abcdef"
    assert options["-chardev"] == "file,id=console,path=/home/a,,b/c,append=on"
    assert options["-drive"] == "file=/home/a,,b/o,if=virtio,format=qcow2,cache=unsafe"
    assert options["-append"] == "console=ttyS0 lab_secret=hunter2"


def test_console_log_has_live_patch_notices() -> None:
    """Notices (level 5) reach the console, so that tests can count them; the secret is a word of its own."""
    words = fleet.kernel_command_line("lab-a").split()
    assert {"loglevel=6", "lab_secret=hunter2-lab-a", "console=ttyS0"} <= set(words)


def test_stop_ends_that_process_and_no_other() -> None:
    """A process with the recorded number but another start time is left alone."""
    with subprocess.Popen(["sleep", "60"]) as child:
        started = start_ticks(child.pid)
        assert started is not None
        vms.stop(process(child.pid, started - 1))
        assert child.poll() is None
        vms.stop(process(child.pid, started))
        assert child.wait() == -15


def test_state_that_was_never_written(tmp_path: Path) -> None:
    """A machine that was never started has no process."""
    assert vms.read(tmp_path) is None


def test_state_that_is_garbled(tmp_path: Path) -> None:
    """A state file that is not ours is an error that names it."""
    (tmp_path / "process.json").write_text("{")
    with pytest.raises(NotAvailable, match=r"process\.json"):
        vms.read(tmp_path)


def test_port_in_use_is_not_free() -> None:
    """A port that somebody listens on is passed over."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not vms.is_free(server.getsockname()[1])


def test_silent_port_does_not_answer() -> None:
    """QEMU accepts before the guest does: only a greeting counts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not vms.answers(server.getsockname()[1], seconds=0.1)


def test_last_machine_has_systemd() -> None:
    """Two start fast, the last boots as Debian does."""
    assert [fleet.init_of(n, 3) for n in range(3)] == [Init.TINY, Init.TINY, Init.SYSTEMD]


def test_nothing_is_there_before_up(tmp_path: Path) -> None:
    """status and down of a home without a lab have nothing to tell."""
    assert (fleet.status(tmp_path), fleet.down(tmp_path)) == ((), ())


def test_cache_place() -> None:
    """Our own variable, then XDG's, then ~/.cache."""
    assert cache_root({"PATCHWAVE_LAB_CACHE": "/c", "XDG_CACHE_HOME": "/x"}) == Path("/c")
    assert cache_root({"XDG_CACHE_HOME": "/x"}) == Path("/x/patchwave/lab")
    assert cache_root({}) == Path.home() / ".cache/patchwave/lab"


def test_cache_builds_once(tmp_path: Path) -> None:
    """An entry is built when it is first asked for, and again under another key."""
    said: list[str] = []
    cache = Cache(root=tmp_path, say=said.append)
    for key in ("1", "1", "2"):
        entry = cache.entry("disks", "a", key, lambda work: (work / "file").touch())
        assert (entry / "file").exists()
    assert said == ["building disks/a-1", "building disks/a-2"]


def test_cache_keeps_nothing_half_built(tmp_path: Path) -> None:
    """A build that fails leaves no entry behind, nor its remains."""
    cache = Cache(root=tmp_path, say=fleet.silent)

    def fail(work: Path) -> None:
        (work / "half").touch()
        raise NotAvailable("no network")

    with pytest.raises(NotAvailable):
        cache.entry("disks", "a", "1", fail)
    assert list((tmp_path / "disks").iterdir()) == []


def test_digest_keeps_parts_apart() -> None:
    """The same bytes cut in other places are another recipe."""
    assert digest("ab", "c") != digest("a", "bc")


def test_missing_programs_are_named_by_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error lists Debian packages, ready to be installed."""
    monkeypatch.setattr(programs, "SEARCH_PATH", "/nonexistent")
    with pytest.raises(NotAvailable, match=r"not installed: qemu-system-x86, qemu-utils$"):
        programs.demand(["qemu-img", "qemu-system-x86_64"])


def test_failed_program_says_why() -> None:
    """The error has the exit code and the program's last words."""
    with pytest.raises(NotAvailable, match="exit code 3: cannot"):
        programs.run("sh", "-c", "echo cannot >&2; exit 3")
