"""The packages that hold live patches: their names, versions and modules, and what rpm tells of the installed ones."""

import re
from collections.abc import Iterable
from functools import cmp_to_key

from univers.versions import RpmVersion

from orchestrator.core.model import Frozen
from orchestrator.probe.packages import rpm_version

_RED_HAT = re.compile(r"(?P<version>\d[\w.]*)-(?P<release>\d[\w.]*?)\.el\d+(?:_\d+)?(?:\.\d+)*\.[a-z]\w+")
_RED_HATS_KIN = re.compile(r"\d[\w.]*-[\w.]+\.el\d+.*")
_AMAZON = re.compile(r"(?P<kernel>\d[\w.]*-\d[\w.]*?)\.amzn\d+\.[a-z]\w+")
_EVR = re.compile(r"(?:\d{1,9}:)?[A-Za-z0-9][A-Za-z0-9._+~^]{0,99}-[A-Za-z0-9][A-Za-z0-9._+~^]{0,99}")
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,9}\b")
_IN_BRACES = re.compile(r"\{([^{}]{0,2000})\}")
_MOST_MODULES = 64


class Wanted(Frozen):
    """What the live-patch package of one kernel is called; ``kernel``: as it stands in the names of modules."""

    package: str
    kernel: str
    is_amazon: bool


class InstalledPatch(Frozen):
    """A live-patch package as it is installed. ``evr``: its version and release, after its epoch where it has one;
    ``modules``: those that it brings; ``cves``: what it fixes by its changelog."""

    evr: str
    modules: tuple[str, ...] = ()
    cves: tuple[str, ...] = ()

    @property
    def is_seed(self) -> bool:
        """An empty package that only makes updates come (``0-0.el9_4``, ``1.0-0.amzn2023``): it fixes nothing."""
        return is_seed(self.evr)


def wanted(release: str) -> Wanted | None:
    """The package of the kernel that ``uname -r`` calls so; None for a kernel that none is made for.

    Red Hat: as its dnf plugin makes the name out of the kernel package's (github.com/dynup/kpatch-dnf, kpatch.py).
    Amazon: the name holds the release without distribution and architecture (Amazon Linux user guides).
    """
    found = _RED_HAT.fullmatch(release)
    if found is not None:
        kernel = f"{found['version']}-{found['release']}".replace(".", "_")
        return Wanted(package=f"kpatch-patch-{kernel}", kernel=kernel.replace("-", "_"), is_amazon=False)
    found = _AMAZON.fullmatch(release)
    if found is None:
        return None
    kernel = found["kernel"]
    return Wanted(package=f"kernel-livepatch-{kernel}", kernel=re.sub("[.-]", "_", kernel), is_amazon=True)


def is_of_the_family(release: str) -> bool:
    """A kernel built for Red Hat's systems or their kin, though perhaps another one than theirs (UEK, realtime)."""
    return _RED_HATS_KIN.fullmatch(release) is not None


def is_seed(evr: str) -> bool:
    """A release that begins with 0 is the empty first package of its kernel."""
    return re.fullmatch(r"0(?!\d).*", evr.rpartition("-")[2]) is not None


def is_evr(text: str) -> bool:
    """Whether it is a version and release, perhaps after an epoch."""
    return _EVR.fullmatch(text) is not None


def plain_evr(text: str) -> str:
    """Without the epoch that is none: ``(none):1-2`` and ``0:1-2`` are ``1-2``."""
    return rpm_version(text).removeprefix("0:")


def oldest_first(evrs: Iterable[str]) -> list[str]:
    """In rpm's order; what is no version there goes first."""
    return sorted(sorted(set(evrs)), key=cmp_to_key(_compare))


def newest(evrs: Iterable[str]) -> str | None:
    """The last in rpm's order."""
    return next(reversed(oldest_first(evrs)), None)


def _compare(one: str, other: str) -> int:
    try:
        left, right = RpmVersion(one), RpmVersion(other)
        return int(left > right) - int(left < right)
    except (ValueError, TypeError):
        return 0


def module_of(want: Wanted, evr: str) -> str | None:
    """What Red Hat calls the module of that package: kpatch_KERNEL_VERSION_RELEASE (its manuals on kernel live
    patching). Amazon's modules have names of their own."""
    version, _, release = evr.rpartition(":")[2].partition("-")
    number = release.partition(".el")[0]
    if want.is_amazon or not number:
        return None
    return re.sub("[.-]", "_", f"kpatch_{want.kernel}_{version}_{number}")


def version_of_module(want: Wanted, module: str) -> str | None:
    """The version and release in the name of a module of Red Hat's for that kernel; None for any other module."""
    found = re.fullmatch(rf"kpatch_{re.escape(want.kernel)}_(\d+)_(\d+)", module.replace("-", "_"))
    return None if found is None or want.is_amazon else f"{found[1]}-{found[2]}"


def cves_of_module(module: str) -> tuple[str, ...]:
    """Amazon's modules are called after what they fix: ``livepatch_CVE_2022_36946``."""
    return tuple(
        sorted({f"CVE-{year}-{number}" for year, number in re.findall(r"CVE[_-](\d{4})[_-](\d{4,9})", module)})
    )


def module_name(path: str) -> str:
    """What the kernel calls the module in that file."""
    return re.sub(r"\.ko(\.(gz|xz|zst))?$", "", path.rpartition("/")[2]).replace("-", "_")


def is_module(path: str) -> bool:
    """Whether that file is a module."""
    return re.fullmatch(r"[\w./+~:@-]{1,300}\.ko(\.(gz|xz|zst))?", path) is not None


def read_records(text: str, want: Wanted) -> tuple[InstalledPatch, ...] | None:
    """What rpm told of the package, a record each, closed by a line of its own; None where something is missing.

    A record is lines of a word, a tab and a value: ``name``, ``evr``, ``file`` (many), ``change`` (many, of several
    lines), ``end``.
    """
    *records, rest = re.split(r"^end\t\r?\n", text, flags=re.MULTILINE)
    if re.search(r"^name\t", rest, re.MULTILINE):
        return None
    read = [_read_record(record, want) for record in records]
    return tuple(patch for patch in read if patch is not None) if all(read) else None


def _read_record(record: str, want: Wanted) -> InstalledPatch | None:
    head, _, changes = record.partition("\nchange\t")
    cells = [line.rstrip("\r").partition("\t") for line in head.split("\n")]
    names = [value for key, _, value in cells if key == "name"]
    evrs = [plain_evr(value) for key, _, value in cells if key == "evr"]
    if names != [want.package] or len(evrs) != 1 or not is_evr(evrs[0]):
        return None
    files = [value for key, _, value in cells if key == "file" and is_module(value)]
    return InstalledPatch(
        evr=evrs[0],
        modules=tuple(sorted(set(map(module_name, files[:_MOST_MODULES])))),
        cves=_changed(changes),
    )


def _changed(changes: str) -> tuple[str, ...]:
    """Red Hat's changelogs name what is fixed in braces: ``[1954230] {CVE-2021-3501}``. Others only mention it."""
    return tuple(sorted({cve for inside in _IN_BRACES.findall(changes) for cve in _CVE.findall(inside)}))
