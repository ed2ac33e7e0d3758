"""Distributions as vulnerability data is published for them, and the order of their package versions."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from orchestrator.core.facts import Os


class Ordering(StrEnum):
    """Whose rules say which of two package versions is the older one."""

    DEB = "deb"
    """deb-version(7): Debian, Ubuntu."""
    RPM = "rpm"
    """rpm-version(7): Red Hat and its kin, SUSE, Amazon Linux."""
    APK = "apk"
    """apk-package(5): Alpine."""


def distribution_of(os: Os | None) -> str | None:
    """``ID:RELEASE`` as the feeds name it, or None where nothing is published for it or it could not be read.

    The release is as much of ``VERSION_ID`` as data is published for: ``debian:12``, ``ubuntu:22.04``, ``almalinux:9``,
    ``rhel:9``, ``sles:15.5``, ``opensuse-leap:15.6``, ``amzn:2023``, ``alpine:3.20``; ``opensuse-tumbleweed`` has none.
    """
    if os is None or os.id not in _RELEASES:
        return None
    release = _RELEASES[os.id](os.version or "")
    return None if release is None else f"{os.id}:{release}" if release else os.id


def ordering_of(distribution: str) -> Ordering | None:
    """The order of its versions; None for a distribution that we do not know."""
    return _ORDERINGS.get(distribution.partition(":")[0])


def _first(version: str) -> str | None:
    return version.partition(".")[0] or None


def _two(version: str) -> str | None:
    parts = version.split(".")
    return ".".join(parts[:2]) if version else None


def _none(_version: str) -> str | None:
    return ""


_RELEASES: Mapping[str, Callable[[str], str | None]] = {
    "debian": _first,
    "ubuntu": _two,
    "almalinux": _first,
    "rocky": _first,
    "rhel": _first,
    "sles": _two,
    "opensuse-leap": _two,
    "opensuse-tumbleweed": _none,
    "amzn": _first,
    "alpine": _two,
}

_ORDERINGS: Mapping[str, Ordering] = {
    "debian": Ordering.DEB,
    "ubuntu": Ordering.DEB,
    "almalinux": Ordering.RPM,
    "rocky": Ordering.RPM,
    "rhel": Ordering.RPM,
    "sles": Ordering.RPM,
    "opensuse-leap": Ordering.RPM,
    "opensuse-tumbleweed": Ordering.RPM,
    "amzn": Ordering.RPM,
    "alpine": Ordering.APK,
}
