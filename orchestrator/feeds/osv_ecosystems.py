"""Which distribution an OSV ecosystem string stands for, and how packages are named in it.

Source of the strings: the list of ecosystems in the OSV schema (ossf/osv-schema, docs/schema.md). Whether names are
those of source or binary packages: the data itself, where it differs from that list (AlmaLinux lists binary packages).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple


class Release(NamedTuple):
    """The distributions that a statement is about, and whether its package names are those of source packages.

    ``fixes``: whose fixes these are, where not every host of the distribution gets them (``Ubuntu Pro``); None: all do.
    ``kernels_only``: only the kernels in it have names of their own; its other packages are variants of the plain ones.
    """

    distributions: tuple[str, ...]
    is_source: bool = True
    fixes: str | None = None
    kernels_only: bool = False


@lru_cache(maxsize=4096)
def release_of(ecosystem: str) -> Release | None:
    """What ``Debian:12`` or ``SUSE:Linux Enterprise Server 15 SP5`` is about; None for what is not followed."""
    name, _, release = ecosystem.partition(":")
    reader = _READERS.get(name)
    return None if reader is None or not release else reader(release)


def family_of(ecosystem: str) -> str:
    """The ecosystem without its release: ``Debian``, ``Rocky Linux``; that is how osv.dev names its archives."""
    return ecosystem.partition(":")[0]


def is_followed(family: str) -> bool:
    """Whether any release of it can be about hosts."""
    return family in _READERS


def _numbered(distribution: str, pattern: str, *, is_source: bool = True) -> Callable[[str], Release | None]:
    expression = re.compile(pattern)

    def read(release: str) -> Release | None:
        found = expression.fullmatch(release)
        return found and Release((f"{distribution}:{found[1]}",), is_source=is_source)

    return read


_UBUNTU = re.compile(r"(?:(?P<pro>Pro):(?:(?P<variant>[A-Za-z][A-Za-z-]*):)?)?(?P<release>\d\d\.\d\d)(?::LTS)?")


def _ubuntu(release: str) -> Release | None:
    """``22.04:LTS``, ``Pro:16.04:LTS``, ``Pro:FIPS-updates:22.04:LTS``, ``24.10``."""
    found = _UBUNTU.fullmatch(release)
    if found is None:
        return None
    return Release(
        (f"ubuntu:{found['release']}",),
        fixes="Ubuntu Pro" if found["pro"] else None,
        kernels_only=found["variant"] is not None,
    )


_RED_HAT = re.compile(r"(?P<product>enterprise_linux|rhel_els):(?P<major>\d{1,2})(?:\.\d+)?(?:::[a-z0-9_-]*)?")


def _red_hat(release: str) -> Release | None:
    """``enterprise_linux:9::baseos`` and ``rhel_els:7``.

    Streams of one minor release (``rhel_eus``, ``rhel_aus``, ``rhel_e4s``, ``rhel_tus``) have fixes of their own, with
    lower versions than the main stream; which of them a host follows is not in its os-release, and the main stream's
    versions are right for it too: never too early. Layered products are other software.
    """
    found = _RED_HAT.fullmatch(release)
    if found is None:
        return None
    extended = "Extended Life Cycle Support" if found["product"] == "rhel_els" else None
    return Release((f"rhel:{found['major']}",), is_source=False, fixes=extended)


_SUSE = re.compile(
    r"(?:Linux Enterprise (?:Server(?P<edition> for SAP [Aa]pplications| LTSS Extended Security)?"
    r"|(?P<module>Module for [A-Za-z0-9 .&-]+?)|Live Patching|High Availability Extension|Workstation Extension"
    r"|Software Development Kit|Real Time)|Real Time Module)"
    r" (?P<major>\d\d)(?:\.(?P<minor>\d)|[ -]SP(?P<pack>\d))?(?:[ -](?P<support>[A-Za-z][A-Za-z0-9.-]*))?"
)
_EDITIONS = {"ltss extended security": "LTSS Extended Security", "for sap applications": "SLES for SAP"}
_LAST_PACK_OF_12 = 5


def _suse(release: str) -> Release | None:
    """``Linux Enterprise Server 15 SP5`` and the modules and extensions that are installed beside it.

    ``-LTSS``, ``-ESPOS`` and the like are fixes after the end of general support, which the edition for SAP has longer.
    Modules of 12 have no service pack: they fit all of them.
    """
    found = _SUSE.fullmatch(release)
    if found is None:
        return None
    pack = found["minor"] or found["pack"]
    version = found["major"] + (f".{pack}" if pack else "")
    support = found["support"] or _EDITIONS.get((found["edition"] or "").strip().lower())
    if found["module"] and version == "12":
        packs = (f"sles:12.{number}" for number in range(1, _LAST_PACK_OF_12 + 1))
        return Release(("sles:12", *packs), fixes=support)
    return Release((f"sles:{version}",), fixes=support)


_LEAP = re.compile(r"Leap (?P<version>\d\d\.\d)")


def _opensuse(release: str) -> Release | None:
    if release == "Tumbleweed":
        return Release(("opensuse-tumbleweed",))
    found = _LEAP.fullmatch(release)
    return found and Release((f"opensuse-leap:{found['version']}",))


_READERS: Mapping[str, Callable[[str], Release | None]] = {
    "Debian": _numbered("debian", r"(\d{1,2}|sid)"),
    "Ubuntu": _ubuntu,
    "AlmaLinux": _numbered("almalinux", r"(\d{1,2})", is_source=False),
    "Rocky Linux": _numbered("rocky", r"(\d{1,2})"),
    "Red Hat": _red_hat,
    "SUSE": _suse,
    "openSUSE": _opensuse,
    "Alpine": _numbered("alpine", r"v(\d\.\d{1,2})"),
}
