"""The packages that simulated hosts begin with, in the form of each packager's database."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.lab.simulated.systems import Packager, System


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
class Installed:
    """A package. ``version`` in the packager's form; ``source``: as the packager names what it was built from."""

    name: str
    version: str
    source: str


def database(system: System, images: Sequence[Installed]) -> bytes:
    """The database of a host with these kernel images."""
    packages = sorted([*images, *_others(system)], key=lambda package: package.name)
    write = _WRITERS[system.packager]
    return "".join(write(package, system) for package in packages).encode()


def _others(system: System) -> Iterator[Installed]:
    """Programs and libraries, under the names that Debian gives them: names matter to nobody here."""
    for name in _PACKAGES:
        version = _version(name, system)
        yield Installed(name=name, version=version, source=_source(name, version, system))
    for name in _LIBRARIES:
        version = _version(name, system)
        for part in ("2", _DATA[system.packager]):
            yield Installed(name=f"lib{name}{part}", version=version, source=_source(name, version, system))


_DATA = {Packager.DPKG: "-data", Packager.RPM: "-devel", Packager.APK: "-doc"}


def _version(name: str, system: System) -> str:
    """Some version, the same each time."""
    number = hashlib.sha1(name.encode(), usedforsecurity=False).digest()
    upstream, revision = f"{number[0] % 9}.{number[1] % 40}.{number[2] % 20}", number[3] % 5 + 1
    if system.packager is Packager.APK:
        return f"{upstream}-r{revision}"
    if system.packager is Packager.RPM:
        return f"{upstream}-{_release(revision, system)}"
    return f"{upstream}-{revision}+{'deb' if system.id == 'debian' else 'u'}{system.version}u1"


def _release(revision: int, system: System) -> str:
    """As its builders count: ``3.el9``, ``3.amzn2023``; SUSE ``150600.3.1``, by the service pack."""
    major, _, minor = system.version.partition(".")
    if system.id == "sles":
        return f"{major}0{minor}00.{revision}.1"
    return f"{revision}.{'amzn' if system.id == 'amzn' else 'el'}{major}"


def _source(name: str, version: str, system: System) -> str:
    return f"{name}-{version}.src.rpm" if system.packager is Packager.RPM else name


def _dpkg(package: Installed, system: System) -> str:
    lines = [f"Package: {package.name}", "Status: install ok installed", "Priority: optional"]
    lines.append(f"Architecture: {system.architecture}")
    lines += [f"Source: {package.source}"] if package.source != package.name else []
    lines += [f"Version: {package.version}", f"Description: {package.name}, simulated"]
    return "\n".join(lines) + "\n\n"


def _rpm(package: Installed, system: System) -> str:
    """A row of our own rpm: name, epoch, version, release, architecture, source, time of installation."""
    epoch, _, rest = package.version.rpartition(":")
    version, _, release = rest.rpartition("-")
    cells = (package.name, epoch, version, release, system.architecture, package.source, "1746000000")
    return "\t".join(cells) + "\n"


def _apk(package: Installed, system: System) -> str:
    return f"P:{package.name}\nV:{package.version}\nA:{system.architecture}\no:{package.source}\n\n"


_WRITERS = {Packager.DPKG: _dpkg, Packager.RPM: _rpm, Packager.APK: _apk}
