"""Whether a reboot is asked for: the distribution's flag, or a kernel that is installed but did not boot."""

import re
from typing import Any

from univers.versions import AlpineLinuxVersion, DebianVersion, RpmVersion

from orchestrator.core.facts import InstalledKernel, Kernel
from orchestrator.core.model import Frozen
from orchestrator.probe.fields import TOO_LARGE, Fields
from orchestrator.probe.kernel import installed_lacks
from orchestrator.probe.text import match

_ORDERS: dict[str, Any] = {"dpkg": DebianVersion, "rpm": RpmVersion, "apk": AlpineLinuxVersion}
MOST_REASONS = 64
_FLAVOUR = re.compile(r"-([a-z][a-z0-9_-]*)\Z")


class Reboot(Frozen):
    """``required`` None: cannot be told, and ``lacks`` says why. ``reasons_lack``: why `reasons` are not all."""

    required: bool | None
    reasons: tuple[str, ...] = ()
    lacks: str | None = None
    reasons_lack: str | None = None


def parse_reboot(flag: Fields, kernels: Fields, kernel: Kernel | None) -> Reboot:
    """The flag counts by its existence. Beside it, the newest installed kernel is held against the running one, in
    the package manager's own order of versions."""
    newer, lacks = _newer(kernels, kernel)
    reasons = [*_flagged(flag), *([] if newer is None else [_installed_not_booted(newer)])]
    if reasons:
        cut = TOO_LARGE if len(reasons) > MOST_REASONS else None
        # The kernel comes last, and is the reason that matters most here.
        return Reboot(required=True, reasons=tuple(reasons[-MOST_REASONS:]), reasons_lack=cut)
    if flag.get("required") != "no":
        lacks = flag.why("required")
    return Reboot(required=None if lacks else False, lacks=lacks)


def _flagged(flag: Fields) -> list[str]:
    if flag.get("required") != "yes":
        return []
    packages = {match(r"[a-z0-9.+:_-]{1,100}", name) for name in flag.all("package")} - {None}
    return [f"package {name}" for name in sorted(map(str, packages))] or ["/run/reboot-required"]


def _installed_not_booted(kernel: InstalledKernel) -> str:
    return f"kernel {kernel.release} ({kernel.package_version}) is installed but not booted"


def _newer(kernels: Fields, kernel: Kernel | None) -> tuple[InstalledKernel | None, str | None]:
    """The newest installed kernel where it is newer than what runs, or why that cannot be told.

    A newer one is an answer even where others could not be read; "none is newer" needs them all.
    """
    lacks = installed_lacks(kernels)
    if kernel is None or kernels.lacks:
        return None, lacks or "unreadable"
    manager = kernels.get("manager") or ""
    others = [other for other in kernel.installed if other.release != kernel.running]
    if manager not in _ORDERS:
        # Without a package manager there is no order: only a kernel that is alone is the newest.
        return None, lacks or (("absent" if manager == "none" else kernels.why("manager")) if others else None)
    if not kernel.installed:
        return None, lacks
    try:
        newest = _newest_above(kernel, manager, _ORDERS[manager])
    except ValueError:
        # univers refuses what is no version in that order: nothing can be said about such a kernel.
        return None, lacks or "unreadable"
    if newest is None and any(not other.package_version and _is_peer(other, kernel, manager) for other in others):
        lacks = lacks or "unreadable"
    return newest, None if newest else lacks


def _newest_above(kernel: Kernel, manager: str, order: Any) -> InstalledKernel | None:
    running = order(_running_version(kernel, manager))
    peers = [other for other in kernel.installed if other.package_version and _is_peer(other, kernel, manager)]
    newest = max(peers, key=lambda other: order(other.package_version), default=None)
    # The same release with a newer package counts: it was upgraded on disk since it booted.
    return newest if newest is not None and running < order(newest.package_version) else None


def _running_version(kernel: Kernel, manager: str) -> str:
    """The running image's package version; rpm's kernels carry it in their release, before the architecture."""
    if kernel.package_version:
        return kernel.package_version
    return kernel.running.rpartition(".")[0] if manager == "rpm" else ""


def _is_peer(other: InstalledKernel, kernel: Kernel, manager: str) -> bool:
    """Of the running kernel's kind: the flavour in dpkg's releases, the package's name elsewhere."""
    if manager == "dpkg":
        mine, theirs = _FLAVOUR.search(kernel.running), _FLAVOUR.search(other.release)
        return (mine and mine[1]) == (theirs and theirs[1])
    return kernel.package is None or other.package in (None, kernel.package)
