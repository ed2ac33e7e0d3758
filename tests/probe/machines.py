"""Root folders of machines that a check can be run against, and the running of it with a real shell."""

import struct
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.core.facts import Facts
from orchestrator.core.hosts import Become
from orchestrator.ports.ssh import Command, Completed
from orchestrator.probe import ProbePart, check_command, parse_check
from tests.needs import require

NONCE = "0123456789abcdef01234567"
STARTED = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
FINISHED = STARTED + timedelta(seconds=2)
SHELLS = ("dash", "bash", "busybox")
BUILD_ID = "a3" * 20
SIGNED = "linux-signed-amd64 (6.1.106+3)"

Files = Mapping[str, str | bytes]


def note(build_id: str, order: str = "<") -> bytes:
    """An ELF note with that GNU build id."""
    raw = bytes.fromhex(build_id)
    return struct.pack(f"{order}III", 4, len(raw), 3) + b"GNU\0" + raw


def kernel_notes(build_id: str) -> bytes:
    """``/sys/kernel/notes`` with another note before and one after."""
    other = struct.pack("<III", 6, 4, 0x101) + b"Linux\0\0\0" + b"\1\2\3\4"
    return other + note(build_id) + other


COMMON: Files = {
    "proc/sys/kernel/random/boot_id": "11111111-2222-4333-8444-555555555555\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "proc/uptime": "86400.25 170000.00\n",
    "proc/sys/kernel/tainted": "0\n",
    "proc/sys/kernel/arch": "x86_64\n",
    "proc/modules": "ext4 1000000 1 - Live 0x0000000000000000\n",
    "proc/cpuinfo": "processor\t: 0\nflags\t\t: fpu vme hypervisor lahf_lm\n",
    "sys/kernel/notes": kernel_notes(BUILD_ID),
    "sys/kernel/security/lockdown": "[none] integrity confidentiality\n",
    "sys/module/module/parameters/sig_enforce": "N\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/dmi/id/product_uuid": "AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE\n",
    "run/lock/": "",
    "sys/kernel/livepatch/": "",
}

DEBIAN: Files = {
    **COMMON,
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "proc/sys/kernel/osrelease": "6.1.0-25-cloud-amd64\n",
    "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.106-3 (2024-08-26)\n",
    "boot/vmlinuz-6.1.0-25-cloud-amd64": "",
    "lib/modules/6.1.0-25-cloud-amd64/kernel/": "",
    "var/lib/dpkg/status": "".join(
        f"Package: {name}\nStatus: {state}\nPriority: optional\nArchitecture: {arch}\n{more}Version: {version}\n"
        f"Description: {name}\n Version: of the description\n\n"
        for name, state, arch, version, more in (
            ("zlib1g", "install ok installed", "amd64", "1:1.2.13.dfsg-1", "Multi-Arch: same\nSource: zlib\n"),
            ("adduser", "install ok installed", "all", "3.134", ""),
            ("gone", "deinstall ok config-files", "all", "1.0", ""),
            ("linux-image-6.1.0-25-cloud-amd64", "hold ok installed", "amd64", "6.1.106-3", f"Source: {SIGNED}\n"),
            ("linux-image-cloud-amd64", "install ok installed", "amd64", "6.1.106-3", f"Source: {SIGNED}\n"),
            ("linux-image-6.1.0-9-cloud-amd64", "deinstall ok config-files", "amd64", "6.1.27-1", ""),
        )
    ),
}

RHEL: Files = {
    **COMMON,
    "etc/os-release": 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="9.4"\nPRETTY_NAME="RHEL 9.4"\n',
    "proc/sys/kernel/osrelease": "5.14.0-427.13.1.el9_4.x86_64\n",
    "proc/sys/kernel/version": "#1 SMP PREEMPT_DYNAMIC Wed Apr 10 10:29:16 EDT 2024\n",
    "boot/vmlinuz-0-rescue-0123456789abcdef0123456789abcdef": "",
    "boot/vmlinuz-5.14.0-427.13.1.el9_4.x86_64": "",
    "lib/modules/5.14.0-427.13.1.el9_4.x86_64/vmlinuz": "",
    "lib/modules/5.14.0-427.9.1.el9_4.x86_64/vmlinuz": "",
    "var/lib/rpm/rpmdb.sqlite": "pages",
    "stand-ins/rpm": r"""#!/bin/sh
case "$*" in
  *" -f "*)
    while [ "$1" != -f ]; do shift; done
    shift
    for file in "$@"; do
      release=${file#/lib/modules/} release=${release%/vmlinuz} version=${release%.x86_64}
      printf 'owner=kernel-core\t(none):%s\tinstalled\tkernel-%s.src.rpm\t\n' "$version" "$version"
    done ;;
  *)
    printf 'openssl-libs\t1:3.0.7-27.el9\tx86_64\topenssl-3.0.7-27.el9.src.rpm\n'
    printf 'kernel-core\t(none):5.14.0-427.13.1.el9_4\tx86_64\tkernel-5.14.0-427.13.1.el9_4.src.rpm\n'
    printf 'gpg-pubkey\t(none):fd431d51-4ae0493b\t(none)\t(none)\n' ;;
esac
""",
}

ALPINE: Files = {
    **{path: text for path, text in COMMON.items() if path != "sys/kernel/livepatch/"},
    "usr/lib/os-release": "ID=alpine\nVERSION_ID=3.20.1\nPRETTY_NAME='Alpine Linux v3.20'\n",
    "proc/sys/kernel/osrelease": "6.6.31-0-lts\n",
    "proc/sys/kernel/version": "#1-Alpine SMP PREEMPT_DYNAMIC 2024-05-17 17:24:36\n",
    "boot/vmlinuz-lts": "",
    "lib/modules/6.6.31-0-lts/kernel/": "",
    "lib/apk/db/installed": (
        "C:Q1a=\nP:musl\nV:1.2.5-r0\nA:x86_64\nT:the C library\no:musl\nF:lib\nR:ld-musl-x86_64.so.1\n\n"
        "C:Q1b=\nP:linux-lts\nV:6.6.31-r0\nA:x86_64\no:linux-lts\nF:boot\nR:vmlinuz-lts\n\n"
    ),
}


def patch(name: str, *, enabled: str = "1", transition: str = "0", build_id: str = "b7" * 20, **more: str) -> Files:
    """A live patch in sysfs; ``more`` are further attributes."""
    folder = f"sys/kernel/livepatch/{name}"
    attributes = {"enabled": enabled, "transition": transition, **more}
    return {
        "proc/sys/kernel/tainted": "36864\n",
        f"{folder}/vmlinux/patched": "1\n",
        f"sys/module/{name}/notes/.note.gnu.build-id": note(build_id),
        **{f"{folder}/{attribute}": f"{value}\n" for attribute, value in attributes.items()},
    }


def task(pid: int, state: str, comm: str = "kswapd0") -> Files:
    """A process with one thread."""
    folder = f"proc/{pid}/task/{pid}"
    return {
        f"{folder}/patch_state": f"{state}\n",
        f"{folder}/comm": f"{comm}\n",
        f"{folder}/stack": "[<0>] kswapd_try_to_sleep+0x1\n[<0>] kthread+0x2\n",
    }


def build(root: Path, files: Files, *, uid: int = 0, shell: str = "dash") -> Path:
    """Write the machine below that folder. A path that ends in ``/`` is a folder."""
    stand_ins = {
        "stand-ins/id": f"#!/bin/sh\necho {uid}\n",
        "stand-ins/sh": f'#!/bin/sh\nexec {" ".join(shell_argv(shell))} "$@"\n',
    }
    for path, content in {**stand_ins, **files}.items():
        target = root / path
        (target if path.endswith("/") else target.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
        if path.startswith("stand-ins/"):
            target.chmod(0o755)
    return root


def shell_argv(name: str) -> tuple[str, ...]:
    """The shell of that name; busybox's is its applet ``sh``."""
    return (require(name), "sh") if name == "busybox" else (require(name),)


def command(
    become: Become | None = None, known_packages: str | None = None, extra: Sequence[ProbePart] = ()
) -> Command:
    """The command of a check, with this module's nonce."""
    return check_command(nonce=NONCE, become=become or Become(), known_packages=known_packages, extra=extra)


def run(sent: Command, root: Path, *, shell: str = "dash", env: Mapping[str, str] | None = None) -> Completed:
    """Run it with that shell below that root; a password is sent when its prompt appears."""
    with subprocess.Popen(
        [*shell_argv(shell), *sent.argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATCHWAVE_ROOT": str(root), "PATH": "/nowhere", **(env or {})},
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        if not sent.replies:
            out, err = process.communicate(sent.stdin, timeout=60)
            return Completed(exit_status=process.returncode, stdout=out, stderr=err)
        process.stdin.write(sent.stdin)
        process.stdin.flush()
        seen = b""
        while sent.replies[0].marker not in seen and (byte := process.stderr.read(1)):
            seen += byte
        if sent.replies[0].marker in seen:
            process.stdin.write(sent.replies[0].data.get_secret_value())
            process.stdin.flush()
        # stdin stays open, as the transport keeps it: the script has to end by itself.
        out = process.stdout.read() if process.stdout else b""
        err = seen + process.stderr.read()
        return Completed(exit_status=process.wait(timeout=60), stdout=out, stderr=err)


def read(completed: Completed, known: str | None = None) -> Facts:
    """Parse the answer with this module's nonce and times."""
    return parse_check(completed, nonce=NONCE, started_at=STARTED, finished_at=FINISHED, known_packages=known)


def check(root: Path, *, shell: str = "dash", become: Become | None = None, known: str | None = None) -> Facts:
    """Run and read."""
    return read(run(command(become, known), root, shell=shell), known)
