"""Which processes run files that are gone: read from made-up answers, and from /proc by real shells."""

import subprocess
from pathlib import Path

import pytest

from orchestrator.backends.userspace import Userspace
from orchestrator.core.facts import Deep, OutdatedProcess, Tool, ToolState
from orchestrator.core.tools import ToolReport
from orchestrator.probe import read_answer
from orchestrator.probe.answer import INCOMPLETE
from tests.backends.answered import section, seen
from tests.backends.local_host import eventually
from tests.probe.machines import DEBIAN, NONCE, SHELLS, Files, build, command, run

pytestmark = pytest.mark.scripts

TOOL = Userspace()

ANSWER = (
    "     12 httpd\t/usr/lib64/libcrypto.so.3.0.7;65f1a2b3\t/usr/lib64/libssl.so.3.0.7\n"
    "      1 httpd\t/usr/lib64/libssl.so.3.0.7\n"
    "      1 my app\t/opt/my app/bin/app.#prelink#.AbCdEf\n"
    "end\n"
)


def deep(body: str | bytes, exit_status: int = 0, stderr: str = "") -> Deep:
    """What is read from that answer."""
    return TOOL.read_deep(seen(section("userspace_outdated", body, exit_status, stderr)))


def test_programs_are_told_with_their_files_and_processes() -> None:
    """What rpm and prelink put behind a name while they replace a file is none of it."""
    both = ("/usr/lib64/libcrypto.so.3.0.7", "/usr/lib64/libssl.so.3.0.7")
    assert deep(ANSWER) == Deep(
        outdated=(
            OutdatedProcess(command="httpd", libraries=both, count=12),
            OutdatedProcess(command="httpd", libraries=both[1:], count=1),
            OutdatedProcess(command="my app", libraries=("/opt/my app/bin/app",), count=1),
        )
    )


@pytest.mark.parametrize(
    ("found", "detail"),
    [
        (deep(""), "answer incomplete"),
        (deep(ANSWER.removesuffix("end\n")), "answer incomplete"),
        (deep("end\n", 1, "no process in /proc"), "no process in /proc"),
        (TOOL.read_deep(seen()), "answer incomplete"),
        (TOOL.read_deep(seen(root_lacks=INCOMPLETE)), "answer incomplete"),
        (TOOL.read_deep(seen(root_lacks="needs_root")), "needs root (needs_root)"),
    ],
)
def test_what_could_not_be_told_is_not_nothing(found: Deep, detail: str) -> None:
    """``outdated`` is None then, and why stands beside it."""
    assert found == Deep(detail=detail)


def test_none_is_an_answer() -> None:
    """Every process runs what is on the disk."""
    assert deep("end\n") == Deep(outdated=())


def test_a_look_that_ran_out_of_time_says_so() -> None:
    """What it found stands."""
    found = deep(ANSWER, 0, "not all processes were looked at within 20 s")
    assert (len(found.outdated or ()), found.detail) == (3, "not all processes were looked at within 20 s")


def test_lines_that_are_none_and_files_that_were_cut_off_are_left_out() -> None:
    """A line is at most 1,500 bytes long; the last name of a longer one is not whole."""
    long = "      2 java\t/opt/a.so\t/opt/" + "b" * 1500
    found = deep(f"junk\n\x1b[31m      1\n{long[:1500]}\nend\n")
    assert found.outdated == (OutdatedProcess(command="java", libraries=("/opt/a.so",), count=2),)


def test_an_ordinary_check_tells_nothing() -> None:
    """It has no part in it."""
    assert TOOL.parts == ()
    assert TOOL.read(seen()) == ToolReport(tool=Tool(name="userspace", state=ToolState.READY), excludes=False)


def _maps(*lines: str) -> str:
    return "".join(f"7f12-7f34 {line}\n" for line in lines)


PROCESSES: Files = {
    **DEBIAN,
    "stand-ins/id": "#!/bin/sh\necho 0\n",
    "proc/1/comm": "systemd\n",
    "proc/1/maps": _maps("r-xp 00001000 fe:01 1200                 /usr/lib/systemd/systemd"),
    "proc/40/comm": "sshd\n",
    "proc/40/maps": _maps(
        "r--p 00000000 fe:01 1300                 /usr/lib/libz.so.1 (deleted)",
        "r-xp 00001000 fe:01 1301                 /usr/lib/libcrypto.so.3 (deleted)",
        "r-xp 00002000 fe:01 1301                 /usr/lib/libcrypto.so.3 (deleted)",
        "r-xp 00001000 fe:01 1302                 /usr/lib/libc.so.6",
    ),
    "proc/41/comm": "sshd\n",
    "proc/41/maps": _maps("r-xp 00001000 fe:01 1301                 /usr/lib/libcrypto.so.3 (deleted)"),
    "proc/42/comm": "my app\n",
    "proc/42/maps": _maps(
        "r-xp 00000000 00:01 77                   /memfd:jit (deleted)",
        "rwxs 00000000 00:05 78                   /dev/zero (deleted)",
        "rwxs 00000000 00:01 0                    /SYSV00000000 (deleted)",
        "r-xp 00000000 fe:01 79                   /tmp/ffiAbC (deleted)",
        "r-xp 00000000 fe:01 80                   /opt/my app/bin/app (deleted)",
        "r-xp 00000000 fe:01 0                    /opt/none (deleted)",
        "rw-s 00000000 00:0e 81                   /[aio] (deleted)",
    ),
    "proc/43/comm": "idle\n",
    "proc/43/maps": _maps("r-xp 00000000 00:01 77                   /memfd:jit (deleted)"),
}


def _checked(root: Path, shell: str) -> Deep:
    sections = read_answer(run(command(extra=TOOL.deep_parts), root, shell=shell), nonce=NONCE).sections
    return TOOL.read_deep(seen(sections["userspace_outdated"]))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_real_check_leaves_out_what_was_never_a_package_s(tmp_path: Path, shell: str) -> None:
    """Shared memory, devices, temporary files, and what is not executable."""
    assert _checked(build(tmp_path, PROCESSES), shell) == Deep(
        outdated=(
            OutdatedProcess(command="my app", libraries=("/opt/my app/bin/app",), count=1),
            OutdatedProcess(command="sshd", libraries=("/usr/lib/libcrypto.so.3",), count=2),
        )
    )


def test_a_host_without_proc_is_told_as_one(tmp_path: Path) -> None:
    """Not as one whose processes are all well."""
    assert _checked(build(tmp_path, {**DEBIAN, "stand-ins/id": "#!/bin/sh\necho 0\n"}), "dash") == Deep(
        detail="no process in /proc"
    )


def test_a_program_that_was_deleted_is_found_in_the_kernels_own_words(tmp_path: Path) -> None:
    """A process of this machine; its file stood in a temporary folder, and is told as one in /opt."""
    program = tmp_path / "old program"
    program.write_bytes(Path("/bin/sleep").resolve().read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([str(program), "60"]) as running:
        eventually(lambda: str(program) in Path(f"/proc/{running.pid}/maps").read_text())
        program.unlink()
        maps = Path(f"/proc/{running.pid}/maps").read_text().replace(str(tmp_path), "/opt")
        running.kill()
    files = {**DEBIAN, "stand-ins/id": "#!/bin/sh\necho 0\n", "proc/9/maps": maps, "proc/9/comm": "old program\n"}
    assert _checked(build(tmp_path / "root", files), "dash") == Deep(
        outdated=(OutdatedProcess(command="old program", libraries=("/opt/old program",), count=1),)
    )
