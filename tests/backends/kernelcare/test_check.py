"""KernelCare's sections of the real check, in real shells, on a machine of files."""

from pathlib import Path

import pytest

from orchestrator.backends.base import Seen
from orchestrator.backends.kernelcare import KernelCare
from orchestrator.core.facts import Deep, Pin, Tool, ToolState, Update
from orchestrator.core.tools import Told
from orchestrator.probe import read_answer
from tests.probe.machines import DEBIAN, FINISHED, NONCE, SHELLS, Files, build, command, read, run

pytestmark = pytest.mark.scripts

every_shell = pytest.mark.parametrize("shell", SHELLS)

LEVEL = "12@6.1.112-1"
KCARECTL = r"""#!/bin/sh
echo "$*" >>"${0%/stand-ins/*}/calls"
case $1 in
  --info)
    echo 'kpatch-state: patch is applied'
    echo 'kpatch-for: Linux version 6.1.0-25-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP'
    echo 'kpatch-description: 12-:1705486212;6.1.112-1'
    ;;
  --patch-info) printf 'kpatch-cve: CVE-2024-1086\nkpatch-cve-url: CVE-2024-9999\n' ;;
  --uname) echo '6.1.112-1' ;;
  --check | --status) exit 0 ;;
  --license-info) echo 'Key-based valid license found' ;;
esac
"""
KERNELCARE: Files = {
    **DEBIAN,
    "stand-ins/uname": "#!/bin/sh\necho 6.1.0-25-cloud-amd64\n",
    "stand-ins/id": "#!/bin/sh\necho 0\n",
    "stand-ins/kcarectl": KCARECTL,
    "sys/module/kcare/": "",
    "proc/kcare/effective_version": "6.1.112-1\n",
    "proc/kcare/cvelist": "CVE-2024-1086\nCVE-2024-26581\n",
    "etc/sysconfig/kcare/kcare.conf": "# of the package\nAUTO_UPDATE=False\nPREFIX=test\nUPDATE_DELAY=24h",
    "var/lib/patchwave/pins/kernelcare": "setting=AUTO_UPDATE=True\n",
}


def checked(root: Path, shell: str, *, deep: bool = False, env: dict[str, str] | None = None) -> Seen:
    """A check of that machine with this backend's parts."""
    tool = KernelCare()
    completed = run(command(extra=(*tool.parts, *(tool.deep_parts if deep else ()))), root, shell=shell, env=env)
    facts = read(completed)
    return Seen(
        sections=read_answer(completed, nonce=NONCE).sections,
        facts=facts,
        root_lacks=facts.unknown.get("root"),
        at=FINISHED,
    )


@every_shell
def test_a_check_of_a_patched_host_starts_one_kcarectl(tmp_path: Path, shell: str) -> None:
    """The kernel's module tells the rest, and the settings are read without a process."""
    root = build(tmp_path, KERNELCARE)
    report = KernelCare().read(checked(root, shell))
    assert report.tool == Tool(
        name="kernelcare",
        state=ToolState.READY,
        level=LEVEL,
        effective_kernel="6.1.112-1",
        pin=Pin(setting="AUTO_UPDATE=False UPDATE_DELAY=24h", by_us=True),
    )
    cves = ("CVE-2024-1086", "CVE-2024-26581")
    assert report.told == (Told(name="kcare", version=LEVEL, state="applied", cves=cves, in_sysfs=False),)
    assert (root / "calls").read_text().splitlines() == ["--info"]


@every_shell
def test_an_old_module_has_kcarectl_asked_for_the_rest(tmp_path: Path, shell: str) -> None:
    """Without /proc/kcare it tells the effective kernel and the CVEs; its description is of the same year."""
    files = {name: text for name, text in KERNELCARE.items() if not name.startswith("proc/kcare")}
    files["stand-ins/kcarectl"] = KCARECTL.replace("12-:1705486212;", "12;")
    root = build(tmp_path, files)
    report = KernelCare().read(checked(root, shell))
    assert (report.tool.level, report.tool.disagrees, report.told[0].cves) == (LEVEL, (), ("CVE-2024-1086",))
    assert sorted((root / "calls").read_text().splitlines()) == ["--info", "--patch-info", "--uname"]


@every_shell
def test_a_host_without_kcarectl_starts_nothing_for_it(tmp_path: Path, shell: str) -> None:
    """And is told as one without the tool."""
    root = build(tmp_path, DEBIAN)
    seen = checked(root, shell, deep=True)
    assert KernelCare().read(seen).tool == Tool(name="kernelcare", state=ToolState.ABSENT)
    assert KernelCare().read_deep(seen) is None


def test_a_deep_check_asks_the_vendor(tmp_path: Path) -> None:
    """Exit code 0 of ``--check`` says that there is something newer."""
    assert KernelCare().read_deep(checked(build(tmp_path, KERNELCARE), "dash", deep=True)) == Deep(
        updates=(Update(name="kernelcare"),)
    )


@every_shell
def test_a_login_behind_the_scanner_interface_is_told_and_lied_to_no_more(tmp_path: Path, shell: str) -> None:
    """The library of the interface reaches none of the programs that a check starts."""
    uname = '#!/bin/sh\n[ -z "${LD_PRELOAD:-}" ] && echo 6.1.0-25-cloud-amd64 || echo 6.1.112-1\n'
    root = build(tmp_path, {**KERNELCARE, "stand-ins/uname": uname})
    seen = checked(root, shell, env={"LD_PRELOAD": "/nowhere/kcare/kpatch_package.so"})
    assert KernelCare().read(seen).tool.detail == (
        "the login is behind KernelCare's scanner interface: uname, rpm and dpkg answer it with the effective kernel"
    )
