"""Golden cases of each parser, hostile ones too."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.core.facts import InstalledKernel, Kernel, Os, Package, Packages, PatchState, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.errors import (
    RootUnavailable,
    SudoMissing,
    SudoPasswordMissing,
)
from orchestrator.ports.ssh import Completed
from orchestrator.probe.account import root_lacks
from orchestrator.probe.answer import Answer, Section, read_answer
from orchestrator.probe.fields import Fields, Line, fields_of
from orchestrator.probe.kernel import (
    MOST_KERNELS,
    Owner,
    installed_lacks,
    parse_kernel,
    read_owners,
    with_listed_owners,
)
from orchestrator.probe.livepatch import MOST_PATCHES, parse_livepatch
from orchestrator.probe.notes import gnu_build_id
from orchestrator.probe.os_release import parse_os
from orchestrator.probe.packages import SeenPackages, host_part, parse_packages
from orchestrator.probe.reboot import MOST_REASONS, Reboot, parse_reboot
from orchestrator.probe.security import Security, parse_security
from orchestrator.probe.text import clean, integer
from orchestrator.probe.virtualization import parse_virtualization
from tests.probe.machines import BUILD_ID, kernel_notes, note

NOTHING = Fields()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"plain", "plain"),
        (b"  tabs\tand spaces ", "tabs and spaces"),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07on", "red on"),
        (b"a\x00b\x7fc\rd", "abcd"),
        ("right\u202eleft".encode(), "rightleft"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"x" * 1000, "x" * 200),
        (b"", ""),
    ],
)
def test_clean(raw: bytes, expected: str) -> None:
    """Text is one printable line of bounded length."""
    assert expected == clean(raw)


@pytest.mark.parametrize(
    ("body", "closes", "expected"),
    [
        (b"", b"absent 0", Section(name="tool", body=b"", exit_status=None, absent=True)),
        (b"", b"absent 1", None),
        (b"x", b"absent 1", None),
        (b"", b"absent", None),
        (b"", b"absent 0 0", None),
        (b"", b"too_large 0", Section(name="tool", body=b"", exit_status=None)),
        (b"", b"0 0", Section(name="tool", body=b"", exit_status=0)),
    ],
)
def test_an_absent_section(body: bytes, closes: bytes, expected: Section | None) -> None:
    """Absent is said by the trailer, with nothing before it; an empty section is something else."""
    frame = b"\nPATCHWAVE 0123456789abcdef "
    stdout = b"%ssection tool\n%s%send tool %s\n" % (frame, body, frame, closes)
    answer = read_answer(Completed(exit_status=0, stdout=stdout, stderr=b""), nonce="0123456789abcdef")
    assert expected == answer.sections.get("tool")


def test_a_list_that_several_hosts_send_at_once_is_read_once() -> None:
    """Hosts of one image answer together: what the first one's list was read into serves them all."""
    listing = b"".join(b"Package: p%d\nStatus: install ok installed\nVersion: 1\n\n" % n for n in range(2000))
    section = Section(name="packages", body=b"manager=dpkg\n" + SENT + b"list=status\n" + listing, exit_status=0)
    ready = threading.Barrier(8)

    def parse(_: int) -> Packages | None:
        ready.wait(10)
        return parse_packages(section).packages

    with ThreadPoolExecutor(8) as pool:
        found = [packages.items or () for packages in pool.map(parse, range(8)) if packages is not None]
    assert [2000] * 8 == [len(items) for items in found]
    assert 1 == len({id(items[0]) for items in found})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("-1", -1), ("32768", 32768), ("", None), (None, None), ("9" * 19, None), ("1e3", None), ("٣", None)],
)
def test_integer(text: str | None, expected: int | None) -> None:
    """A plain decimal number, or nothing."""
    assert expected == integer(text)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ID=debian", 'VERSION_ID="12"', 'PRETTY_NAME="Debian 12"'], Os(id="debian", version="12", name="Debian 12")),
        (["ID='ol'", "VERSION_ID='9.4'"], Os(id="ol", version="9.4")),
        (['ID="opensuse-leap"', 'VERSION_ID="15.6"'], Os(id="opensuse-leap", version="15.6")),
        (["ID=arch", "PRETTY_NAME=Arch\\ Linux"], Os(id="arch", name="Arch Linux")),
        (['PRETTY_NAME="A \\"quoted\\" \\$HOME \\`x\\` \\\\"'], Os(id="linux", name='A "quoted" $HOME `x` \\')),
        (["# ID=other", "", "ID=debian", "ID=ubuntu"], Os(id="ubuntu")),
        (["ID=debian", 'PRETTY_NAME="no end'], Os(id="debian")),
        (["ID=debian", 'VERSION_ID="12" rm -rf /'], Os(id="debian")),
        (["ID=debian", "VERSION_ID=$(id)"], Os(id="debian")),
        (["ID=ALPINE"], Os(id="alpine")),
        (["ID=/etc/passwd"], None),
        (["garbage", "=", "id=debian"], None),
        ([], None),
    ],
)
def test_os_release(lines: list[str], expected: Os | None) -> None:
    """os-release(5), its quotes and escapes; a line that a shell would not read as one assignment is left out."""
    assert expected == parse_os(fields_of("".join(f"line={line}\n" for line in lines).encode()))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (note(BUILD_ID), BUILD_ID),
        (kernel_notes(BUILD_ID), BUILD_ID),
        (note(BUILD_ID, ">"), BUILD_ID),
        (note("ab" * 16), "ab" * 16),
        (note(BUILD_ID)[:-1], None),
        (note("ab"), None),
        (note(BUILD_ID).replace(b"GNU", b"XNU"), None),
        (b"\xff" * 64, None),
        (b"", None),
    ],
    ids=["module", "kernel", "big-endian", "md5", "cut", "too-short", "not-gnu", "garbage", "empty"],
)
def test_build_id(notes: bytes, expected: str | None) -> None:
    """The GNU build id, in either byte order; nothing where the notes are not whole."""
    assert expected == gnu_build_id(notes.hex(" "))


def test_build_id_is_not_hex() -> None:
    """What is not hexadecimal is no build id."""
    assert None is gnu_build_id("zz zz")
    assert None is gnu_build_id(None)


DEBIAN_OWNERS = (
    "owner=linux-image-6.1.0-25-amd64 6.1.112-1 installed linux-signed-amd64 6.1.112+1\n"
    "owner=linux-image-amd64 6.1.112-1 installed linux-signed-amd64 6.1.112+1\n"
)


@pytest.mark.parametrize(
    ("kernels", "expected"),
    [
        (
            "release=6.1.0-25-amd64\nmanager=dpkg\n" + DEBIAN_OWNERS,
            {"6.1.0-25-amd64": ("linux-image-6.1.0-25-amd64", "6.1.112-1")},
        ),
        (
            (
                "release=5.15.0-100-generic\nmanager=dpkg\n"
                "owner=linux-image-unsigned-5.15.0-100-generic 5.15.0-100.110 installed linux 5.15.0-100.110\n"
            ),
            {"5.15.0-100-generic": ("linux-image-unsigned-5.15.0-100-generic", "5.15.0-100.110")},
        ),
        (
            (
                "release=6.8.4-2-pve\nmanager=dpkg\n"
                "owner=proxmox-kernel-6.8.4-2-pve-signed 6.8.4-2 installed proxmox-kernel-signed-6.8 6.8.4+2\n"
            ),
            {"6.8.4-2-pve": ("proxmox-kernel-6.8.4-2-pve-signed", "6.8.4-2")},
        ),
        (
            (
                "release=6.1.0-9-amd64\nmanager=dpkg\n"
                "owner=linux-image-6.1.0-9-amd64 6.1.27-1 config-files linux-signed-amd64 6.1.27+1\n"
            ),
            {"6.1.0-9-amd64": None},
        ),
        (
            (
                "release=5.14.21-150400.24.100-default\nmanager=rpm\n"
                "owner=kernel-default (none):5.14.21-150400.24.100.2 installed "
                "kernel-default-5.14.21-150400.24.100.2.nosrc.rpm\n"
            ),
            {"5.14.21-150400.24.100-default": ("kernel-default", "5.14.21-150400.24.100.2")},
        ),
        (
            (
                "release=5.14.0-1.el9.x86_64\nrelease=6.6.0-custom\nmanager=rpm\n"
                "owner=kernel-core (none):5.14.0-1.el9 installed kernel-5.14.0-1.el9.src.rpm\n"
                "file /boot/vmlinuz-6.6.0-custom is not owned by any package\n"
            ),
            {"5.14.0-1.el9.x86_64": ("kernel-core", "5.14.0-1.el9"), "6.6.0-custom": None},
        ),
        (
            (
                "release=5.14.0-1.el9_4.x86_64\nrelease=6.6.0-custom\nmanager=rpm\n"
                "owner=kernel-core (none):5.14.0-1.el9 installed kernel-5.14.0-1.el9.src.rpm\n"
            ),
            {"5.14.0-1.el9_4.x86_64": None, "6.6.0-custom": None},
        ),
        (
            (
                "release=6.6.31-0-lts\nmanager=apk\nowner=linux-lts 6.6.31-r0 installed linux-lts 6.6.31-r0\n"
                "owner=linux-firmware-none 20240513-r0 installed linux-firmware 20240513-r0\n"
            ),
            {"6.6.31-0-lts": ("linux-lts", "6.6.31-r0")},
        ),
        ("manager=none\n", {}),
        ("release=a b\nrelease=\nowner=\nowner=x\nowner= = =\n\x1b[31m\n", {}),
    ],
    ids=["debian", "ubuntu", "proxmox", "removed", "suse", "custom", "lookalike", "alpine", "none", "garbage"],
)
def test_owners(kernels: str, expected: Mapping[str, tuple[str, str] | None]) -> None:
    """Each installed release and the package that owns it."""
    owners = read_owners(fields_of(kernels.encode()))
    assert expected == {
        release: None if owner is None else (owner.package, owner.version) for release, owner in owners.items()
    }


KERNEL_PACKAGES = (
    Package(name="linux-image-6", version="6-1", source="linux", source_version="6-1"),
    Package(name="linux-image", version="7-1"),
)
LISTED = Fields(
    lines=(Line(key="manager", value="dpkg"), Line(key="release", value="6"), Line(key="owners", value="listed"))
)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (SeenPackages(packages=Packages(manager="dpkg", fingerprint="a", items=KERNEL_PACKAGES)), ("6-1", None)),
        (
            SeenPackages(
                packages=Packages(manager="dpkg", fingerprint="a", items=KERNEL_PACKAGES), rows_lack="answer_garbled"
            ),
            (None, "unreadable"),
        ),
        (SeenPackages(packages=Packages(manager="dpkg", fingerprint="a")), (None, "unreadable")),
        (SeenPackages(lacks="answer_incomplete"), (None, "answer_incomplete")),
    ],
    ids=["list", "list-with-garbage", "no-list", "no-packages"],
)
def test_owners_in_the_list(seen: SeenPackages, expected: tuple[str | None, str | None]) -> None:
    """Owners that are said to be in the package list are taken from it; without the whole of it they are unknown."""
    kernels = with_listed_owners(LISTED, seen)
    owner = read_owners(kernels)["6"]
    assert expected == (owner and owner.version, installed_lacks(kernels))


OWNER = Owner(
    package="linux-image-6.1.0-25-amd64", version="6.1.112-1", source="linux-signed-amd64", source_version="6.1.112+1"
)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("version=#1 SMP Debian 6.1.112-1 (2024-09-30)\n", ("6.1.112-1", "linux", "6.1.112-1")),
        ("version=#1 SMP Debian 6.1.106-3 (2024-08-26)\n", ("6.1.106-3", "linux", "6.1.106-3")),
        ("version=#1 SMP PREEMPT\n", ("6.1.112-1", "linux", "6.1.112-1")),
        (
            "signature=Ubuntu 6.5.0-28.29~22.04.1-generic 6.5.13\n",
            ("6.5.0-28.29~22.04.1", "linux", "6.5.0-28.29~22.04.1"),
        ),
        ("signature=\x1b[31mUbuntu\nversion=Debian (\n", ("6.1.112-1", "linux", "6.1.112-1")),
    ],
    ids=["as-installed", "upgraded-on-disk", "silent", "ubuntu", "garbage"],
)
def test_booted_version(kernel: str, expected: tuple[str, str, str]) -> None:
    """Version and source are those of the image that booted, where it names them, not of the one on disk by now."""
    seen = parse_kernel(fields_of(b"release=6.1.0-25-amd64\n" + kernel.encode()), {"6.1.0-25-amd64": OWNER})
    assert seen is not None
    assert expected == (seen.package_version, seen.source, seen.source_version)


@pytest.mark.parametrize("release", ["", "6.1 rm", "$(id)", "a" * 129, "\x00"])
def test_release_that_makes_no_sense(release: str) -> None:
    """A release that no kernel has is no kernel."""
    assert None is parse_kernel(fields_of(f"release={release}\n".encode()), {})


def _kernel(running: str, version: str | None, *installed: tuple[str, str | None, str | None]) -> Kernel:
    return Kernel(
        running=running,
        package_version=version,
        package="kernel-core" if version else None,
        installed=tuple(
            InstalledKernel(release=release, package=package, package_version=installed_version)
            for release, package, installed_version in installed
        ),
    )


@pytest.mark.parametrize(
    ("flag", "manager", "kernel", "expected"),
    [
        ("required=no\n", "dpkg", _kernel("6.1.0-25-amd64", "6.1.106-3"), Reboot(required=False)),
        (
            "required=yes\npackage=linux-base\npackage=dbus\npackage=linux-base\n",
            "dpkg",
            None,
            Reboot(required=True, reasons=("package dbus", "package linux-base")),
        ),
        ("required=yes\npackage!absent\n", "dpkg", None, Reboot(required=True, reasons=("/run/reboot-required",))),
        (
            "required=no\n",
            "dpkg",
            _kernel("6.1.0-9-amd64", "6.1.27-1", ("6.1.0-25-amd64", "linux-image-6.1.0-25-amd64", "6.1.106-3")),
            Reboot(required=True, reasons=("kernel 6.1.0-25-amd64 (6.1.106-3) is installed but not booted",)),
        ),
        (
            "required=no\n",
            "dpkg",
            _kernel("6.1.0-25-amd64", "6.1.106-3", ("6.1.0-25-amd64", "linux-image-6.1.0-25-amd64", "6.1.112-1")),
            Reboot(required=True, reasons=("kernel 6.1.0-25-amd64 (6.1.112-1) is installed but not booted",)),
        ),
        (
            "required=no\n",
            "dpkg",
            _kernel("6.1.0-9-cloud-amd64", "6.1.27-1", ("6.1.0-25-amd64", "linux-image-6.1.0-25-amd64", "6.1.106-3")),
            Reboot(required=False),
        ),
        (
            "required=no\n",
            "dpkg",
            _kernel("6.12.90+deb13.1-amd64", "6.12.90-2", ("6.12.90+deb13-amd64", "linux-image-x", "6.12.90-1")),
            Reboot(required=False),
        ),
        (
            "required=no\n",
            "rpm",
            _kernel("5.14.0-9.1.el9.x86_64", None, ("5.14.0-13.1.el9.x86_64", "kernel-core", "5.14.0-13.1.el9")),
            Reboot(
                required=True,
                reasons=("kernel 5.14.0-13.1.el9.x86_64 (5.14.0-13.1.el9) is installed but not booted",),
            ),
        ),
        (
            "required=no\n",
            "rpm",
            _kernel("5.14.0-9.el9.x86_64", "5.14.0-9.el9", ("5.15.0-1.el9uek.x86_64", "kernel-uek", "5.15.0-1.el9uek")),
            Reboot(required=False),
        ),
        (
            "required=no\n",
            "apk",
            _kernel("6.6.9-0-lts", "6.6.9-r0", ("6.6.31-0-lts", "kernel-core", "6.6.31-r0")),
            Reboot(required=True, reasons=("kernel 6.6.31-0-lts (6.6.31-r0) is installed but not booted",)),
        ),
        (
            "required=no\n",
            "dpkg",
            _kernel("6.18.44-custom", None, ("6.1.0-25-amd64", "linux-image-6.1.0-25-amd64", "6.1.106-3")),
            Reboot(required=None, lacks="unreadable"),
        ),
        ("required=no\n", "dpkg", None, Reboot(required=None, lacks="unreadable")),
        (
            "required!unreadable\n",
            "dpkg",
            _kernel("6.1.0-25-amd64", "6.1.106-3"),
            Reboot(required=None, lacks="unreadable"),
        ),
    ],
    ids=[
        "no", "packages", "flag-only", "newer", "upgraded-on-disk", "other-flavour", "deb13.1", "rpm-order", "uek",
        "apk-order", "unpackaged", "no-kernel", "no-flag",
    ],
)  # fmt: skip
def test_reboot(flag: str, manager: str, kernel: Kernel | None, expected: Reboot) -> None:
    """The flag, or a newer kernel of the same kind on disk in the packager's own order; unknown is not "no"."""
    assert expected == parse_reboot(fields_of(flag.encode()), fields_of(f"manager={manager}\n".encode()), kernel)


RUNNING = ("6.1.0-25-amd64", "linux-image-6.1.0-25-amd64", "6.1.106-3")
UNOWNED = ("6.1.0-26-amd64", None, None)
NEWER = ("6.1.0-27-amd64", "linux-image-6.1.0-27-amd64", "6.1.115-1")


@pytest.mark.parametrize(
    ("kernels", "installed", "expected"),
    [
        ("manager=dpkg\n", [RUNNING], (False, None)),
        ("manager=dpkg\nowners!unreadable\n", [RUNNING], (None, "unreadable")),
        ("manager=dpkg\nreleases!odd_name\n", [RUNNING], (None, "odd_name")),
        ("manager=dpkg\nowners!unreadable\n", [RUNNING, NEWER], (True, None)),
        ("manager=dpkg\n", [RUNNING, UNOWNED], (None, "unreadable")),
        ("manager=dpkg\n", [RUNNING, UNOWNED, NEWER], (True, None)),
        ("manager=dpkg\n", [RUNNING, ("6.1.0-26-cloud-amd64", None, None)], (False, None)),
        ("manager=none\n", [RUNNING], (False, None)),
        ("manager=none\n", [RUNNING, UNOWNED], (None, "absent")),
        ("manager=pacman\n", [RUNNING, UNOWNED], (None, "unreadable")),
        ("", [RUNNING, UNOWNED], (None, "unreadable")),
        ("manager=dpkg\n" + "release=1\n" * (MOST_KERNELS + 1), [RUNNING], (None, "too_large")),
    ],
    ids=[
        "no", "owners", "odd", "owners-newer", "unowned", "unowned-newer", "other-flavour", "alone", "no-order",
        "unheard", "no-manager", "many",
    ],
)  # fmt: skip
def test_no_newer_kernel_is_only_said_where_all_could_be_compared(
    kernels: str, installed: list[tuple[str, str | None, str | None]], expected: tuple[bool | None, str | None]
) -> None:
    """A kernel without a version, owners that were not read, no order of versions: unknown, with the reason."""
    kernel = _kernel("6.1.0-25-amd64", "6.1.106-3", *installed)
    seen = parse_reboot(fields_of(b"required=no\n"), fields_of(kernels.encode()), kernel)
    assert expected == (seen.required, seen.lacks)


def test_an_rpm_that_names_no_owner_leaves_the_reboot_unknown() -> None:
    """A second kernel on disk of which nobody says what it is."""
    kernel = _kernel("5.14.0-9.el9.x86_64", "5.14.0-9.el9", ("5.14.0-13.el9.x86_64", None, None))
    seen = parse_reboot(fields_of(b"required=no\n"), fields_of(b"manager=rpm\n"), kernel)
    assert (None, "unreadable") == (seen.required, seen.lacks)


@pytest.mark.parametrize(("count", "expected"), [(MOST_KERNELS, None), (MOST_KERNELS + 1, "too_large")])
def test_more_kernels_than_anybody_has_are_not_believed(count: int, expected: str | None) -> None:
    """So many are kept, and the field is unknown."""
    fields = fields_of("".join(f"release=6.1.{n}\n" for n in range(count)).encode())
    assert (MOST_KERNELS, expected) == (len(read_owners(fields)), installed_lacks(fields))


@pytest.mark.parametrize(
    "lines", ["release=" + "6" * 129, "owner=linux-image-6 " + "1" * 201 + " installed", "owner=" + "l" * 201 + " 1"]
)
def test_words_about_kernels_longer_than_any_are_not_believed(lines: str) -> None:
    """They are left out, and the field is unknown."""
    fields = fields_of(f"release=6\n{lines}\n".encode())
    assert ({"6": None}, "too_large") == (read_owners(fields), installed_lacks(fields))


@pytest.mark.parametrize(("count", "expected"), [(MOST_REASONS, None), (MOST_REASONS + 1, "too_large")])
def test_more_reasons_for_a_reboot_than_anybody_has_are_cut(count: int, expected: str | None) -> None:
    """It is required all the same."""
    flag = "required=yes\n" + "".join(f"package=p{n}\n" for n in range(count))
    seen = parse_reboot(fields_of(flag.encode()), NOTHING, None)
    assert (True, MOST_REASONS, expected) == (seen.required, len(seen.reasons), seen.reasons_lack)


@pytest.mark.parametrize(("count", "unknown"), [(MOST_PATCHES, {}), (MOST_PATCHES + 1, {"live_patches": "too_large"})])
def test_more_live_patches_than_anybody_has_are_not_believed(count: int, unknown: dict[str, str]) -> None:
    """So many are kept, and the field is unknown."""
    lines = "supported=yes\n" + "".join(f"patch=p{n}\nenabled=1\ntransition=0\n" for n in range(count))
    seen = parse_livepatch(fields_of(lines.encode()), NOTHING, root_lacks=None)
    assert (MOST_PATCHES, unknown) == (len(seen.patches), seen.unknown)


@pytest.mark.parametrize("key", ["patch", "loaded"])
@pytest.mark.parametrize(("length", "unknown"), [(55, {}), (56, {"live_patches": "too_large"})])
def test_a_name_that_no_module_has_is_not_believed(key: str, length: int, unknown: dict[str, str]) -> None:
    """The kernel's own limit."""
    lines = f"supported=yes\n{key}={'n' * length}\nenabled=1\ntransition=0\n"
    seen = parse_livepatch(fields_of(lines.encode()), NOTHING, root_lacks=None)
    assert (length == 55, unknown) == (bool(seen.patches), seen.unknown)


@pytest.mark.parametrize(
    ("attributes", "state"),
    [
        ("enabled=1\ntransition=0\npatched=1\n", PatchState.APPLIED),
        ("enabled=1\ntransition!absent\n", PatchState.APPLIED),
        ("enabled=1\ntransition=1\n", PatchState.TRANSITIONING),
        ("enabled=0\ntransition=1\n", PatchState.REVERTING),
        ("enabled=0\ntransition=0\n", PatchState.DISABLED),
        ("enabled=0\ntransition!absent\n", PatchState.DISABLED),
        ("enabled=1\ntransition=0\npatched=1\npatched=0\n", PatchState.FAILED),
        ("enabled=1\ntransition!unreadable\n", PatchState.FAILED),
        ("enabled=1\ntransition=\n", PatchState.FAILED),
        ("enabled=1\n", PatchState.FAILED),
        ("enabled!unreadable\ntransition=0\n", PatchState.FAILED),
        ("enabled=\ntransition=0\n", PatchState.FAILED),
        ("enabled=yes\ntransition=0\n", PatchState.FAILED),
        ("enabled=11\ntransition=0\n", PatchState.FAILED),
        ("enabled=1\ntransition=2\n", PatchState.FAILED),
    ],
)
def test_patch_state(attributes: str, state: PatchState) -> None:
    """Applied only when everything that is there says so; what cannot be told has failed, and is unknown."""
    fields = fields_of(b"supported=yes\npatch=livepatch_a\n" + attributes.encode())
    seen = parse_livepatch(fields, NOTHING, root_lacks="needs_root")
    assert [state] == [patch.state for patch in seen.patches]
    assert (state is PatchState.FAILED) == ("live_patches.livepatch_a" in seen.unknown)
    moving = state in (PatchState.TRANSITIONING, PatchState.REVERTING)
    assert moving == (seen.unknown.get("live_patches.blocking") == "needs_root")


STARTED = "log=[1.0] livepatch: 'livepatch_a': starting patching transition\n"
SIGNALLED = "log=[16.0] livepatch: signaling remaining tasks\n"
ENDED = "log=[0.5] livepatch: 'livepatch_0': patching complete\n"


@pytest.mark.parametrize(
    ("transition", "state"),
    [
        ("patch=livepatch_a\ntasks=1\npid=7\ncomm=kswapd0\n" + STARTED + SIGNALLED, PatchState.STALLED),
        ("patch=livepatch_a\ntasks=1\npid=7\n" + SIGNALLED, PatchState.STALLED),
        ("patch=livepatch_a\ntasks=0\n" + STARTED + SIGNALLED, PatchState.TRANSITIONING),
        ("patch=livepatch_a\ntasks=1\npid=7\n" + SIGNALLED + ENDED + STARTED, PatchState.TRANSITIONING),
        ("patch=livepatch_a\ntasks=1\npid=7\nlog!absent\n", PatchState.TRANSITIONING),
        ("patch=livepatch_z\ntasks=1\npid=7\n" + SIGNALLED, PatchState.TRANSITIONING),
        ("moving=no\n", PatchState.TRANSITIONING),
    ],
    ids=["signalled", "log-rotated", "no-task-left", "earlier-transition", "no-log", "other-patch", "over-by-now"],
)
def test_stalled(transition: str, state: PatchState) -> None:
    """Stalled needs both: tasks that are named, and the kernel's word that it began to signal them."""
    fields = fields_of(b"supported=yes\npatch=livepatch_a\nenabled=1\ntransition=1\n")
    seen = parse_livepatch(fields, fields_of(transition.encode()), root_lacks=None)
    assert [state] == [patch.state for patch in seen.patches]


@pytest.mark.parametrize(
    ("lines", "supported", "unknown"),
    [
        ("supported=no\n", False, {}),
        ("supported=yes\nmodules!absent\n", True, {}),
        ("supported=yes\nmodules!unreadable\n", True, {"live_patches": "unreadable"}),
        ("supported=yes\npatches!odd_name\n", True, {"live_patches": "odd_name"}),
        ("supported!unreadable\n", None, {"live_patches": "unreadable", "livepatch_supported": "unreadable"}),
        ("", None, {"live_patches": "unreadable", "livepatch_supported": "unreadable"}),
    ],
)
def test_livepatch_support(lines: str, supported: bool | None, unknown: dict[str, str]) -> None:
    """No patches is an answer only where the list could be read."""
    seen = parse_livepatch(fields_of(lines.encode()), NOTHING, root_lacks=None)
    assert (supported, (), unknown) == (seen.supported, seen.patches, seen.unknown)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            "lockdown=none [integrity] confidentiality\nefi=yes\nsecure_boot=06 00 00 00 01\nsig_enforce=Y\n",
            Security(lockdown="integrity", secure_boot=True, module_signatures_enforced=True),
        ),
        (
            "lockdown=[none] integrity confidentiality\nefi=yes\nsecure_boot=06 00 00 00 00\nsig_enforce=N\n",
            Security(lockdown="none", secure_boot=False, module_signatures_enforced=False),
        ),
        (
            "lockdown!absent\nefi=no\nsig_enforce=N\n",
            Security(secure_boot=False, module_signatures_enforced=False, unknown={"lockdown": "absent"}),
        ),
        (
            "lockdown=[everything]\nefi=yes\nsecure_boot=06 00 00 00 77\nsig_enforce=maybe\n",
            Security(
                unknown=dict.fromkeys(("lockdown", "module_signatures_enforced", "secure_boot"), "unreadable"),
            ),
        ),
    ],
    ids=["on", "off", "no-efi", "garbage"],
)
def test_security(lines: str, expected: Security) -> None:
    """What guards the kernel against modules; what makes no sense is unknown."""
    assert expected == parse_security(fields_of(lines.encode()))


@pytest.mark.parametrize(
    ("lines", "root", "expected"),
    [
        ("container=docker\n", NOTHING, Virtualization.CONTAINER),
        ("detected=lxc\n", NOTHING, Virtualization.CONTAINER),
        ("detected=kvm\n", NOTHING, Virtualization.VM),
        ("detected=none\n", NOTHING, Virtualization.NONE),
        ("vendor=QEMU\nflags=none\n", NOTHING, Virtualization.VM),
        ("vendor=Dell Inc.\nflags=hypervisor\n", NOTHING, Virtualization.VM),
        ("vendor=Dell Inc.\nflags=none\n", NOTHING, Virtualization.NONE),
        ("vendor=Dell Inc.\nflags=none\n", fields_of(b"container=lxc\n"), Virtualization.CONTAINER),
        ("vendor=Dell Inc.\nflags=none\n", Fields(lacks="answer_incomplete"), None),
        ("vendor!absent\nflags!unreadable\n", NOTHING, None),
    ],
)
def test_virtualization(lines: str, root: Fields, expected: Virtualization | None) -> None:
    """Files, then systemd, then the hardware; nothing where none of them says."""
    assert expected == parse_virtualization(fields_of(lines.encode()), root)


def _packages(body: bytes, known: str | None = None) -> SeenPackages:
    """The parsed section, with a fingerprint as the host itself calls it."""
    seen = parse_packages(Section(name="packages", body=body, exit_status=0), known)
    if seen.packages is None:
        return seen
    named = seen.packages.model_copy(update={"fingerprint": host_part(seen.packages.fingerprint)})
    return seen.model_copy(update={"packages": named})


def test_nobody_speaks_for_another_hosts_package_list() -> None:
    """Hosts that call different lists by one name get fingerprints of their own; a list that we did not ask about, or
    do not have, is not known."""
    one, other = (
        parse_packages(
            Section(name="packages", body=b"manager=dpkg\n" + SENT + b"list=dpkg\nlist=dpkg\n" + rows, exit_status=0)
        ).packages
        for rows in (b"a\t1\tall\ta\t1\tinstalled\n", b"a\t2\tall\ta\t2\tinstalled\n")
    )
    assert one is not None
    assert other is not None
    assert one.fingerprint != other.fingerprint
    kept = b"manager=dpkg\nfingerprint=abc\nlist=known\n"
    assert Packages(manager="dpkg", fingerprint=one.fingerprint) == (
        parse_packages(Section(name="packages", body=kept, exit_status=0), one.fingerprint).packages
    )
    for unasked in (None, "abd@" + "0" * 64):
        assert parse_packages(Section(name="packages", body=kept, exit_status=0), unasked).packages is None


SENT = b"fingerprint=abc\nstatus=0\n"
PACKAGE = Package(name="openssl", version="1:3.0-1", arch="x86_64", source="openssl", source_version="3.0-1")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b"manager=rpm\n" + SENT + b"list=rpm\nopenssl\t1:3.0-1\tx86_64\topenssl-3.0-1.src.rpm\n",
            SeenPackages(packages=Packages(manager="rpm", fingerprint="abc", items=(PACKAGE,))),
        ),
        (
            b"manager=dpkg\n" + SENT + b"list=dpkg\na\t1\tall\ta\t1\tinstalled\nb\t1\tall\tb\t1\tdeinstall\n",
            SeenPackages(
                packages=Packages(
                    manager="dpkg",
                    fingerprint="abc",
                    items=(Package(name="a", version="1", arch="all", source="a", source_version="1"),),
                )
            ),
        ),
        (
            b"manager=apk\n" + SENT + b"list=apk\nP:musl\nV:1.2-r0\nA:x86_64\no:musl\n\nP:x\nV:1-r0\n\n",
            SeenPackages(
                packages=Packages(
                    manager="apk",
                    fingerprint="abc",
                    items=(
                        Package(name="musl", version="1.2-r0", arch="x86_64", source="musl", source_version="1.2-r0"),
                        Package(name="x", version="1-r0"),
                    ),
                )
            ),
        ),
        (
            b"manager=dpkg\n"
            + SENT
            + b"list=dpkg\n\x1b[31m\nevil name\t1\tall\tx\t1\tinstalled\n\t\t\t\t\tinstalled\n",
            SeenPackages(packages=Packages(manager="dpkg", fingerprint="abc", items=()), rows_lack="answer_garbled"),
        ),
        (
            b"manager=dpkg\n" + SENT + b"list=status\n"
            b"Package: a\nStatus: hold ok installed\nArchitecture: all\nSource: b (2:1)\nVersion: 1\n\n"
            b"Package: c\nStatus: install ok installed\nArchitecture: all\nSource: d\nVersion: 3\n\n"
            b"Package: e\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n"
            b"Package: f\nStatus: install ok unpacked\n\n\n"
            b"Version: 4~\xc3\xa9\x1b[31m\nStatus: install ok installed\nPackage: g\n",
            SeenPackages(
                packages=Packages(
                    manager="dpkg",
                    fingerprint="abc",
                    items=(
                        Package(name="a", version="1", arch="all", source="b", source_version="2:1"),
                        Package(name="c", version="3", arch="all", source="d", source_version="3"),
                        Package(name="g", version="4~\u00e9", source="g", source_version="4~\u00e9"),
                    ),
                )
            ),
        ),
        (
            b"manager=dpkg\n" + SENT + b"list=status\n"
            b"Package: a\nVersion: 1\n\nStatus: install ok installed\nVersion: 1\n\n"
            b"Package: a\nStatus: install ok installed\n\nPackage: a b\nStatus: a b installed\nVersion: 1\n",
            SeenPackages(packages=Packages(manager="dpkg", fingerprint="abc", items=()), rows_lack="answer_garbled"),
        ),
        (b"manager=rpm\n" + SENT + b"list=status\nPackage: a\n", SeenPackages(lacks="unreadable")),
        (b"manager=dpkg\n" + SENT + b"list=sent\na\n", SeenPackages(lacks="unreadable")),
        (b"manager=dpkg\nfingerprint=abc\nlist=known\n", SeenPackages(lacks="unreadable")),
        (b"manager=dpkg\nfingerprint=abc\nstatus=0\nlist!too_large\n", SeenPackages(lacks="too_large")),
        (b"manager=dpkg\nfingerprint=abc\nstatus=2\nlist=status\na\n", SeenPackages(lacks="unreadable")),
        (b"manager=dpkg\nfingerprint!unreadable\n", SeenPackages(lacks="unreadable")),
        (b"manager=none\n", SeenPackages(lacks="absent")),
        (b"manager=pacman\nfingerprint=abc\n", SeenPackages(lacks="unreadable")),
        (b"\xff\x00", SeenPackages(lacks="unreadable")),
    ],
    ids=[
        "rpm",
        "dpkg",
        "apk",
        "hostile",
        "status",
        "hostile-status",
        "other-managers",
        "other-format",
        "known",
        "too-large",
        "failed",
        "unreadable",
        "none",
        "unheard",
        "garbage",
    ],
)
def test_packages(body: bytes, expected: Frozen) -> None:
    """The packages of each manager, or why there are none: an unreadable list is not an empty one."""
    assert expected == _packages(body)


@pytest.mark.parametrize(
    ("how", "stderr", "expected"),
    [
        ("none", "", "needs_root"),
        ("missing", "", SudoMissing.code),
        ("sudo", "sudo: a password is required", SudoPasswordMissing.code),
        ("sudo", "sudo: unable to resolve host web1", RootUnavailable.code),
        ("login", "", RootUnavailable.code),
        ("", "", RootUnavailable.code),
    ],
)
def test_root_lacks(how: str, stderr: str, expected: str) -> None:
    """The script says whether there is sudo, and sudo what it lacks; anything else is a failure without a name."""
    answer = Answer(sections={}, complete=True, root=False, stderr=stderr)
    assert expected == root_lacks(answer, fields_of(f"how={how}\n".encode()))
