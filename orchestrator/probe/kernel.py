"""The running kernel, the installed ones, and the package each came from."""

import re
from collections.abc import Iterator

from orchestrator.core.facts import InstalledKernel, Kernel, Package
from orchestrator.core.kernel_source import kernel_source
from orchestrator.core.model import Frozen
from orchestrator.probe.fields import TOO_LARGE, Fields, Line
from orchestrator.probe.notes import gnu_build_id
from orchestrator.probe.packages import SeenPackages, rpm_version, source_rpm
from orchestrator.probe.text import match

LONGEST_RELEASE = 128
MOST_KERNELS = 64
"""Installed kernels of one host; who has more is not believed."""

_LONGEST_WORD = 200
"""Characters of a package's name or version."""

_RELEASE = rf"[a-zA-Z0-9._+:~,-]{{1,{LONGEST_RELEASE}}}"
_DEBIAN = re.compile(r"\bDebian ([0-9][0-9A-Za-z.+:~-]{0,127}) \(")
_UBUNTU = re.compile(r"Ubuntu ([0-9][0-9.]{0,63}-[0-9][0-9A-Za-z.+~]{0,63})-\S+ ")
_DEB_NAME = re.compile(r"(?:linux-image|pve-kernel|proxmox-kernel)-(?:unsigned-)?(.+?)(?:-signed)?")


_KERNELS = {"dpkg": ("linux-image-", "pve-kernel-", "proxmox-kernel-"), "apk": ("linux-",)}
"""How the packages that own a kernel are named."""


class Owner(Frozen):
    """The package that owns a kernel image, as its packager names it and its source."""

    package: str
    version: str
    source: str | None = None
    source_version: str | None = None


def parse_kernel(kernel: Fields, owners: dict[str, Owner | None]) -> Kernel | None:
    """The running kernel; None when not even its release could be read.

    Package and source are those of the image that BOOTED: Debian's and Ubuntu's kernels carry their own version, which
    an upgrade on disk under the same ``uname -r`` does not change.
    """
    running = kernel.get("release")
    if running is None or not re.fullmatch(_RELEASE, running):
        return None
    owner = owners.get(running)
    version = _booted_version(kernel) or (owner.version if owner else None)
    source, source_version = _source(owner, version)
    return Kernel(
        running=running,
        package=owner.package if owner else None,
        package_version=version,
        source=source,
        source_version=source_version,
        build_id=gnu_build_id(kernel.get("notes")),
        installed=tuple(_installed(owners)),
    )


def parse_arch(kernel: Fields) -> str | None:
    """The machine, as ``uname -m`` names it."""
    return match(r"[a-z0-9_]{1,32}", kernel.get("arch"))


def installed_lacks(kernels: Fields) -> str | None:
    """Why `read_owners` does not tell of every installed kernel and its owner; None when it does."""
    if kernels.lacks:
        return kernels.lacks
    for key in ("owners", "releases"):
        if any(line.key == key and line.lacks for line in kernels.lines):
            return kernels.why(key)
    releases = kernels.all("release")
    if len(releases) > MOST_KERNELS or any(len(release) > LONGEST_RELEASE for release in releases):
        return TOO_LARGE
    if any(len(word) > _LONGEST_WORD for row in kernels.all("owner") for word in row.split(" ")):
        return TOO_LARGE
    return None


def with_listed_owners(kernels: Fields, seen: SeenPackages) -> Fields:
    """The section with its owners taken from the package list, where the host says that they are in it."""
    if kernels.get("owners") != "listed":
        return kernels
    packages = seen.packages
    if packages is None or packages.items is None or seen.rows_lack:
        return Fields(lines=(*kernels.lines, Line(key="owners", value=None, lacks=seen.lacks or "unreadable")))
    prefixes = _KERNELS.get(packages.manager, ())
    return Fields(lines=(*kernels.lines, *(_line(item) for item in packages.items if item.name.startswith(prefixes))))


def _line(item: Package) -> Line:
    words = (item.name, item.version, "installed", item.source or "", item.source_version or "")
    return Line(key="owner", value=" ".join(words))


def read_owners(kernels: Fields) -> dict[str, Owner | None]:
    """Installed releases and their owners, None for one that no package owns. At most `MOST_KERNELS` of them."""
    releases = [release for release in kernels.all("release") if re.fullmatch(_RELEASE, release)][:MOST_KERNELS]
    rows = [owner for owner in map(_owner, kernels.all("owner")) if owner is not None]
    by_name = {release: owner for owner in rows for release in _releases_of(owner)}
    by_order = dict(zip(releases, rows, strict=True)) if len(rows) == len(releases) else {}
    if kernels.get("manager") == "rpm":
        return {release: by_order.get(release) or _by_version(release, rows) for release in releases}
    return {release: by_name.get(release) for release in releases}


def _owner(row: str) -> Owner | None:
    package, version, state, source, source_version, *_ = [*row.split(" "), "", "", "", "", ""]
    if any(len(word) > _LONGEST_WORD for word in (package, version, source, source_version)):
        return None
    if not package or not version or state != "installed":
        return None
    if not source_version and source.endswith(".rpm"):
        rpm_source, rpm_source_version = source_rpm(source)
        return Owner(
            package=package, version=rpm_version(version), source=rpm_source, source_version=rpm_source_version
        )
    return Owner(package=package, version=version, source=source or None, source_version=source_version or None)


def _releases_of(owner: Owner) -> Iterator[str]:
    """The ``uname -r`` that a package's name or version tells: dpkg's names hold it, apk's make it up."""
    deb = _DEB_NAME.fullmatch(owner.package)
    if deb:
        yield deb[1]
    apk = re.fullmatch(r"(.+)-r([0-9]+)", owner.version)
    if apk and owner.package.startswith("linux-"):
        yield f"{apk[1]}-{apk[2]}-{owner.package.removeprefix('linux-')}"


def _by_version(release: str, rows: list[Owner]) -> Owner | None:
    """rpm's kernels carry version and release in their ``uname -r``, the architecture after the last dot."""
    version = release.rpartition(".")[0]
    return next((owner for owner in rows if owner.version.rpartition(":")[2] == version), None)


def _booted_version(kernel: Fields) -> str | None:
    ubuntu = _UBUNTU.match((kernel.get("signature") or "") + " ")
    debian = _DEBIAN.search(kernel.get("version") or "")
    found = ubuntu or debian
    return found[1] if found else None


def _source(owner: Owner | None, version: str | None) -> tuple[str | None, str | None]:
    """The booted image's source. Where another version of it is installed by now, its own version stands for both:
    Debian and Ubuntu give image and source the same one."""
    if owner is None or owner.source is None or owner.source_version is None:
        return None, None
    source, source_version = kernel_source(owner.source, owner.source_version)
    return source, source_version if version in (None, owner.version) else version


def _installed(owners: dict[str, Owner | None]) -> Iterator[InstalledKernel]:
    for release, owner in sorted(owners.items()):
        yield InstalledKernel(
            release=release,
            package=owner.package if owner else None,
            package_version=owner.version if owner else None,
        )
