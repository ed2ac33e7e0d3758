"""The real script, run by each shell that hosts have, against whole machines."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestrator.core.facts import (
    BlockingTask,
    Facts,
    InstalledKernel,
    Kernel,
    LivePatch,
    Os,
    Package,
    PatchState,
    Virtualization,
)
from orchestrator.core.hosts import Become
from orchestrator.probe import ACCOUNT_SECTIONS, ROOT_SECTIONS, ProbePart, compose, read_answer
from tests.needs import require
from tests.probe.machines import (
    ALPINE,
    BUILD_ID,
    DEBIAN,
    NONCE,
    RHEL,
    SHELLS,
    build,
    check,
    command,
    patch,
    read,
    run,
    shell_argv,
    task,
)

pytestmark = pytest.mark.scripts

every_shell = pytest.mark.parametrize("shell", SHELLS)

DPKG_QUERY = r"""#!/bin/sh
case "$*" in
  *linux-image*)
    printf 'owner=%s\t%s\tinstalled\t%s\t%s\n' linux-image-6.1.0-25-cloud-amd64 6.1.106-3 linux-signed-amd64 6.1.106+3
    printf 'owner=%s\t%s\tconfig-files\t%s\t%s\n' linux-image-6.1.0-9-cloud-amd64 6.1.27-1 linux-signed-amd64 6.1.27+1
    exit 1 ;;
  *)
    printf 'zlib1g\t1:1.2.13.dfsg-1\tamd64\tzlib\t1:1.2.13.dfsg-1\tinstalled\n'
    printf 'adduser\t3.134\tall\tadduser\t3.134\tinstalled\n'
    printf 'linux-image-6.1.0-25-cloud-amd64\t6.1.106-3\tamd64\tlinux-signed-amd64\t6.1.106+3\tinstalled\n'
    printf 'linux-image-cloud-amd64\t6.1.106-3\tamd64\tlinux-signed-amd64\t6.1.106+3\tinstalled\n'
    printf 'gone\t1.0\tall\tgone\t1.0\tconfig-files\n' ;;
esac
"""
SUDO_FREE = r"""#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
exec env -i PATH="$PATH" "$@"
"""
SUDO_ASKS = r"""#!/bin/sh
if [ "$1" = -n ]; then echo "sudo: a password is required" >&2; exit 1; fi
while [ "$1" != -p ]; do shift; done
printf '%s' "$2" >&2
IFS= read -r password
if [ "$password" != s3cret ]; then printf '%s' "$2" >&2; echo "sudo: 1 incorrect password attempt" >&2; exit 1; fi
while [ "$1" != -- ]; do shift; done
shift
exec env -i PATH="$PATH" "$@"
"""
SUDO_REFUSES = '#!/bin/sh\necho "Sorry, user ops may not run sudo on web1." >&2\nexit 1\n'


@every_shell
def test_debian(shell: str, tmp_path: Path) -> None:
    """A Debian host: the booted image's package and source, packages with their source, nothing unknown."""
    facts = check(build(tmp_path, DEBIAN, shell=shell), shell=shell)
    assert facts.packages is not None
    assert facts.packages.items is not None
    assert tuple(package for package in facts.packages.items if not package.name.startswith("linux-image-")) == (
        Package(name="adduser", version="3.134", arch="all", source="adduser", source_version="3.134"),
        Package(
            name="zlib1g", version="1:1.2.13.dfsg-1", arch="amd64", source="zlib", source_version="1:1.2.13.dfsg-1"
        ),
    )
    assert facts.volatile.uptime == timedelta(seconds=86400.25)
    assert facts.volatile.clock_skew is not None
    expected = Facts(
        os=Os(id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)"),
        arch="x86_64",
        kernel=Kernel(
            running="6.1.0-25-cloud-amd64",
            package="linux-image-6.1.0-25-cloud-amd64",
            package_version="6.1.106-3",
            source="linux",
            source_version="6.1.106-3",
            build_id=BUILD_ID,
            installed=(
                InstalledKernel(
                    release="6.1.0-25-cloud-amd64",
                    package="linux-image-6.1.0-25-cloud-amd64",
                    package_version="6.1.106-3",
                ),
            ),
        ),
        boot_id="11111111-2222-4333-8444-555555555555",
        machine_id="0123456789abcdef0123456789abcdef",
        product_uuid="aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
        is_root=True,
        taints=0,
        lockdown="none",
        secure_boot=False,
        module_signatures_enforced=False,
        livepatch_supported=True,
        virtualization=Virtualization.VM,
        reboot_required=False,
    )
    assert expected == facts.model_copy(update={"packages": None, "volatile": expected.volatile})


@every_shell
def test_known_packages_are_not_sent_again(shell: str, tmp_path: Path) -> None:
    """The fingerprint that the controller already has keeps the list at home, and the facts keep their hash."""
    root = build(tmp_path, DEBIAN, shell=shell)
    first = check(root, shell=shell)
    assert first.packages is not None
    again = check(root, shell=shell, known=first.packages.fingerprint)
    assert again.packages is not None
    assert (first.packages.fingerprint, None) == (again.packages.fingerprint, again.packages.items)
    assert first.content_hash() == again.content_hash()


@every_shell
def test_kernels_are_the_same_however_their_owners_are_read(shell: str, tmp_path: Path) -> None:
    """Out of the list that is sent, out of the status file when the list is known, by dpkg-query while dpkg works."""
    root = build(tmp_path, DEBIAN, shell=shell)
    sent = check(root, shell=shell)
    assert sent.packages is not None
    known = check(root, shell=shell, known=sent.packages.fingerprint)
    build(tmp_path, {"var/lib/dpkg/updates/0003": "", "stand-ins/dpkg-query": DPKG_QUERY}, shell=shell)
    at_work = check(root, shell=shell)
    assert at_work.packages is not None
    at_work_again = check(root, shell=shell, known=at_work.packages.fingerprint)
    assert [sent.kernel] * 3 == [known.kernel, at_work.kernel, at_work_again.kernel]
    assert [{}] * 4 == [facts.unknown for facts in (sent, known, at_work, at_work_again)]
    assert sent.packages.items == at_work.packages.items
    assert (None, None) == (
        known.packages and known.packages.items,
        at_work_again.packages and at_work_again.packages.items,
    )


def test_the_programs_that_a_check_starts(tmp_path: Path) -> None:
    """A check is paid for in processes, by every host at every check: these, and no other. (Without a root prefix, the
    uid is read without one.)"""
    programs = ("awk", "b2sum", "cat", "date", "dpkg-query", "grep", "head", "od", "sed", "sha256sum", "stat", "tr")
    started = tmp_path / "started"
    noted = {
        f"stand-ins/{name}": f'#!/bin/sh\necho {name} >>{started}\nPATH=/usr/bin:/bin exec {name} "$@"\n'
        for name in programs
    }
    root = build(tmp_path / "root", {**DEBIAN, **noted})
    absent = ProbePart(name="tool", script="tool() { cat; }", when="has_tool kcarectl")
    first = read(run(command(extra=[absent]), root))
    assert ["od", "date", "b2sum", "grep"] == started.read_text().split()
    started.unlink()
    assert first.packages is not None
    check(root, known=first.packages.fingerprint)
    assert ["od", "date", "b2sum", "awk"] == started.read_text().split()


@every_shell
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("status", "Package: new\nStatus: install ok installed\nVersion: 1\n"),
        ("updates/0000", ""),
        ("updates/0001", "x"),
    ],
)
def test_a_changed_database_is_read_again(shell: str, file: str, text: str, tmp_path: Path) -> None:
    """Whatever changes in dpkg's database, what it has not merged yet included, the list is sent again."""
    root = build(tmp_path, {**DEBIAN, "stand-ins/dpkg-query": DPKG_QUERY}, shell=shell)
    if file == "updates/0001":
        build(root, {"var/lib/dpkg/updates/0000": "y"}, shell=shell)
    before = check(root, shell=shell)
    build(root, {f"var/lib/dpkg/{file}": text}, shell=shell)
    assert before.packages is not None
    after = check(root, shell=shell, known=before.packages.fingerprint)
    assert after.packages is not None
    assert after.packages.items is not None
    assert before.packages.fingerprint != after.packages.fingerprint


@every_shell
@pytest.mark.parametrize(
    "rpm",
    ["echo 'error: cannot open Packages database in /var/lib/rpm' >&2; exit 1", "echo 'rpm: bad'; exit 127", "exit 0"],
)
def test_an_rpm_that_fails_names_no_owners(shell: str, rpm: str, tmp_path: Path) -> None:
    """What it prints instead of them is none: the kernels are unknown, and so is the reboot."""
    files = {**RHEL, "stand-ins/rpm": f"#!/bin/sh\n{rpm}\n"}
    facts = check(build(tmp_path, files, shell=shell), shell=shell)
    assert (None, "unreadable", "unreadable") == (
        facts.reboot_required,
        facts.unknown.get("reboot_required"),
        facts.unknown.get("kernel.installed"),
    )


@every_shell
def test_rhel(shell: str, tmp_path: Path) -> None:
    """An rpm host: kernels in rpm's order of versions (427.13 is newer than 427.9), sources from source rpms."""
    facts = check(build(tmp_path, RHEL, shell=shell), shell=shell)
    assert facts.kernel is not None
    assert ("kernel-core", "5.14.0-427.13.1.el9_4", "kernel", "5.14.0-427.13.1.el9_4") == (
        facts.kernel.package,
        facts.kernel.package_version,
        facts.kernel.source,
        facts.kernel.source_version,
    )
    assert facts.reboot_required is False
    assert facts.packages is not None
    assert facts.packages.items == (
        Package(
            name="kernel-core",
            version="5.14.0-427.13.1.el9_4",
            arch="x86_64",
            source="kernel",
            source_version="5.14.0-427.13.1.el9_4",
        ),
        Package(
            name="openssl-libs",
            version="1:3.0.7-27.el9",
            arch="x86_64",
            source="openssl",
            source_version="3.0.7-27.el9",
        ),
    )
    assert facts.unknown == {}


@every_shell
def test_alpine(shell: str, tmp_path: Path) -> None:
    """A host with apk, its os-release under /usr/lib, and a kernel without live patching."""
    facts = check(build(tmp_path, ALPINE, shell=shell), shell=shell)
    assert Os(id="alpine", version="3.20.1", name="Alpine Linux v3.20") == facts.os
    assert facts.kernel is not None
    assert ("linux-lts", "6.6.31-r0") == (facts.kernel.package, facts.kernel.source_version)
    assert (False, ()) == (facts.livepatch_supported, facts.live_patches)
    assert facts.packages is not None
    assert facts.packages.items is not None
    assert ["linux-lts", "musl"] == [package.name for package in facts.packages.items]
    assert facts.unknown == {}


@every_shell
def test_container(shell: str, tmp_path: Path) -> None:
    """A container says so by the file its manager leaves."""
    facts = check(build(tmp_path, {**DEBIAN, "run/systemd/container": "podman\n"}, shell=shell), shell=shell)
    assert facts.virtualization is Virtualization.CONTAINER


@every_shell
def test_two_patches(shell: str, tmp_path: Path) -> None:
    """Two patches in force, known by their build ids; a third one disabled, its module still loaded."""
    files = {
        **DEBIAN,
        **patch("livepatch_a", build_id="aa" * 20, replace="0", stack_order="1"),
        **patch("livepatch_b", build_id="bb" * 20, replace="1", stack_order="2"),
        "sys/module/livepatch_c/notes/.note.gnu.build-id": bytes.fromhex(
            "040000001400000003000000474e5500" + "cc" * 20
        ),
        "proc/modules": "".join(f"livepatch_{letter} 16384 1 - Live 0x0000000000000000 (OEK)\n" for letter in "abc"),
    }
    facts = check(build(tmp_path, files, shell=shell), shell=shell)
    assert facts.live_patches == (
        LivePatch(tool="klp", name="livepatch_a", state=PatchState.APPLIED, build_id="aa" * 20, replace=False),
        LivePatch(tool="klp", name="livepatch_b", state=PatchState.APPLIED, build_id="bb" * 20, replace=True),
        LivePatch(tool="klp", name="livepatch_c", state=PatchState.DISABLED, build_id="cc" * 20),
    )
    assert facts.taints == 36864
    assert facts.unknown == {}


@every_shell
def test_transition(shell: str, tmp_path: Path) -> None:
    """A transition is not in force; as root its tasks are named, and the kernel's word makes it stalled."""
    files = {
        **DEBIAN,
        **patch("livepatch_a", transition="1"),
        **task(55, "0"),
        **task(56, "1", "sshd"),
        **task(57, "0", "odd\x1b[31m\nname"),
        "stand-ins/dmesg": "#!/bin/sh\n"
        "echo \"[1.0] livepatch: 'livepatch_a': starting patching transition\"\n"
        'echo "[16.0] livepatch: signaling remaining tasks"\n',
    }
    facts = check(build(tmp_path, files, shell=shell), shell=shell)
    stack = ("[<0>] kswapd_try_to_sleep+0x1", "[<0>] kthread+0x2")
    assert facts.live_patches == (
        LivePatch(
            tool="klp",
            name="livepatch_a",
            state=PatchState.STALLED,
            build_id="b7" * 20,
            blocking=(
                BlockingTask(pid=55, command="kswapd0", stack=stack),
                BlockingTask(pid=57, command="odd", stack=stack),
            ),
            blocking_count=2,
        ),
    )


@every_shell
def test_blocking_tasks_are_bounded(shell: str, tmp_path: Path) -> None:
    """At most twenty tasks are named, and how many there are is said; without dmesg nothing is called stalled."""
    files = {**DEBIAN, **patch("livepatch_a", transition="1")}
    for pid in range(100, 130):
        files |= task(pid, "0")
    (seen,) = check(build(tmp_path, files, shell=shell), shell=shell).live_patches
    assert (PatchState.TRANSITIONING, 20, 30) == (seen.state, len(seen.blocking), seen.blocking_count)


@every_shell
def test_reverting_looks_for_the_other_value(shell: str, tmp_path: Path) -> None:
    """While a patch is taken back, the tasks that still run the new code hold it up."""
    files = {**DEBIAN, **patch("livepatch_a", enabled="0", transition="1"), **task(55, "0"), **task(56, "1", "sshd")}
    (seen,) = check(build(tmp_path, files, shell=shell), shell=shell).live_patches
    assert (PatchState.REVERTING, ["sshd"]) == (seen.state, [each.command for each in seen.blocking])


@every_shell
@pytest.mark.parametrize(
    ("sudo", "become", "lacks"),
    [
        (None, Become(enabled=False), "needs_root"),
        (None, Become(), "sudo_missing"),
        (SUDO_ASKS, Become(), "sudo_password_missing"),
        (SUDO_ASKS, Become(password=SecretStr("wrong")), "sudo_password_wrong"),
        (SUDO_REFUSES, Become(), "sudo_refused"),
        (SUDO_REFUSES, Become(password=SecretStr("s3cret")), "sudo_refused"),
        (SUDO_FREE, Become(), None),
        (SUDO_FREE, Become(password=SecretStr("s3cret")), None),
        (SUDO_ASKS, Become(password=SecretStr("s3cret")), None),
    ],
    ids=["none", "missing", "unasked", "wrong", "refused", "refused-password", "free", "free-password", "password"],
)
def test_sudo(shell: str, sudo: str | None, become: Become, lacks: str | None, tmp_path: Path) -> None:
    """Whatever sudo does, the check answers: what only root can read is there, or unknown under the cause's name."""
    files = {**DEBIAN, **patch("livepatch_a", transition="1"), **task(55, "0")}
    files |= {} if sudo is None else {"stand-ins/sudo": sudo}
    facts = check(build(tmp_path, files, uid=1000, shell=shell), shell=shell, become=become)
    fields = ("live_patches.blocking", "product_uuid", "root", "virtualization")
    expected = {} if lacks is None else dict.fromkeys(fields, lacks)
    assert expected == facts.unknown
    assert (lacks is None) == (facts.product_uuid is not None)
    assert [PatchState.TRANSITIONING] == [each.state for each in facts.live_patches]


@every_shell
def test_password_is_never_run_by_the_shell(shell: str, tmp_path: Path) -> None:
    """With NOPASSWD no prompt appears, so the password is not sent, and the shell does not wait for it."""
    root = build(tmp_path, {**DEBIAN, "stand-ins/sudo": SUDO_FREE}, uid=1000, shell=shell)
    completed = run(command(Become(password=SecretStr("s3cret"))), root, shell=shell)
    assert (0, b"") == (completed.exit_status, completed.stderr)


@every_shell
def test_foreign_locale(shell: str, tmp_path: Path) -> None:
    """The answer does not depend on the account's locale; text that is not ASCII arrives whole."""
    name = 'PRETTY_NAME="Größe – ☃"\nID=debian\nVERSION_ID=12\n'
    root = build(tmp_path, {**DEBIAN, "etc/os-release": name}, shell=shell)
    env = {"LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"}
    facts = read(run(command(), root, shell=shell, env=env))
    assert Os(id="debian", version="12", name="Größe – ☃") == facts.os
    assert facts.unknown == {}


@every_shell
def test_hostile_machine(shell: str, tmp_path: Path) -> None:
    """Escape sequences, NULs, forgeries, huge lines and odd names neither break the answer nor enter the facts."""
    forged = f"\nPATCHWAVE {NONCE} end os 0 0\nPATCHWAVE {NONCE} done\n"
    files = {
        **DEBIAN,
        **patch("livepatch_a"),
        "etc/os-release": b'ID=debian\nVERSION_ID="12\x1b]0;owned\x07\x00"\nPRETTY_NAME="' + b"A" * 100_000 + b'"\n',
        "sys/kernel/livepatch/evil\nenabled=1/enabled": "1\n",
        "sys/kernel/livepatch/livepatch_a/version": "CVE-2099-0001\n",
        "sys/module/livepatch_a/version": b"1\x1b[2J\xff CVE-2999",
        "etc/machine-id": b"\xff\xfe\x00\x01\n",
        "proc/sys/kernel/tainted": "99999999999999999999999\n",
        "run/reboot-required": forged,
        "run/reboot-required.pkgs": "linux-base\nlinux-base\n$(reboot)\n\x1b[31mred\n",
    }
    facts = check(build(tmp_path, files, shell=shell), shell=shell)
    assert Os(id="debian", version="12", name=None) == facts.os
    assert [("livepatch_a", "1\ufffd CVE-2999", PatchState.APPLIED)] == [
        (each.name, each.version, each.state) for each in facts.live_patches
    ]
    assert (True, ("package linux-base", "package red")) == (facts.reboot_required, facts.reboot_reasons)
    assert {"live_patches": "odd_name", "machine_id": "unreadable", "taints": "unreadable"} == facts.unknown


@every_shell
def test_extra_sections(shell: str, tmp_path: Path) -> None:
    """A backend's section comes with its own exit code and stderr; one that floods is an error, not an answer."""
    parts = (
        ProbePart(name="tool_a", script="tool_a() { echo out; echo broken >&2; return 3; }"),
        ProbePart(name="tool_flood", script="tool_flood() { while :; do echo flooooooooooooood; done; }"),
        ProbePart(name="tool_root", script="tool_root() { cat; echo 'it'\\''s root'; }", needs_root=True),
    )
    root = build(tmp_path, DEBIAN, shell=shell)
    completed = run(command(extra=parts), root, shell=shell)
    answer = read_answer(completed, nonce=NONCE)
    seen = {name: answer.sections[name] for name in ("tool_a", "tool_flood", "tool_root")}
    assert {
        "tool_a": (b"out\n", 3, "broken"),
        "tool_flood": (b"", None, ""),
        "tool_root": (b"it's root\n", 0, ""),
    } == {name: (each.body, each.exit_status, each.stderr) for name, each in seen.items()}
    assert {} == read(completed).unknown


@every_shell
def test_sections_of_tools_that_are_not_there(shell: str, tmp_path: Path) -> None:
    """A part whose condition does not hold is absent, which is not the same as missing; one that cannot tell runs."""
    parts = (
        ProbePart(name="has_one", script="has_one() { echo one; }", when="has_tool nothing klpctl"),
        ProbePart(
            name="has_file", script="has_file() { echo file; }", when='[ -e "$root/etc/tool" ] && has_tool klpctl'
        ),
        ProbePart(name="has_none", script="has_none() { echo none; }", when="has_tool nothing folder dpkg ls"),
        ProbePart(name="odd", script="odd() { echo odd; }", when='[ "$root" -eq x ]'),
        ProbePart(name="root_one", script="root_one() { echo one; }", when="has_tool klpctl", needs_root=True),
        ProbePart(name="root_none", script="root_none() { echo none; }", when="has_tool nothing", needs_root=True),
    )
    files = {**DEBIAN, "stand-ins/klpctl": "#!/bin/sh\n", "stand-ins/folder/": "", "etc/tool": ""}
    completed = run(command(extra=parts), build(tmp_path, files, shell=shell), shell=shell)
    answer = read_answer(completed, nonce=NONCE)
    assert {
        "has_one": (b"one\n", 0, False),
        "has_file": (b"file\n", 0, False),
        "has_none": (b"", None, True),
        "odd": (b"odd\n", 0, False),
        "root_one": (b"one\n", 0, False),
        "root_none": (b"", None, True),
    } == {
        name: (section.body, section.exit_status, section.absent)
        for name, section in answer.sections.items()
        if name in {part.name for part in parts}
    }
    assert {} == read(completed).unknown
    assert b"" == completed.stderr


@pytest.mark.parametrize(("tool", "absent"), [("sh", False), ("no-such-tool", True)])
@every_shell
def test_tools_of_a_real_host(shell: str, tool: str, absent: bool) -> None:
    """Without a root prefix, a tool is looked for in the folders of the fixed PATH."""
    part = ProbePart(name="part", script="part() { :; }", when=f"has_tool {tool}")
    done = run(command(Become(enabled=False), extra=[part]), Path(), shell=shell, env={"PATCHWAVE_ROOT": ""})
    assert absent == read_answer(done, nonce=NONCE).sections["part"].absent


@every_shell
def test_every_section_is_answered(shell: str, tmp_path: Path) -> None:
    """The sections named by the code are the sections that a host sends, complete."""
    answer = read_answer(run(command(), build(tmp_path, DEBIAN, shell=shell), shell=shell), nonce=NONCE)
    assert {*ACCOUNT_SECTIONS, *ROOT_SECTIONS} == set(answer.sections)
    assert answer.complete


@every_shell
def test_a_truncated_script_runs_nothing(shell: str, tmp_path: Path) -> None:
    """Whatever prefix of the script arrives, the shell runs none of it: there is no output at all."""
    script = compose().encode()
    root = build(tmp_path, DEBIAN, shell=shell)
    last_call = script.rindex(b"main ")
    for cut in [*range(0, last_call, 997), last_call]:
        done = subprocess.run(
            [*shell_argv(shell), "-s", "--", NONCE, "none", "-"],
            input=script[:cut],
            capture_output=True,
            env={"PATCHWAVE_ROOT": str(root)},
            timeout=60,
            check=False,
        )
        assert done.stdout == b"", cut


@pytest.mark.parametrize("journal", [False, True], ids=["settled", "interrupted"])
def test_real_dpkg(journal: bool, tmp_path: Path) -> None:
    """The status file says what Debian's own dpkg-query says, which reads the database where dpkg was interrupted."""
    require("dpkg-query")
    status = "\n\n".join(
        f"Package: {name}\nStatus: {state}\nArchitecture: amd64\nVersion: {version}\nSource: {source}\n"
        "Maintainer: Nobody <nobody@example.invalid>\nDescription: a package"
        for name, state, version, source in (
            ("linux-image-6.1.0-25-cloud-amd64", "install ok installed", "6.1.106-3", "linux-signed-amd64 (6.1.106+3)"),
            ("linux-image-6.1.0-26-cloud-amd64", "install ok installed", "6.1.112-1", "linux-signed-amd64 (6.1.112+1)"),
            ("libc6", "deinstall ok config-files", "2.36-9", "glibc"),
        )
    )
    files = {**DEBIAN, **({"var/lib/dpkg/updates/0000": ""} if journal else {})}
    files |= {"var/lib/dpkg/status": status + "\n", "boot/vmlinuz-6.1.0-26-cloud-amd64": ""}
    facts = check(build(tmp_path, files))
    assert facts.kernel is not None
    assert ("linux", "6.1.106-3") == (facts.kernel.source, facts.kernel.source_version)
    assert facts.packages is not None
    assert facts.packages.items is not None
    assert [("linux-signed-amd64", "6.1.106+3"), ("linux-signed-amd64", "6.1.112+1")] == [
        (package.source, package.source_version) for package in facts.packages.items
    ]
    assert ("kernel 6.1.0-26-cloud-amd64 (6.1.112-1) is installed but not booted",) == facts.reboot_reasons
