"""SUSE's sections of the one check script, run by real shells."""

from datetime import date
from pathlib import Path

import pytest

from orchestrator.backends.suse import Suse
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState, ToolState
from tests.backends.answered import read_host
from tests.probe.machines import SHELLS

pytestmark = pytest.mark.scripts

SUSE = Suse()
ANSWERS = Path(__file__).parent / "answers"
RELEASE = "5.14.21-150400.24.100-default"
PACKAGE = "kernel-livepatch-5_14_21-150400_24_100-default"
LIFECYCLE = f"kernel-livepatch-x, *, 2030-01-01\n{PACKAGE}, *, 2031-04-05"
FILES = {
    "proc/sys/kernel/osrelease": f"{RELEASE}\n",
    "var/lib/lifecycle/data/sle-module-live-patching.lifecycle": LIFECYCLE,
}
FACTS = Facts(
    kernel=Kernel(running=RELEASE),
    live_patches=(LivePatch(tool="klp", name="livepatch_7_150400_4_1", state=PatchState.APPLIED),),
)


def says(case: str) -> str:
    """A program that answers by its arguments."""
    return f'#!/bin/sh\ncase "$*" in\n{case}\n  *) echo "unexpected: $*" >&2; exit 2 ;;\nesac\n'


TOOLS = {
    "klp": says(f"  '-v patches') cat {ANSWERS}/klp_15sp4_two_fixed.txt ;;"),
    "rpm": says(f"  '-q --qf '*' {PACKAGE}') echo '{PACKAGE} 0:7-150400.4.1' ;;\n  *) exit 1 ;;"),
    "zypper": says(
        f"  '--non-interactive list-patches --cve') cat {ANSWERS}/needed_live_and_reboot.txt; exit 101 ;;\n"
        f"  *' search '*' {PACKAGE}') cat {ANSWERS}/offered_four.txt ;;"
    ),
    "SUSEConnect": says(
        """  --status) echo '[{"identifier":"SLES","regcode":"SECRET-1","subscription_status":"ACTIVE"}]' ;;"""
    ),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_check_reads_all_of_it(tmp_path: Path, shell: str) -> None:
    """What is in force and installed, what is offered, until when; and no registration code."""
    check = read_host(tmp_path, shell, SUSE, FILES, TOOLS, deep=True).model_copy(update={"facts": FACTS})
    tool, deep = SUSE.read(check).tool, SUSE.read_deep(check)

    assert (ToolState.READY, "7-150400.4.1", None) == (tool.state, tool.level, tool.detail)
    assert deep is not None
    assert (None, date(2031, 4, 5)) == (deep.state, deep.coverage_until)
    assert ["9-150400.2.1", "10-150400.2.1", None] == [one.version for one in deep.updates or ()]
    assert not [one for one in check.sections.values() if b"SECRET" in one.body]


def test_a_host_without_it_starts_no_process(tmp_path: Path) -> None:
    """zypper alone is not asked for live patches."""
    check = read_host(tmp_path, "dash", SUSE, FILES, {"zypper": TOOLS["zypper"]}, deep=True)

    assert ToolState.ABSENT == SUSE.read(check).tool.state
    assert {True} == {one.absent for name, one in check.sections.items() if name.startswith("suse")}
