"""What one check saw on a host. Facts that are equal have the same `content_hash`; volatile values are outside it."""

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum

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


class Tool(Frozen):
    """One backend's tool on this host: its state, and why (bounded text for a person)."""

    name: str
    state: ToolState
    detail: str | None = None


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
    packages: Packages | None = None
    unknown: dict[str, str] = Field(default_factory=dict)
    volatile: Volatile = Volatile()

    def content_hash(self) -> str:
        """SHA-256 (hex) over what tells one state of the host from another.

        Outside it are `volatile`, the package items (their fingerprint stands for them), and who blocks a transition:
        the tasks and their stacks differ from look to look.
        """
        blocking = {"__all__": {"blocking", "blocking_count"}}
        stable = self.model_dump_json(exclude={"volatile": True, "packages": {"items"}, "live_patches": blocking})
        return hashlib.sha256(stable.encode()).hexdigest()

    def patch_with_build(self, build_id: str) -> LivePatch | None:
        """The live patch whose module has that build id, or None."""
        return next((patch for patch in self.live_patches if patch.build_id == build_id), None)


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
