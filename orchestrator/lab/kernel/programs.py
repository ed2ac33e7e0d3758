"""The programs that the lab is made with, and how they are run."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import NotAvailable

PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "apt-cache": "apt",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "busybox": "busybox-static",
    "depmod": "kmod",
    "modprobe": "kmod",
    "cpio": "cpio",
    "make": "make",
    "gcc": "gcc",
    "lz4": "lz4",
    "strip": "binutils",
    "zstd": "zstd",
}
"""The Debian package of each program."""

TO_RUN = ("qemu-system-x86_64", "qemu-img", "ssh-keygen")
"""Programs that a warm cache still needs."""

TO_BUILD = tuple(PACKAGES)
"""Programs that building everything needs."""

SEARCH_PATH = os.pathsep.join(("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"))
"""Where the programs are looked up: not everybody's PATH has the sbin folders."""


def find(program: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(program, path=SEARCH_PATH)


def demand(programs: Iterable[str]) -> None:
    """Raise `NotAvailable` with the Debian packages to install, unless all the programs are there."""
    missing = sorted({PACKAGES[name] for name in programs if find(name) is None})
    if missing:
        raise NotAvailable(f"the kernel lab needs Debian packages that are not installed: {', '.join(missing)}")


def run(*argv: str | Path, cwd: Path | None = None, stdin: bytes = b"") -> bytes:
    """Standard output of a program that must succeed; `NotAvailable` with its last lines when it does not."""
    words = tuple(map(str, argv))
    environment = {"PATH": SEARCH_PATH, "LC_ALL": "C", "HOME": str(Path.home())}
    try:
        done = subprocess.run(words, cwd=cwd, input=stdin, capture_output=True, env=environment, check=False)
    except OSError as exc:
        raise NotAvailable(f"cannot run {words[0]}: {exc}") from exc
    if done.returncode != 0:
        raise NotAvailable(f"{words[0]} failed with exit code {done.returncode}: {_last_lines(done)}")
    return done.stdout


def _last_lines(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What a failed program said last. debootstrap and make name the cause on standard output."""
    said = (done.stdout + b"\n" + done.stderr).decode(errors="replace").split("\n")
    return " | ".join([line.strip() for line in said if line.strip()][-6:]) or "it said nothing"
