"""Which kernels the machine's Debian archive has, and fetching packages from it. Nothing is installed here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from univers.versions import DebianVersion

from orchestrator.errors import NotAvailable
from orchestrator.lab.kernel.programs import run

PATTERN = r"^linux-(image|headers)-[0-9]+[.][0-9]+[.][0-9]+.*-cloud-amd64$"
"""Debian's cloud kernels: small, and built with CONFIG_LIVEPATCH. The third number leaves meta-packages out."""

_NAME = re.compile(r"linux-(image|headers)-(?P<release>[0-9]+\.[0-9]+\.[0-9]\S*-cloud-amd64)$")
_BUILD_DEPENDENCY = re.compile(r"linux-(headers-\S+-common|kbuild-\S+)$")
_COMPILER = re.compile(r"(?:^|-)(gcc-[0-9]+)(?:-|$)")


@dataclass(frozen=True, kw_only=True)
class Stanza:
    """One package as ``apt-cache show`` describes it. ``depends``: package names alone, alternatives included."""

    package: str
    version: str
    sha256: str
    depends: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class KernelPackage:
    """A kernel in the archive with all that building a module for it takes.

    ``release`` is what ``uname -r`` will say, ``version`` the package's version, ``build_packages`` the headers and
    what they include, ``compiler`` the one Debian built it with (``gcc-12``), ``sha256`` of image and headers.
    """

    release: str
    version: str
    image: str
    build_packages: tuple[str, ...]
    compiler: str
    sha256: tuple[str, ...]

    @property
    def series(self) -> str:
        """``6.12`` of ``6.12.38+deb12-cloud-amd64``."""
        return ".".join(self.release.split(".")[:2])


def parse_search(text: str) -> tuple[str, ...]:
    """Releases that have both an image and headers in the output of ``apt-cache search --names-only``, sorted."""
    seen: dict[str, set[str]] = {"image": set(), "headers": set()}
    for line in text.splitlines():
        if match := _NAME.match(line.split(" - ")[0].strip()):
            seen[match[1]].add(match["release"])
    return tuple(sorted(seen["image"] & seen["headers"]))


def parse_show(text: str) -> tuple[Stanza, ...]:
    """The packages in the output of ``apt-cache show --no-all-versions``."""
    return tuple(_stanza(block) for block in text.split("\n\n") if block.strip())


def _stanza(block: str) -> Stanza:
    fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line and not line.startswith(" "))
    try:
        return Stanza(
            package=fields["Package"].strip(),
            version=fields["Version"].strip(),
            sha256=fields["SHA256"].strip(),
            depends=_names(fields.get("Depends", "")),
        )
    except KeyError as exc:
        raise NotAvailable(f"apt-cache show: a stanza without {exc.args[0]}: {block[:80]!r}") from exc


def _names(depends: str) -> tuple[str, ...]:
    alternatives = (part for group in depends.split(",") for part in group.split("|"))
    return tuple(words[0] for part in alternatives if (words := part.split()))


def kernels(stanzas: Iterable[Stanza]) -> tuple[KernelPackage, ...]:
    """Every kernel whose image and headers the archive has in one and the same version."""
    by_name = {stanza.package: stanza for stanza in stanzas}
    releases = [match["release"] for name in by_name if (match := _NAME.match(name)) and match[1] == "image"]
    pairs = [
        (release, by_name[f"linux-image-{release}"], by_name.get(f"linux-headers-{release}")) for release in releases
    ]
    return tuple(
        _kernel(release, image, headers)
        for release, image, headers in pairs
        if headers and headers.version == image.version
    )


def _kernel(release: str, image: Stanza, headers: Stanza) -> KernelPackage:
    compilers = [match[1] for name in headers.depends if (match := _COMPILER.search(name))]
    needed = [name for name in headers.depends if _BUILD_DEPENDENCY.match(name)]
    return KernelPackage(
        release=release,
        version=image.version,
        image=image.package,
        build_packages=(headers.package, *needed),
        compiler=compilers[0] if compilers else "gcc",
        sha256=(image.sha256, headers.sha256),
    )


def choose(available: Sequence[KernelPackage], *, builds: int) -> tuple[KernelPackage, ...]:
    """The newest kernel of each series, newest series first served, filled up with older ones; in ascending order.

    Fewer than ``builds`` where the archive has fewer; `NotAvailable` where it has none.
    """
    newest_first = sorted(available, key=_age, reverse=True)
    if not newest_first:
        raise NotAvailable(
            "the archive has no linux-image-*-cloud-amd64 with its headers: run apt-get update on Debian amd64"
        )
    of_series = {kernel.series: kernel for kernel in reversed(newest_first)}
    leaders = [kernel for kernel in newest_first if of_series[kernel.series] is kernel]
    rest = [kernel for kernel in newest_first if of_series[kernel.series] is not kernel]
    return tuple(sorted([*leaders, *rest][:builds], key=_age))


def _age(kernel: KernelPackage) -> DebianVersion:
    return DebianVersion(kernel.version)


def available_kernels() -> tuple[KernelPackage, ...]:
    """What the package lists of this machine offer."""
    releases = parse_search(run("apt-cache", "search", "--names-only", PATTERN).decode())
    if not releases:
        return ()
    names = [f"linux-{kind}-{release}" for release in releases for kind in ("image", "headers")]
    return kernels(parse_show(run("apt-cache", "show", "--no-all-versions", *names).decode()))


def download(packages: Iterable[str], folder: Path) -> None:
    """Put the packages' ``.deb`` files into ``folder``. apt verifies them; its sandbox user could not write there."""
    run("apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages, cwd=folder)


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the root tree comes from: a Debian suite, and this machine's mirror of it (None: debootstrap's own)."""

    suite: str
    mirror: str | None


def parse_targets(text: str, *, suite: str) -> Source:
    """The mirror of ``suite`` in the output of ``apt-get indextargets`` (lines ``CODENAME COMPONENT URI``)."""
    rows = (line.split() for line in text.splitlines())
    uris = [row[2] for row in rows if len(row) == 3 and row[:2] == [suite, "main"]]
    return Source(suite=suite, mirror=uris[0] if uris else None)


def parse_suite(os_release: str) -> str:
    """The code name in ``/etc/os-release``."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    suite = fields.get("VERSION_CODENAME", "").strip('"')
    if fields.get("ID", "").strip('"') != "debian" or not suite:
        raise NotAvailable("the kernel lab is built from Debian's archive, and this machine is not Debian")
    return suite


def source() -> Source:
    """The suite and mirror that this machine itself uses."""
    listed = run("apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)", "Created-By: Packages")
    return parse_targets(listed.decode(), suite=parse_suite(Path("/etc/os-release").read_text()))
