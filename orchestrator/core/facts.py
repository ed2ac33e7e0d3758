"""What one check saw on a host. Facts that are equal have the same `content_hash`; volatile values are outside it."""

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from orchestrator.core.model import Frozen, Moment


class PatchState(StrEnum):
    """The state of one live patch in memory."""

    APPLIED = "applied"
    """In force: enabled, and no transition under way."""
    TRANSITIONING = "transitioning"
    """The kernel is moving tasks to the new code: not in force yet."""
    STALLED = "stalled"
    """In transition, with blocking tasks named: not in force."""
    REVERTING = "reverting"
    """The kernel is moving tasks back to the old code."""
    DISABLED = "disabled"
    """Loaded, and not in force."""
    FAILED = "failed"
    """The tool or the kernel says that it could not be applied, or its state cannot be told."""


class ToolState(StrEnum):
    """What a live-patch tool on the host is able to do."""

    ABSENT = "absent"
    """Not installed, or a kernel without live patching."""
    READY = "ready"
    """Can be used."""
    UNLICENSED = "unlicensed"
    """Installed, without a valid licence or subscription."""
    DISABLED = "disabled"
    """Installed and switched off."""
    UNSUPPORTED_KERNEL = "unsupported_kernel"
    """The tool has nothing for the running kernel."""
    COVERAGE_EXPIRED = "coverage_expired"
    """The running kernel no longer gets live patches."""
    LOCKED = "locked"
    """The tool refuses to act until somebody clears its lock."""
    CONFLICT = "conflict"
    """Another live-patch tool on this host excludes it."""
    CONTAINER = "container"
    """The host is a container: its kernel is somebody else's."""
    ERROR = "error"
    """Its answer could not be understood; the detail keeps it, bounded."""


class Os(Frozen):
    """``ID`` and ``VERSION_ID`` of os-release(5); ``version`` is None on rolling releases."""

    id: str
    version: str | None = None
    name: str | None = None


class InstalledKernel(Frozen):
    """A kernel image on disk: its ``uname -r`` and, where a package owns it, the package and its version."""

    release: str
    package: str | None = None
    package_version: str | None = None


class Kernel(Frozen):
    """The running kernel, and what else is installed.

    ``running`` is ``/proc/sys/kernel/osrelease``; ``build_id`` the GNU build id (lower-case hex) in
    ``/sys/kernel/notes``, None when it could not be read. ``source``/``source_version``: the source package that the
    running image was built from, as its packager names it (``linux``, ``6.1.192-2``).
    """

    running: str
    package: str | None = None
    package_version: str | None = None
    source: str | None = None
    source_version: str | None = None
    build_id: str | None = None
    effective: str | None = None
    installed: tuple[InstalledKernel, ...] = ()


class BlockingTask(Frozen):
    """A task that keeps a transition from ending: pid, command name, kernel stack (bounded; empty without root)."""

    pid: int
    command: str
    stack: tuple[str, ...] = ()


class LivePatch(Frozen):
    """One live patch in memory, as seen in sysfs or told by a tool.

    ``name`` is the module's name, ``build_id`` its GNU build id (lower-case hex) where it could be read: that, not
    the name, says which module it is. ``replace`` is sysfs's ``replace`` where the kernel has it. ``blocking`` is
    bounded; ``blocking_count`` says how many tasks there are in all, None where that could not be read.
    """

    tool: str
    name: str
    version: str | None = None
    state: PatchState
    build_id: str | None = None
    replace: bool | None = None
    cves: tuple[str, ...] = ()
    blocking: tuple[BlockingTask, ...] = ()
    blocking_count: int | None = None


class Update(Frozen):
    """Something newer that a tool offers this host: a package, a patch set or one patch, in the tool's own terms.

    ``needs_reboot``: it fixes what cannot be fixed in memory, so it is no live patch. ``cves``: what it fixes, where
    the tool says so.
    """

    name: str
    version: str | None = None
    cves: tuple[str, ...] = ()
    needs_reboot: bool = False


class OutdatedProcess(Frozen):
    """Processes of that name that still run libraries deleted or replaced since they were started."""

    command: str
    libraries: tuple[str, ...]
    count: int


class Deep(Frozen):
    """What only a deep check tells of a tool: it is slow, or asks the vendor over the network.

    ``updates`` None: it could not be told. ``coverage_until``: the last day on which the running kernel gets live
    patches. ``state``: what came to light against the tool, such as an expired licence; None: nothing. ``outdated``:
    processes that run libraries which are gone from the disk; None: not looked for.
    """

    updates: tuple[Update, ...] | None = None
    coverage_until: date | None = None
    state: ToolState | None = None
    detail: str | None = None
    outdated: tuple[OutdatedProcess, ...] | None = None


class Pin(Frozen):
    """A tool's agent that is held where it is. ``setting``: as the tool writes it; ``by_us``: we did it."""

    setting: str
    by_us: bool


class Tool(Frozen):
    """One backend's tool on this host: its state, and why (bounded, printable text for a person).

    ``version`` is the tool's own. ``level`` names what it has in force, in its own terms (a package with its version,
    a patch level); None for nothing, or where it cannot be told. ``effective_kernel`` is what the tool says that the
    running kernel amounts to. ``disagrees``: where it says "patched" and the kernel itself says otherwise. ``deep``:
    None until a deep check of this boot.
    """

    name: str
    state: ToolState
    detail: str | None = None
    version: str | None = None
    level: str | None = None
    effective_kernel: str | None = None
    pin: Pin | None = None
    disagrees: tuple[str, ...] = ()
    deep: Deep | None = None


class UserspacePatch(Frozen):
    """A live patch of a library or program in running processes. ``target``: the library or program; ``processes``:
    how many carry it, None where the tool does not say."""

    tool: str
    target: str
    version: str | None = None
    state: PatchState
    processes: int | None = None
    cves: tuple[str, ...] = ()


class Package(Frozen):
    """One installed binary package and the source package it was built from; versions in the packager's own form."""

    name: str
    version: str
    arch: str | None = None
    source: str | None = None
    source_version: str | None = None


class Packages(Frozen):
    """The installed packages. ``fingerprint`` names the state of the package database; ``items`` is None when the
    host was not asked to send them because the fingerprint is the one we already have."""

    manager: str
    fingerprint: str
    items: tuple[Package, ...] | None = None


class Virtualization(StrEnum):
    """What the host runs in."""

    NONE = "none"
    """Bare metal, as far as can be told."""
    VM = "vm"
    """A virtual machine: its kernel is its own."""
    CONTAINER = "container"
    """A container: its kernel is the machine's that it runs on."""


class Volatile(Frozen):
    """What changes from check to check without meaning anything: kept with the last check, outside the hash."""

    uptime: timedelta | None = None
    clock_skew: timedelta | None = None
    deep_observed_at: Moment | None = None
    """When the last deep check ended whose findings stand in `Tool.deep`; None: there was none in this boot."""


class Facts(Frozen):
    """What one check saw.

    ``lockdown`` is the active mode of ``/sys/kernel/security/lockdown`` (``none``, ``integrity``,
    ``confidentiality``), None when it could not be read. ``unknown`` maps a dotted field to why it could not be read
    (``needs_root``, an error's code): whatever stands there must not be read as "no".
    """

    os: Os | None = None
    arch: str | None = None
    kernel: Kernel | None = None
    boot_id: str | None = None
    machine_id: str | None = None
    product_uuid: str | None = None
    is_root: bool = False
    taints: int | None = None
    lockdown: str | None = None
    secure_boot: bool | None = None
    module_signatures_enforced: bool | None = None
    livepatch_supported: bool | None = None
    virtualization: Virtualization | None = None
    reboot_required: bool | None = None
    reboot_reasons: tuple[str, ...] = ()
    live_patches: tuple[LivePatch, ...] = ()
    tools: tuple[Tool, ...] = ()
    userspace_patches: tuple[UserspacePatch, ...] = ()
    packages: Packages | None = None
    unknown: dict[str, str] = Field(default_factory=dict)
    volatile: Volatile = Volatile()

    def content_hash(self) -> str:
        """SHA-256 (hex) over what tells one state of the host from another.

        Outside it are `volatile`, the package items (their fingerprint stands for them), and what differs from look to
        look: who blocks a transition, how many processes carry a patch or run old libraries, the text of an answer that
        nobody understood.
        """
        stable = self.model_copy(update={"tools": tuple(map(_stable, self.tools))}).model_dump_json(exclude=_UNSTABLE)
        return hashlib.sha256(stable.encode()).hexdigest()

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return next((tool for tool in self.tools if tool.name == name), None)

    def patch_with_build(self, build_id: str) -> LivePatch | None:
        """The live patch whose module has that build id, or None."""
        return next((patch for patch in self.live_patches if patch.build_id == build_id), None)


def _stable(tool: Tool) -> Tool:
    """Without a text that was kept because it was not understood: times may stand in it."""
    deep, update = tool.deep, dict[str, Any]()
    if deep is not None and deep.state is ToolState.ERROR:
        update["deep"] = deep.model_copy(update={"detail": None})
    if tool.state is ToolState.ERROR:
        update["detail"] = None
    return tool.model_copy(update=update) if update else tool


_UNSTABLE: dict[str, Any] = {
    "volatile": True,
    "packages": {"items"},
    "live_patches": {"__all__": {"blocking", "blocking_count"}},
    "userspace_patches": {"__all__": {"processes"}},
    "tools": {"__all__": {"deep": {"outdated": {"__all__": {"count"}}}}},
}
"""Fields outside the hash."""


class Observation(Frozen):
    """One finished check: when it started and ended by the controller's clock, and what it saw."""

    started_at: Moment
    observed_at: Moment
    facts: Facts

    @property
    def booted_at(self) -> datetime | None:
        """The controller's time of the boot: the start of the check minus the host's uptime."""
        uptime = self.facts.volatile.uptime
        return None if uptime is None else self.started_at - uptime
