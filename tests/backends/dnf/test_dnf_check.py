"""dnf's sections of a check, run by real shells on a machine of files."""

from datetime import date
from pathlib import Path

import pytest

from orchestrator.backends.base import Seen
from orchestrator.backends.dnf import Dnf
from orchestrator.core.facts import Deep, Tool, ToolState, Update
from orchestrator.core.tools import Told
from orchestrator.probe.answer import read_answer
from tests.probe import machines
from tests.probe.machines import COMMON, NONCE, RHEL, SHELLS, STARTED, Files, build, command, run

PACKAGE = "kpatch-patch-5_14_0-427_13_1"
MODULE = "kpatch_5_14_0_427_13_1_1_3"
RPM = f"""#!/bin/sh
case "$*" in
  *" {PACKAGE}")
    printf 'name\\t{PACKAGE}\\nevr\\t(none):1-3.el9_4\\n'
    printf 'file\\t/usr/lib/kpatch/x/kpatch-5_14_0-427_13_1-1-3.ko\\nchange\\t- fix {{CVE-2098-1234}}\\nend\\t\\n' ;;
  *) echo "kernel-core	(none):5.14.0-427.13.1.el9_4	x86_64	kernel-5.14.0-427.13.1.el9_4.src.rpm" ;;
esac
"""
DNF = """#!/bin/sh
echo "dnf $*" >>"${0%/stand-ins/*}/calls"
case "$*" in
  *updateinfo*)
    echo 'CVE-2098-0001 Important/Sec. bash-5.1.8-9.el9.x86_64'
    echo 'CVE-2098-0002 Important/Sec. kpatch-patch-5_14_0-427_13_1-1-4.el9_4.x86_64' ;;
  *support)
    printf 'The current version of the Linux kernel you are running will no longer '
    echo 'receive live patches after 2030-05-06.' ;;
  *) echo 'Error: No matching Packages to list' >&2; exit 1 ;;
esac
"""
RED_HAT: Files = {
    **RHEL,
    **machines.patch(MODULE),
    "stand-ins/rpm": RPM,
    "stand-ins/dnf": DNF,
    "etc/dnf/plugins/kpatch.conf": "[main]\nautoupdate = True\nautofilter = False\n",
    "etc/systemd/system/multi-user.target.wants/kpatch.service": "",
}
AMAZON: Files = {
    **COMMON,
    "etc/os-release": 'NAME="Amazon Linux"\nID="amzn"\nVERSION_ID="2023"\n',
    "proc/sys/kernel/osrelease": "6.1.141-155.222.amzn2023.x86_64\n",
    "var/lib/rpm/rpmdb.sqlite": "pages",
    "var/lib/kpatch/6.1.141-155.222.amzn2023.x86_64/livepatch-CVE-2098-22001.ko": "",
    "etc/yum.repos.d/amazonlinux.repo": "[amazonlinux]\nenabled=1\n[amazonlinux-source]\nenabled=0\n",
    "etc/yum.repos.d/kernel-livepatch.repo": "[kernel-livepatch]\nname=live\nenabled=1\n[other]\nenabled=0\n",
    **machines.patch("livepatch_CVE_2098_22001"),
    "stand-ins/rpm": RPM.replace(PACKAGE, "kernel-livepatch-6.1.141-155.222")
    .replace("(none):1-3.el9_4", "(none):1.0-2.amzn2023")
    .replace(".ko", ".txt"),
    "stand-ins/dnf": DNF,
}


def seen_on(root: Path, shell: str = "dash") -> Seen:
    """What a deep check of it brings."""
    backend = Dnf()
    done = run(command(extra=(*backend.parts, *backend.deep_parts)), root, shell=shell)
    return Seen(sections=read_answer(done, nonce=NONCE).sections, facts=machines.read(done), at=STARTED)


@pytest.mark.parametrize("shell", SHELLS)
def test_red_hats_package_is_read(tmp_path: Path, shell: str) -> None:
    """Its version, module, CVEs; what updates by itself; what is offered. Of other packages nothing is sent."""
    seen = seen_on(build(tmp_path, RED_HAT, shell=shell), shell)

    report, deep = Dnf().read(seen), Dnf().read_deep(seen)

    told = Told(name=MODULE, version="1-3.el9_4", cves=("CVE-2098-1234",))
    detail = "kpatch autoupdate may update it by itself"
    assert (Tool(name="dnf", state=ToolState.READY, level="1-3.el9_4", detail=detail), (told,)) == (
        report.tool,
        report.told,
    )
    assert Deep(updates=(Update(name=PACKAGE, version="1-4.el9_4", cves=("CVE-2098-0002",)),)) == deep
    assert b"bash" not in seen.sections["dnf_offered"].body


@pytest.mark.parametrize("shell", SHELLS)
def test_amazons_package_is_read(tmp_path: Path, shell: str) -> None:
    """With the modules that kpatch has for the running kernel, and until when there will be more."""
    files = {**AMAZON, "stand-ins/dnf": DNF.replace("kpatch-patch-5_14_0-427_13_1-1-4.el9_4", "bash-1-1")}
    seen = seen_on(build(tmp_path, files, shell=shell), shell)

    report, deep = Dnf().read(seen), Dnf().read_deep(seen)

    told = Told(name="livepatch_CVE_2098_22001", version="1.0-2.amzn2023", cves=("CVE-2098-22001",))
    assert ("1.0-2.amzn2023", (told,)) == (report.tool.level, report.told)
    assert Deep(updates=(), coverage_until=date(2030, 5, 6)) == deep


@pytest.mark.parametrize("enabled", ["enabled=0", "# enabled=1", "enabled_metadata=1"])
def test_a_repository_that_is_off_is_none(tmp_path: Path, enabled: str) -> None:
    """Amazon's plugin, or somebody, switches it on."""
    repository = f"[kernel-livepatch]\n{enabled}\n"
    absent = "#!/bin/sh\necho 'package kernel-livepatch-6.1.141-155.222 is not installed'\nexit 1\n"
    files = {**AMAZON, "etc/yum.repos.d/kernel-livepatch.repo": repository, "stand-ins/rpm": absent}

    report = Dnf().read(seen_on(build(tmp_path, files)))

    assert (ToolState.DISABLED, ()) == (report.tool.state, report.told)


def test_where_there_is_no_dnf_nothing_is_run(tmp_path: Path) -> None:
    """Not even rpm is asked, and the tool is absent."""
    seen = seen_on(build(tmp_path, {**machines.DEBIAN}))

    assert (True, True) == (seen.sections["dnf_installed"].absent, seen.sections["dnf_offered"].absent)
    assert (ToolState.ABSENT, None) == (Dnf().read(seen).tool.state, Dnf().read_deep(seen))


def test_a_kernel_without_such_packages_asks_nobody(tmp_path: Path) -> None:
    """Nothing is run for it, neither rpm nor dnf."""
    files = {**RED_HAT, "proc/sys/kernel/osrelease": "5.15.0-310.184.5.2.el9uek.x86_64\n"}
    root = build(tmp_path, files)

    seen = seen_on(root)

    assert (b"", b"") == (seen.sections["dnf_installed"].body, seen.sections["dnf_offered"].body)
    assert not (root / "calls").exists()
    assert ToolState.UNSUPPORTED_KERNEL is Dnf().read(seen).tool.state
