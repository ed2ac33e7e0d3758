"""What a test needs of the machine. Missing: skipped by name, or failed where PATCHWAVE_REQUIRE_ALL=1 asks for all."""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "sshd": "openssh-server",
    "sudo": "sudo",
    "dash": "dash",
    "busybox": "busybox-static",
    "bash": "bash",
    "qemu-system-x86_64": "qemu-system-x86",
    "debootstrap": "debootstrap",
    "postgres": "postgresql",
    "shellcheck": "shellcheck",
    "dpkg-query": "dpkg",
    "make": "make",
}
"""Debian package of each program that some test needs."""


def find(program: str) -> str | None:
    """The program's path: PATH, the sbin folders, PostgreSQL's versioned folders."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/sbin", "/sbin"]
    folders += sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(program, path=os.pathsep.join(folders))


def require(program: str) -> str:
    """The program's path; without it the test is skipped by name, or failed where nothing may be skipped."""
    path = find(program)
    if path is not None:
        return path
    reason = f"needs {program} (Debian package {PACKAGES.get(program, program)})"
    if os.environ.get("PATCHWAVE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
