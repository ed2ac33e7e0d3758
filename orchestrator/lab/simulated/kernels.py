"""The kernel builds that simulated hosts run, and the files that all hosts of one build share."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrator.lab.simulated import systems
from orchestrator.lab.simulated.elf import note
from orchestrator.lab.simulated.package_lists import Installed, database
from orchestrator.lab.simulated.systems import Packager, System

XEN_NOTE = b"\x04\0\0\0\x04\0\0\0\x01\0\0\0Xen\0abcd"
"""Comes before the GNU note in real kernels: a reader has to find its way past it."""


@dataclass(frozen=True, kw_only=True)
class SimulatedKernel:
    """A kernel build with its system.

    ``release``: ``uname -r``; ``version``: its package's; ``package`` and ``source`` may hold ``{release}`` and
    ``{version}``; ``build``: ``uname -v``; ``signature``: /proc/version_signature, where there is one. ``attributes``:
    what its sysfs has for a patch beside ``enabled``, None for a kernel without live patching. ``newer``: release and
    version of an image that is installed and was not booted.
    """

    system: System
    release: str
    version: str
    package: str
    source: str
    build: str
    attributes: tuple[str, ...] | None
    signature: str | None = None
    newer: tuple[str, str] | None = None

    @property
    def build_id(self) -> str:
        """Its GNU build id."""
        return hashlib.sha1(self.release.encode(), usedforsecurity=False).hexdigest()

    @property
    def vermagic(self) -> str:
        """What a module for it must say."""
        return f"{self.release} SMP preempt mod_unload modversions "

    @property
    def images(self) -> tuple[tuple[str, Installed], ...]:
        """The installed images: release and package."""
        return tuple(
            (release, Installed(name=self._filled(self.package, release, version), version=version, source=source))
            for release, version in ((self.release, self.version), *([self.newer] if self.newer else []))
            for source in (self._filled(self.source, release, version),)
        )

    @staticmethod
    def _filled(template: str, release: str, version: str) -> str:
        return template.format(release=release, version=version, plus=version.replace("-", "+"))


def _debian(system: System, release: str, version: str, *attributes: str) -> SimulatedKernel:
    return SimulatedKernel(
        system=system,
        release=release,
        version=version,
        package="linux-image-{release}",
        # Debian's signed images come from a source package whose version has no hyphen.
        source="linux-signed-amd64 ({plus})",
        build=f"#1 SMP PREEMPT_DYNAMIC Debian {version} (2025-11-09)",
        attributes=attributes,
    )


def _ubuntu(
    system: System, abi: str, upload: str, upstream: str, *attributes: str, newer: tuple[str, str] | None = None
) -> SimulatedKernel:
    """``abi``: ``5.15.0-151``, ``upload``: ``161``: the package's version has both, ``uname -r`` the first."""
    return SimulatedKernel(
        system=system,
        release=f"{abi}-generic",
        version=f"{abi}.{upload}",
        package="linux-image-{release}",
        source="linux-signed",
        build=f"#{upload}-Ubuntu SMP PREEMPT_DYNAMIC Tue Jul 22 14:25:40 UTC 2025",
        attributes=attributes,
        signature=f"Ubuntu {abi}.{upload}-generic {upstream}",
        newer=newer,
    )


def _rpm(
    system: System,
    version: str,
    *attributes: str,
    package: str = "kernel-core",
    source: str = "kernel",
    build: str = "#1",
) -> SimulatedKernel:
    """Their ``uname -r`` is version, release and architecture of the package."""
    return SimulatedKernel(
        system=system,
        release=f"{version}.x86_64",
        version=version,
        package=package,
        source=f"{source}-{{version}}.src.rpm",
        build=f"{build} SMP PREEMPT_DYNAMIC Thu Aug 14 09:41:55 UTC 2025",
        attributes=attributes,
    )


def _suse(system: System, version: str, commit: str, *attributes: str) -> SimulatedKernel:
    """The last number of the package's release counts its rebuilds and is not in ``uname -r``."""
    return SimulatedKernel(
        system=system,
        release=f"{version.rpartition('.')[0]}-default",
        version=version,
        package="kernel-default",
        source="kernel-default-{version}.nosrc.rpm",
        build=f"#1 SMP PREEMPT_DYNAMIC Wed Jun 11 12:07:44 UTC 2025 ({commit})",
        attributes=attributes,
    )


BOOKWORM = _debian(systems.DEBIAN_12, "6.1.0-41-cloud-amd64", "6.1.158-1", "transition", "patched")
OLDER_BOOKWORM = _debian(systems.DEBIAN_12, "6.1.0-37-cloud-amd64", "6.1.140-1", "transition", "patched")
TRIXIE = _debian(systems.DEBIAN_13, "6.12.57+deb13-cloud-amd64", "6.12.57-1", "transition", "patched", "replace")
KERNELS = (BOOKWORM, TRIXIE, OLDER_BOOKWORM)
"""Those of the demo: the catalogue of a lab has modules for them."""

FOCAL = _ubuntu(systems.UBUNTU_20, "5.4.0-216", "236", "5.4.292", "transition")
JAMMY = _ubuntu(
    systems.UBUNTU_22, "5.15.0-151", "161", "5.15.184", "transition", newer=("5.15.0-153-generic", "5.15.0-153.163")
)
NOBLE = _ubuntu(systems.UBUNTU_24, "6.8.0-79", "79", "6.8.12", "transition", "patched")
RHEL_8 = _rpm(systems.RHEL_8, "4.18.0-553.62.1.el8_10", "transition", "force", "signal")
RHEL_9 = _rpm(systems.RHEL_9, "5.14.0-570.22.1.el9_6", "transition", "force", "patched")
ALMA_8 = _rpm(systems.ALMA_8, "4.18.0-553.58.1.el8_10", "transition", "force", "signal")
ALMA_9 = _rpm(systems.ALMA_9, "5.14.0-570.25.1.el9_6", "transition", "force", "patched")
ROCKY_8 = _rpm(systems.ROCKY_8, "4.18.0-553.56.1.el8_10", "transition", "force", "signal")
ROCKY_9 = _rpm(systems.ROCKY_9, "5.14.0-570.26.1.el9_6", "transition", "force", "patched")
ORACLE_8 = _rpm(systems.ORACLE_8, "4.18.0-553.53.1.el8_10", "transition", "force", "signal")
ORACLE_9 = _rpm(
    systems.ORACLE_9,
    "5.15.0-310.184.5.2.el9uek",
    "transition",
    package="kernel-uek-core",
    source="kernel-uek",
    build="#2",
)
SLES_15_SP3 = _suse(systems.SLES_15_SP3, "5.3.18-150300.59.198.1", "c5a1f9e", "transition", "force")
SLES_15_SP6 = _suse(systems.SLES_15_SP6, "6.4.0-150600.23.53.1", "37d3fe2", "transition", "force", "patched")
AMAZON_2 = _rpm(systems.AMAZON_2, "5.10.237-230.949.amzn2", "transition", "force", package="kernel")
AMAZON_2023 = _rpm(systems.AMAZON_2023, "6.1.141-155.222.amzn2023", "transition", "patched", package="kernel")
ALPINE = SimulatedKernel(
    system=systems.ALPINE_3_22,
    release="6.12.54-0-virt",
    version="6.12.54-r0",
    package="linux-virt",
    source="linux-lts",
    build="#1-Alpine SMP PREEMPT_DYNAMIC 2025-10-20 08:03:25",
    attributes=None,
)


def shared_files(kernel: SimulatedKernel) -> Iterator[tuple[str, bytes]]:
    """Path below the root and content of what is the same on every host of that build. A host that changes one of them
    puts a file of its own in its place."""
    yield "etc/os-release", kernel.system.os_release.encode()
    yield "proc/sys/kernel/osrelease", f"{kernel.release}\n".encode()
    yield "proc/sys/kernel/version", f"{kernel.build}\n".encode()
    yield "proc/version", f"Linux version {kernel.release} (builder@simulated) (gcc) {kernel.build}\n".encode()
    yield "proc/cpuinfo", b"processor\t: 0\nflags\t\t: fpu vme de pse tsc msr hypervisor lahf_lm\n"
    yield "sys/kernel/notes", XEN_NOTE + note(bytes.fromhex(kernel.build_id))
    yield "sys/kernel/security/lockdown", b"[none] integrity confidentiality\n"
    yield "sys/module/module/parameters/sig_enforce", b"N\n"
    yield "sys/class/dmi/id/sys_vendor", b"QEMU\n"
    if kernel.signature is not None:
        yield "proc/version_signature", f"{kernel.signature}\n".encode()
    yield kernel.system.database, database(kernel.system, [image for _, image in kernel.images])
    yield from _image_files(kernel)


@cache
def shared_paths(kernel: SimulatedKernel) -> tuple[str, ...]:
    """The paths of `shared_files`."""
    return tuple(path for path, _ in shared_files(kernel))


def _image_files(kernel: SimulatedKernel) -> Iterator[tuple[str, bytes]]:
    """The images, and who owns them: red hats keep one beside the modules, Alpine names it after its flavour."""
    owners = []
    for release, image in kernel.images:
        places = {
            Packager.DPKG: (f"boot/vmlinuz-{release}",),
            Packager.RPM: (f"boot/vmlinuz-{release}", f"lib/modules/{release}/vmlinuz"),
            Packager.APK: (f"boot/vmlinuz-{release.rpartition('-')[2]}",),
        }[kernel.system.packager]
        yield from ((place, b"MZ") for place in places)
        owners += [f"/{place}\t{image.name}-{image.version}\n" for place in places]
    yield "lab/owners", "".join(owners).encode()


def write_shared(folder: Path, kernels: Iterable[SimulatedKernel]) -> None:
    """Write the shared files of these builds below ``folder``, a folder per release."""
    for kernel in kernels:
        for path, content in shared_files(kernel):
            file = folder / kernel.release / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
