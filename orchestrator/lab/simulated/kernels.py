"""The kernel builds that simulated hosts run, and the files that all hosts of one build share."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab.simulated.elf import note

XEN_NOTE = b"\x04\0\0\0\x04\0\0\0\x01\0\0\0Xen\0abcd"
"""Comes before the GNU note in real kernels: a reader has to find its way past it."""


def _words(text: str) -> list[str]:
    return text.split()


_PACKAGES = _words(
    "apt base-files bash bzip2 ca-certificates chrony coreutils cron curl dash debconf debianutils diffutils dpkg "
    "e2fsprogs findutils gawk git gnupg grep gzip hostname htop init iproute2 iptables jq kmod less locales login "
    "logrotate lsof mawk mount nano ncurses-base netbase nftables nginx openssh-client openssh-server openssl passwd "
    "perl-base procps psmisc python3 rsync rsyslog sed strace sudo systemd systemd-sysv sysvinit-utils tar tcpdump "
    "tmux tzdata udev unzip util-linux vim-tiny wget xz-utils zlib1g zstd"
)
_LIBRARIES = _words(
    "acl attr audit blkid bpf bz2 cap com cryptsetup curl db edit elf event expat ext ffi fdisk gcrypt gmp gnutls "
    "gpg gssapi hogweed icu idn jansson json keyutils kmod krb ldap lz4 lzma magic mnl mount ncurses nettle nghttp "
    "nss p11 pam pcap pci pcre png popt proc psl python readline rtmp sasl seccomp selinux semanage sepol slang "
    "smartcols sodium sqlite ssh ssl stdc systemd tasn tinfo tirpc udev unistring usb uuid uv xml xslt xxhash yaml zip"
)


@dataclass(frozen=True, kw_only=True)
class SimulatedKernel:
    """A kernel build with its distribution. ``attributes``: what its sysfs has for a patch beside ``enabled``."""

    release: str
    version: str
    distribution: str
    os_version: str
    code_name: str
    attributes: tuple[str, ...]

    @property
    def build_id(self) -> str:
        """Its GNU build id."""
        return hashlib.sha1(self.release.encode(), usedforsecurity=False).hexdigest()

    @property
    def vermagic(self) -> str:
        """What a module for it must say."""
        return f"{self.release} SMP preempt mod_unload modversions "


BOOKWORM = SimulatedKernel(
    release="6.1.0-41-cloud-amd64",
    version="6.1.158-1",
    distribution="debian",
    os_version="12",
    code_name="bookworm",
    attributes=("transition", "patched"),
)
OLDER_BOOKWORM = SimulatedKernel(
    release="6.1.0-37-cloud-amd64",
    version="6.1.140-1",
    distribution="debian",
    os_version="12",
    code_name="bookworm",
    attributes=("transition", "patched"),
)
TRIXIE = SimulatedKernel(
    release="6.12.57+deb13-cloud-amd64",
    version="6.12.57-1",
    distribution="debian",
    os_version="13",
    code_name="trixie",
    attributes=("transition", "patched", "replace"),
)
KERNELS = (BOOKWORM, TRIXIE, OLDER_BOOKWORM)


def shared_files(kernel: SimulatedKernel) -> Iterator[tuple[str, bytes]]:
    """Path below the root and content of what is the same on every host of that build, and changes on none."""
    yield "etc/os-release", _os_release(kernel)
    yield "proc/sys/kernel/osrelease", f"{kernel.release}\n".encode()
    yield "proc/sys/kernel/version", f"#1 SMP PREEMPT_DYNAMIC Debian {kernel.version} (2025-11-09)\n".encode()
    yield "proc/cpuinfo", b"processor\t: 0\nflags\t\t: fpu vme de pse tsc msr hypervisor lahf_lm\n"
    yield "sys/kernel/notes", XEN_NOTE + note(bytes.fromhex(kernel.build_id))
    yield "sys/kernel/security/lockdown", b"[none] integrity confidentiality\n"
    yield "sys/module/module/parameters/sig_enforce", b"N\n"
    yield "sys/class/dmi/id/sys_vendor", b"QEMU\n"
    yield f"boot/vmlinuz-{kernel.release}", b"MZ"
    yield "var/lib/dpkg/status", _dpkg_status(kernel)


def _os_release(kernel: SimulatedKernel) -> bytes:
    title = f"Debian GNU/Linux {kernel.os_version} ({kernel.code_name})"
    return (
        f'PRETTY_NAME="{title}"\nNAME="Debian GNU/Linux"\nVERSION_ID="{kernel.os_version}"\n'
        f'VERSION="{kernel.os_version} ({kernel.code_name})"\nVERSION_CODENAME={kernel.code_name}\n'
        f"ID={kernel.distribution}\n"
    ).encode()


def _dpkg_status(kernel: SimulatedKernel) -> bytes:
    source_version = kernel.version.replace("-", "+")
    image = _paragraph(f"linux-image-{kernel.release}", kernel.version, source=f"linux-signed-amd64 ({source_version})")
    programs = [_paragraph(name, _version(name, kernel)) for name in _PACKAGES]
    libraries = [
        _paragraph(f"lib{name}{part}", _version(name, kernel), source=name)
        for name in _LIBRARIES
        for part in ("2", "-data")
    ]
    return "\n".join(sorted([image, *programs, *libraries])).encode()


def _version(name: str, kernel: SimulatedKernel) -> str:
    """Some version, the same each time."""
    number = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
    return f"{number[0] % 9}.{number[1] % 40}.{number[2] % 20}-{number[3] % 5 + 1}+deb{kernel.os_version}u1"


def _paragraph(name: str, version: str, *, source: str | None = None) -> str:
    lines = [f"Package: {name}", "Status: install ok installed", "Priority: optional", "Architecture: amd64"]
    lines += [f"Source: {source}"] if source else []
    lines += [f"Version: {version}", f"Description: {name}, simulated"]
    return "\n".join(lines) + "\n"


def write_shared(folder: Path) -> None:
    """Write the shared files of every build below ``folder``, a folder per release."""
    for kernel in KERNELS:
        for path, content in shared_files(kernel):
            file = folder / kernel.release / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
