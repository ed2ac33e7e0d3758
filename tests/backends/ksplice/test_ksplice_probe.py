"""Ksplice's sections of the one check script, run by real shells."""

from pathlib import Path

import pytest

from orchestrator.backends.ksplice import Ksplice
from orchestrator.backends.ksplice.answers import level_of
from orchestrator.core.facts import Deep, Pin, ToolState, Update
from tests.backends.answered import read_host
from tests.probe.machines import SHELLS

pytestmark = pytest.mark.scripts

KSPLICE = Ksplice()
UPTRACK = Path(__file__).parent / "uptrack.sh"
FILES = {
    "sys/module/ksplice_aaaa1111/x": "",
    "sys/module/ksplice_aaaa1111_vmlinux_new/x": "",
    "sys/kernel/ksplice/bbbb2222/stage": "applied\n",
    "sys/module/kvm/x": "",
    "etc/uptrack/uptrack.conf": "[Auth]\naccesskey = secret\n[Settings]\n autoinstall = yes\nautoinstall\t= no",
    "var/lib/patchwave/pins/ksplice": "setting=x\n",
    "ksplice/installed": "[aaaa1111] CVE-2030-0001: One.\n[bbbb2222] CVE-2030-0002: Two.\n",
    "ksplice/offered": "[aaaa1111] CVE-2030-0001: One.\n[cccc3333] CVE-2030-0003: Three.\n",
}
UNAME = "#!/bin/sh\necho 5.15.0-301.el9uek.x86_64\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_check_reads_all_of_it(tmp_path: Path, shell: str) -> None:
    """What is in force, by which effective kernel, held by us; the deep part tells what is offered."""
    script = UPTRACK.read_text()
    tools = {"uptrack-show": script, "uptrack-upgrade": script, "uptrack-uname": UNAME}

    check = read_host(tmp_path, shell, KSPLICE, FILES, tools, deep=True)
    tool = KSPLICE.read(check).tool

    assert (ToolState.READY, level_of(["aaaa1111", "bbbb2222"]), ()) == (tool.state, tool.level, tool.disagrees)
    assert "5.15.0-301.el9uek.x86_64" == tool.effective_kernel
    assert Pin(setting="autoinstall=no", by_us=True) == tool.pin
    assert Deep(updates=(Update(name="cccc3333", cves=("CVE-2030-0003",)),)) == KSPLICE.read_deep(check)
    assert not [one for one in check.sections.values() if b"secret" in one.body]


def test_the_newer_command_is_asked_where_there_is_no_other(tmp_path: Path) -> None:
    """For the kernel's updates and for those of programs."""
    answers = """#!/bin/sh
case "$*" in
  'kernel uname -r') echo 5.15.0-301.el9uek.x86_64 ;;
  'user show') printf 'httpd (12)\\n  `- [h1u2v3w4]: CVE-2030-0009: Nine.\\n' ;;
  *) exec "${0%/*}/uptrack-any" "$@" ;;
esac
"""
    tools = {"ksplice": answers, "uptrack-any": UPTRACK.read_text()}

    check = read_host(tmp_path, "dash", KSPLICE, FILES, tools, deep=True)
    report = KSPLICE.read(check)

    assert (ToolState.READY, level_of(["aaaa1111", "bbbb2222"])) == (report.tool.state, report.tool.level)
    assert [("httpd", ("CVE-2030-0009",))] == [(one.target, one.cves) for one in report.userspace_patches]
    assert 1 == len((KSPLICE.read_deep(check) or Deep()).updates or ())


def test_a_host_without_it_starts_no_process(tmp_path: Path) -> None:
    """All its sections are absent."""
    check = read_host(tmp_path, "dash", KSPLICE, {}, {}, deep=True)

    assert ToolState.ABSENT == KSPLICE.read(check).tool.state
    assert {True} == {one.absent for name, one in check.sections.items() if name.startswith("ksplice")}
    assert KSPLICE.read_deep(check) is None
