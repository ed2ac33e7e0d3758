"""Package URLs of installed packages, in the spellings of the scanners that are to recognise them.

Source: https://github.com/package-url/purl-spec (types deb, rpm, apk, generic). Trivy and Syft (Grype's catalogue)
agree on type, name and, mostly, version; they differ in namespaces (``alma``, ``almalinux``), in where the epoch of a
Debian version goes (a qualifier, the version) and in ``distro`` (``debian-12.5``, ``debian-12``).
"""

from collections.abc import Mapping
from urllib.parse import quote

from orchestrator.core.distributions import Ordering, distribution_of, ordering_of
from orchestrator.core.facts import Os
from orchestrator.core.model import Frozen

_NAMESPACES: Mapping[str, tuple[str, ...]] = {
    "rhel": ("redhat",),
    "almalinux": ("almalinux", "alma"),
    "sles": ("sles", "suse"),
    "opensuse-leap": ("opensuse-leap", "opensuse", "opensuse.leap"),
    "opensuse-tumbleweed": ("opensuse-tumbleweed", "opensuse", "opensuse.tumbleweed"),
    "amzn": ("amzn", "amazon"),
}
"""By ``ID`` of os-release: Syft's, then Trivy's, old and new. Any other is its own."""

_ARCHES: Mapping[Ordering, Mapping[str, str]] = {
    Ordering.DEB: {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386", "ppc64le": "ppc64el"},
    Ordering.RPM: {},
    Ordering.APK: {"i686": "x86", "armv7l": "armv7"},
}
"""``uname -m`` in the packager's words."""


class Component(Frozen):
    """A package as an OpenVEX component. ``id`` says it exactly, with architecture and distribution; ``purl`` with no
    more than every scanner says of it: qualifiers of a statement that the scanner's purl lacks would keep them apart
    (``PurlMatches`` in go-vex)."""

    id: str
    purl: str


def package_components(os: Os | None, arch: str | None, name: str, version: str) -> tuple[Component, ...]:
    """The installed package, once for each spelling; none where the distribution is not known.

    ``arch``: the packager's, or what ``uname -m`` says. ``version``: the packager's own form, with its epoch.
    """
    distribution = distribution_of(os)
    order = None if distribution is None else ordering_of(distribution)
    if os is None or distribution is None or order is None:
        return ()
    own = _ARCHES[order].get(arch or "", arch)
    exact = {"arch": own, "distro": distribution.replace(":", "-")}
    return tuple(
        Component(
            id=_purl(order, namespace, name, plain, exact | epoch), purl=_purl(order, namespace, name, plain, epoch)
        )
        for namespace in _NAMESPACES.get(os.id, (os.id,))
        for plain, epoch in _versions(order, version)
    )


def host_purl(name: str, boot_id: str | None = None) -> str:
    """The host itself: ``pkg:generic/NAME``; in one boot alone where that is given."""
    return f"pkg:generic/{_quoted(name)}" + (f"?boot_id={_quoted(boot_id)}" if boot_id else "")


def _versions(order: Ordering, version: str) -> tuple[tuple[str, dict[str, str]], ...]:
    """Version and epoch apart: RPM's is a qualifier; Debian's is one to Trivy, and part of the version to Syft."""
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdecimal() or order is Ordering.APK:
        return ((version, {}),)
    apart = (rest, {} if int(epoch) == 0 else {"epoch": epoch})
    return (apart,) if order is Ordering.RPM else ((version, {}), apart)


def _purl(order: Ordering, namespace: str, name: str, version: str, qualifiers: Mapping[str, str | None]) -> str:
    told = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{order.value}/{_quoted(namespace)}/{_quoted(name)}@{_quoted(version)}" + (f"?{told}" if told else "")


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
