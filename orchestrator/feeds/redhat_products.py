"""What Red Hat's identifiers mean: a CPE names a stream of Red Hat Enterprise Linux, a purl names a package.

Sources: https://redhatproductsecurity.github.io/security-data-guidelines/ (pages CPE, purl, CSAF-VEX). Documents before
and after the change of 2026 are both read: the older ones name components by architecture and unfixed products by
major release, the newer ones name neither architectures nor anything above a minor release.
"""

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

_CPE = re.compile(
    r"cpe:/[ao]:redhat:(?:enterprise_linux|rhel)(?:_(?P<support>els|eus|aus|e4s|tus|eus_long_life))?"
    r":(?P<major>[0-9]{1,2})(?:\.(?P<minor>[0-9]{1,2}))?(?:\.[0-9]{1,2})?(?::[^:]*)*"
)
_MINOR = re.compile(r"(?:rhel|BaseOS|AppStream|CRB)-(?:br-)?[0-9]{1,2}\.(?P<minor>[0-9]{1,2})\b")
"""In product ids: ``rhel-9.4.0::baseos``, ``BaseOS-9.2.0.Z.MAIN.EUS``. The CPE has no minor release before RHEL 10."""

_PURL = re.compile(r"pkg:rpm/redhat/(?P<name>[^@?#]{1,300})(?:@(?P<version>[^?#]{1,200}))?(?:\?(?P<qualifiers>[^#]*))?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_VERSION = re.compile(r"[A-Za-z0-9._+~^]{1,150}-[A-Za-z0-9._+~^]{1,150}")
_MODULE = re.compile(r"(?P<name>[A-Za-z0-9._+-]{1,80}):(?P<stream>[A-Za-z0-9._+-]{1,80})(?::.*)?")
_MODULE_ITSELF = re.compile(r".*-[0-9]{14,}\.[0-9a-f]{8}")
"""The version of a module as an artefact: stream, version and context. Nobody has it installed as a package."""

DEBUG = re.compile(r".*-debug(?:info|source)(?:-common.*)?")
"""Packages of symbols: no code of theirs ever runs."""

LIVE_PATCH = "kpatch-patch-"


class Stream(NamedTuple):
    """A line of releases that fixes are made for. ``support`` is empty for the main one and names it otherwise (EUS);
    ``minor`` is None where the identifier does not tell."""

    distribution: str
    minor: int | None
    support: str

    @property
    def is_main(self) -> bool:
        """Whether every subscriber gets it, or at least all that there still is (ELS)."""
        return self.support in {"", "ELS"}


class Component(NamedTuple):
    """A package, in one version or in all. ``module`` is its module and stream, ``nodejs:18``; ``upstream`` the source
    package where the purl tells it; ``version`` has the epoch unless it is 0."""

    name: str
    is_source: bool
    version: str | None
    module: str | None
    upstream: str | None


@lru_cache(maxsize=4096)
def stream_of(cpe: str, product_id: str = "") -> Stream | None:
    """The stream; None for another product than Red Hat Enterprise Linux."""
    found = _CPE.fullmatch(cpe) if len(cpe) < 200 else None
    if found is None or (found["support"] is None and ":rhel:" in cpe):
        return None
    minor = found["minor"]
    if minor is None:
        by_id = _MINOR.match(product_id[:100])
        minor = by_id["minor"] if by_id else None
    support = (found["support"] or "").upper().replace("_", " ")
    return Stream(f"rhel:{found['major']}", None if minor is None else int(minor), support)


@lru_cache(maxsize=65_536)
def component_of(purl: str) -> Component | None:
    """The package; None for what is no package on a host: containers, language packages, modules themselves, flatpaks,
    packages of others, and what cannot be read."""
    found = _PURL.fullmatch(purl) if len(purl) < 1000 else None
    if found is None:
        return None
    name, version = unquote(found["name"]), unquote(found["version"] or "")
    pairs = (pair.partition("=") for pair in (found["qualifiers"] or "").split("&"))
    qualifiers = {key: unquote(value) for key, _, value in pairs if key}
    module = None
    if "rpmmod" in qualifiers:
        module = module_of(qualifiers["rpmmod"])
        if module is None:
            return None
    if not _NAME.fullmatch(name) or (version and _MODULE_ITSELF.fullmatch(version)):
        return None
    upstream = qualifiers.get("upstream", "").rpartition("/")[2] or None
    is_source = qualifiers.get("arch") in {"src", "nosrc"}
    return Component(name, is_source, _evr(version, qualifiers.get("epoch", "0")), module, upstream)


@lru_cache(maxsize=4096)
def component_named(product_id: str) -> Component | None:
    """A component that has no purl, as most that are not fixed had none before 2025: its id is the name of a source
    package, with its module in front (``nodejs:18/nodejs``)."""
    module, _, name = product_id.rpartition("/")
    found = module_of(module) if module else None
    if (module and found is None) or not _NAME.fullmatch(name):
        return None
    return Component(name.removesuffix(".src"), True, None, found, None)


def module_of(text: str) -> str | None:
    """``nodejs:18`` of ``nodejs:18:8100020240808073736:489197e6``; None for a flatpak and for what has no stream."""
    found = _MODULE.fullmatch(text)
    return None if found is None or found["stream"] == "flatpak" else f"{found['name']}:{found['stream']}"


def _evr(version: str, epoch: str) -> str | None:
    if not _VERSION.fullmatch(version):
        return None
    return version if epoch in {"", "0"} or not epoch.isascii() or not epoch.isdigit() else f"{int(epoch)}:{version}"
