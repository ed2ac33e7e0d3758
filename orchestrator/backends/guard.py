"""The host-side guard: what to send to start an attempt or to ask about one, and how to read the answer.

What runs on the host is in the ``guard_*.sh`` files beside this module; docs/adr/0003 says why it is built this way.
"""

import hashlib
import re
from enum import IntEnum, StrEnum

from pydantic import Field, SecretBytes

from orchestrator.backends.become import pieces, root_script, why_no_answer
from orchestrator.core.attempts import Action
from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen
from orchestrator.core.patches import BuildId, HexDigest, KernelRelease, ModuleName
from orchestrator.errors import (
    AnswerGarbled,
    BuildUnreadable,
    ForeignPatch,
    HostDiskFull,
    HostLocked,
    LivepatchUnsupported,
    ModuleInvalid,
    NeedsRoot,
    NoRollback,
    NothingOffered,
    OtherLevel,
    PatchRefused,
    SignatureRequired,
    ToolConflict,
    ToolLocked,
    ToolMissing,
    ToolNetwork,
    TransitionUnderWay,
    Unlicensed,
    WrongBuild,
)
from orchestrator.ports.ssh import Command, Completed, Reply
from orchestrator.probe.sudo import sudo_mode, sudo_replies

START_SECONDS = 180.0
"""Deadline of a start: the upload of a module over a slow line. The attempt itself runs detached."""

STATUS_SECONDS = 30.0
MAX_ANSWER = 256 * 1024
"""Bytes: the guard sends at most 60,000 of an attempt's output."""


class GuardExit(IntEnum):
    """The exit codes of an attempt on the host. guard_common.sh holds the same table as ``EXIT_`` names."""

    DONE = 0
    """It was done, or was so already."""
    WRONG_BOOT = 20
    """The host rebooted since the intent."""
    WRONG_BUILD = 21
    """The running kernel is another release or another build."""
    BUILD_UNREADABLE = 22
    """The build id of the running kernel could not be read."""
    LIVEPATCH_UNSUPPORTED = 23
    """There is no /sys/kernel/livepatch."""
    TRANSITION_UNDER_WAY = 24
    """Another patch stayed in transition for the whole limit."""
    MODULE_INVALID = 25
    """The module did not arrive whole, or with another hash."""
    DISK_FULL = 26
    """/run/patchwave could not be written."""
    LOCKED = 27
    """Another attempt's live lock is on the host."""
    NEEDS_ROOT = 28
    """The guard did not run as root, or as one that may load no modules."""
    FOREIGN_PATCH = 29
    """A patch or module that is not ours would be replaced or touched."""
    SIGNATURE_REQUIRED = 30
    """The kernel refused the module for want of a signature."""
    MODULE_FORMAT = 31
    """The kernel refused the module's format (vermagic, symbol versions)."""
    MODULE_EXISTS = 32
    """insmod: File exists."""
    BUSY = 33
    """insmod: Device or resource busy, for the whole limit."""
    INSERT_FAILED = 34
    """insmod failed otherwise; the last line of the output has its words."""
    NOT_LIVE = 35
    """The module is loaded, but its patch is not enabled; or it is not in force and so was not persisted."""
    STALLED_REVERTED = 40
    """The transition stalled and was reverted."""
    STALLED_NOT_REVERTED = 41
    """The transition stalled, and so did its reversal."""
    REVERT_STALLED = 42
    """The transition out of force did not end within the limit."""
    MODULE_STAYS = 43
    """The patch is out of force, but its module could not be removed."""
    PERSIST_FAILED = 50
    """The module could not be installed for the next boot, and what was installed of it was removed; or a revert could
    not remove what was installed."""
    USAGE = 64
    """The guard was called with arguments it does not know, or the tool has no such action."""
    TOOL_MISSING = 80
    """The tool, or a program that it needs, is not on the host."""
    TOOL_FAILED = 81
    """The tool said no, or had to be ended; the last line of the output has its words."""
    TOOL_LOCKED = 82
    """Another process held the package manager's lock, or the tool's own, for the whole limit."""
    UNLICENSED = 83
    """The tool has no licence, subscription or registration, or an expired one."""
    NOTHING_OFFERED = 84
    """The tool offers nothing for this kernel, or not what was asked for."""
    OTHER_LEVEL = 85
    """Another level than the one that was asked for is in force, and was left as it is."""
    TOOL_NETWORK = 86
    """The tool cannot reach its server or repository."""
    TOOL_CONFLICT = 87
    """Another live-patch tool is at work on the host."""
    NO_ROLLBACK = 88
    """The tool cannot take its patch out of force."""
    PIN_FAILED = 89
    """The agent's setting could not be saved, changed or put back."""


REFUSALS: dict[int, type[PatchRefused]] = {
    GuardExit.WRONG_BUILD: WrongBuild,
    GuardExit.BUILD_UNREADABLE: BuildUnreadable,
    GuardExit.LIVEPATCH_UNSUPPORTED: LivepatchUnsupported,
    GuardExit.TRANSITION_UNDER_WAY: TransitionUnderWay,
    GuardExit.MODULE_INVALID: ModuleInvalid,
    GuardExit.DISK_FULL: HostDiskFull,
    GuardExit.LOCKED: HostLocked,
    GuardExit.NEEDS_ROOT: NeedsRoot,
    GuardExit.FOREIGN_PATCH: ForeignPatch,
    GuardExit.SIGNATURE_REQUIRED: SignatureRequired,
    GuardExit.MODULE_FORMAT: ModuleInvalid,
    GuardExit.MODULE_EXISTS: ForeignPatch,
    GuardExit.BUSY: TransitionUnderWay,
    GuardExit.TOOL_MISSING: ToolMissing,
    GuardExit.TOOL_LOCKED: ToolLocked,
    GuardExit.UNLICENSED: Unlicensed,
    GuardExit.NOTHING_OFFERED: NothingOffered,
    GuardExit.OTHER_LEVEL: OtherLevel,
    GuardExit.TOOL_NETWORK: ToolNetwork,
    GuardExit.TOOL_CONFLICT: ToolConflict,
    GuardExit.NO_ROLLBACK: NoRollback,
}
"""The exit codes that mean "refused, and nothing was changed", and the error of each."""


class GuardState(StrEnum):
    """What the host says about an attempt."""

    ABSENT = "absent"
    """It never started in this boot."""
    STARTING = "starting"
    """A connection is still uploading its module; it has not started."""
    RUNNING = "running"
    """Its worker lives."""
    FINISHED = "finished"
    """Its exit code is there."""
    DIED = "died"
    """It started, its worker is gone, and there is no exit code."""
    REFUSED = "refused"
    """The start was refused before anything was changed."""


class GuardAnswer(Frozen):
    """One whole answer of the guard. ``code`` belongs to finished and refused; ``text`` is the bounded output."""

    state: GuardState
    code: int | None = None
    boot_id: str | None = None
    text: str = ""


class AnyOrder(Frozen):
    """What the guard is asked to do on one host, whatever the tool: an attempt, in the boot it is meant for."""

    attempt_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    controller: str = Field(pattern=r"^[A-Za-z0-9@._:-]{1,128}$")
    action: Action
    boot_id: str = Field(pattern=r"^[0-9a-f-]{1,64}$")
    limit_seconds: int = Field(gt=0)

    def arguments(self) -> tuple[str, ...]:
        """As the guard reads them: KEY=VALUE, one word each."""
        return (
            f"attempt={self.attempt_id}",
            f"controller={self.controller}",
            f"action={self.action.value}",
            f"boot={self.boot_id}",
            f"limit={self.limit_seconds}",
        )


class Order(AnyOrder):
    """A module of the catalogue, and the very kernel it is for."""

    release: KernelRelease
    kernel_build: BuildId
    name: ModuleName
    module_build: BuildId
    sha256: HexDigest
    replaces: bool = False
    known: tuple[BuildId, ...] = ()

    def arguments(self) -> tuple[str, ...]:
        """With the module's."""
        return (
            *super().arguments(),
            f"release={self.release}",
            f"kernel_build={self.kernel_build}",
            f"name={self.name}",
            f"build={self.module_build}",
            f"sha256={self.sha256}",
            f"replaces={'yes' if self.replaces else 'no'}",
            f"known={','.join(self.known)}",
        )


_TOOL_WORD = r"^([A-Za-z0-9][A-Za-z0-9._+~:@-]{0,199})?$"


class ToolOrder(AnyOrder):
    """What a vendor's own tool is to do.

    ``release``: the running kernel it is meant for; None: whichever runs. ``package``: the package or patch, in the
    tool's terms. ``level``: the version, patch level or tag that is to be in force afterwards; empty: the newest.
    ``setting``: of the tool's agent, as it was before.
    """

    release: KernelRelease | None = None
    package: str = Field(default="", pattern=_TOOL_WORD)
    level: str = Field(default="", pattern=_TOOL_WORD)
    setting: str = Field(default="", pattern=r"^[ !#-&(-~]{0,200}$")

    def arguments(self) -> tuple[str, ...]:
        """With the tool's."""
        return (
            *super().arguments(),
            f"release={self.release or ''}",
            f"package={self.package}",
            f"level={self.level}",
            f"setting={self.setting}",
        )


KLP_PARTS = ("guard_common", "guard_actions", "guard_klp", "guard_persist", "klp_actions", "guard_worker")
"""What klp's worker is put together from."""


def start_command(
    host: Host, order: Order, module: bytes, nonce: str, *, parts: tuple[str, ...] = KLP_PARTS
) -> Command:
    """Start it, detached. ``module`` is sent when the host says that it is ready for it; empty: none is sent.

    ``parts``: the worker's `.sh` files. Raises `ModuleInvalid` when the module is not the one that was ordered.
    """
    if module and hashlib.sha256(module).hexdigest() != order.sha256:
        raise ModuleInvalid(f"{host.name}: the module {order.name} is not the one that the catalogue recorded")
    return start_worker(host, (*order.arguments(), f"size={len(module)}"), module, nonce, pieces(parts))


def start_worker(host: Host, arguments: tuple[str, ...], module: bytes, nonce: str, worker: str) -> Command:
    """Start a worker whose text this is. ``arguments``: KEY=VALUE, validated by an order."""
    upload = Reply(marker=f"\n{nonce} ready\n".encode(), data=SecretBytes(module), then_eof=True)
    return Command(
        argv=_argv(host, nonce, arguments),
        stdin=root_script(("guard_common", "guard_start"), worker),
        replies=(*sudo_replies(host.become, nonce), *((upload,) if module else ())),
        deadline=START_SECONDS,
        max_output=MAX_ANSWER,
    )


def status_command(host: Host, attempt_id: str, nonce: str) -> Command:
    """Ask what became of it."""
    return Command(
        argv=_argv(host, nonce, (f"attempt={attempt_id}",)),
        stdin=root_script(("guard_common", "guard_status")),
        replies=sudo_replies(host.become, nonce),
        deadline=STATUS_SECONDS,
        max_output=MAX_ANSWER,
    )


def _argv(host: Host, nonce: str, arguments: tuple[str, ...]) -> tuple[str, ...]:
    return ("sh", "-s", "--", sudo_mode(host.become), f"nonce={nonce}", *arguments)


def parse_answer(host: Host, completed: Completed, nonce: str) -> GuardAnswer:
    """The one whole section of the answer. Noise before and after it is passed over.

    Raises `RootUnavailable`, `NeedsRoot` or `AnswerGarbled`: then nothing can be said about the attempt.
    """
    head = re.search(
        rb"^%s state ([a-z]+) (-|\d{1,3}) (\S+)\n" % re.escape(nonce.encode()), completed.stdout, re.MULTILINE
    )
    if head is None:
        if _had_root(completed, nonce):
            raise AnswerGarbled(f"{host.name}: the guard ran, but its answer is not there")
        raise why_no_answer(host, completed)
    rest = completed.stdout[head.end() :]
    trailers = re.finditer(rb"\n%s end 0 (\d{1,6})\n" % re.escape(nonce.encode()), rest)
    text = next((rest[: found.start()] for found in trailers if int(found[1]) == found.start()), None)
    state, code, boot_id = (part.decode() for part in head.groups())
    if text is None or state not in set(GuardState):
        raise AnswerGarbled(f"{host.name}: the guard's answer is cut off or not of its form")
    return _answer(host, GuardState(state), code, boot_id, text.decode(errors="replace"))


def _had_root(completed: Completed, nonce: str) -> bool:
    """Whether the guard ran as root, so that it may be at work: whatever else sudo said on stderr."""
    ready = re.search(rb"^%s ready$" % re.escape(nonce.encode()), completed.stdout, re.MULTILINE)
    return ready is not None


def _answer(host: Host, state: GuardState, code: str, boot_id: str, text: str) -> GuardAnswer:
    if (state in (GuardState.FINISHED, GuardState.REFUSED)) != (code != "-"):
        raise AnswerGarbled(f"{host.name}: the guard's answer says {state.value} with the exit code {code}")
    return GuardAnswer(
        state=state,
        code=None if code == "-" else int(code),
        boot_id=None if boot_id == "-" else boot_id,
        text=text,
    )
