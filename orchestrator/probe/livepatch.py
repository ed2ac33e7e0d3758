"""Live patches, as the kernel shows them in sysfs (Documentation/ABI/testing/sysfs-kernel-livepatch)."""

from collections.abc import Iterator
from itertools import islice

from pydantic import Field

from orchestrator.core.facts import BlockingTask, LivePatch, PatchState
from orchestrator.core.model import Frozen
from orchestrator.probe.fields import TOO_LARGE, Fields, Line
from orchestrator.probe.notes import gnu_build_id
from orchestrator.probe.text import integer

SYSFS = "klp"
"""The tool that a patch is attributed to when nothing but sysfs tells of it."""

MOST_PATCHES = 64
"""Live patches of one host; who has more is not believed."""

LONGEST_NAME = 55
"""A patch has its module's name: the kernel's MODULE_NAME_LEN is 56 with the closing NUL."""

MOST_TASKS = 64
_MOVING = (PatchState.TRANSITIONING, PatchState.STALLED, PatchState.REVERTING)


class SeenPatches(Frozen):
    """The live patches, and what about them could not be read."""

    supported: bool | None = None
    patches: tuple[LivePatch, ...] = ()
    unknown: dict[str, str] = Field(default_factory=dict)


def parse_livepatch(fields: Fields, transition: Fields, *, root_lacks: str | None) -> SeenPatches:
    """``transition`` is the root section about the one transition under way; ``root_lacks`` why there is none."""
    unknown: dict[str, str] = {}
    supported = {"yes": True, "no": False}.get(fields.get("supported") or "")
    if supported is None:
        unknown["livepatch_supported"] = fields.why("supported")
        unknown["live_patches"] = fields.why("supported")
    for key in ("patches", "modules"):
        if any(line.key == key and line.lacks not in (None, "absent") for line in fields.lines):
            unknown["live_patches"] = fields.why(key)
    blocks = list(islice(_blocks(fields), MOST_PATCHES + 1))
    if len(blocks) > MOST_PATCHES or any(_is_too_long(block) for block in blocks):
        unknown["live_patches"] = TOO_LARGE
    patches = []
    for block in [block for block in blocks[:MOST_PATCHES] if not _is_too_long(block)]:
        patch = _patch(block)
        if patch.state is PatchState.FAILED:
            unknown[f"live_patches.{patch.name}"] = "unreadable"
        if patch.state in _MOVING:
            patch = _with_blocking(patch, transition)
            if patch.blocking_count is None:
                unknown["live_patches.blocking"] = root_lacks or transition.why("tasks")
        patches.append(patch)
    return SeenPatches(
        supported=supported, patches=tuple(sorted(patches, key=lambda patch: patch.name)), unknown=unknown
    )


def _blocks(fields: Fields) -> Iterator[Fields]:
    """The lines of each patch, its ``patch`` or ``loaded`` line first."""
    block: list[Line] = []
    for line in fields.lines:
        if line.key in ("patch", "loaded"):
            if block:
                yield Fields(lines=tuple(block))
            block = []
        if block or line.key in ("patch", "loaded"):
            block.append(line)
    if block:
        yield Fields(lines=tuple(block))


def _is_too_long(block: Fields) -> bool:
    return len(block.lines[0].value or "") > LONGEST_NAME


def _patch(block: Fields) -> LivePatch:
    return LivePatch(
        tool=SYSFS,
        name=block.lines[0].value or "unnamed",
        version=(block.get("version") or "")[:100] or None,
        state=_state(block),
        build_id=gnu_build_id(block.get("notes")),
        replace={"1": True, "0": False}.get(block.get("replace") or ""),
    )


def _state(block: Fields) -> PatchState:
    """In force only when everything that is there says so; `transition` and `patched` are absent on older kernels."""
    if block.lines[0].key == "loaded":
        return PatchState.DISABLED
    enabled = block.get("enabled")
    moving = "0" if block.why("transition") == "absent" else block.get("transition")
    patched = all(line.value == "1" for line in block.lines if line.key == "patched")
    if enabled == "1" and moving == "0":
        return PatchState.APPLIED if patched else PatchState.FAILED
    return {
        ("1", "1"): PatchState.TRANSITIONING,
        ("0", "1"): PatchState.REVERTING,
        ("0", "0"): PatchState.DISABLED,
    }.get((enabled or "", moving or ""), PatchState.FAILED)


def _with_blocking(patch: LivePatch, transition: Fields) -> LivePatch:
    """Stalled: the kernel has begun to signal stragglers (15 s into a transition), and there still are some."""
    if transition.get("moving") == "no":
        return patch.model_copy(update={"blocking_count": 0})
    count = integer(transition.get("tasks"))
    if transition.get("patch") != patch.name or count is None:
        return patch
    stalled = patch.state is PatchState.TRANSITIONING and count > 0 and _signalled(transition.all("log"))
    return patch.model_copy(
        update={
            "blocking": tuple(islice(_tasks(transition), MOST_TASKS)),
            "blocking_count": count,
            "state": PatchState.STALLED if stalled else patch.state,
        }
    )


def _signalled(log: list[str]) -> bool:
    """ "signaling remaining tasks" names no patch: it is about the transition that started last and did not end."""
    signalled = False
    for line in log:
        if "starting patching transition" in line or "starting unpatching transition" in line or "complete" in line:
            signalled = False
        elif "signaling remaining tasks" in line:
            signalled = True
    return signalled


def _tasks(transition: Fields) -> Iterator[BlockingTask]:
    pid, command, stack = None, "", list[str]()
    for line in [*transition.lines, Line(key="pid", value=None)]:
        if line.key == "pid":
            if pid is not None:
                yield BlockingTask(pid=pid, command=command, stack=tuple(stack[:12]))
            pid, command, stack = integer(line.value), "", []
        elif line.key == "comm":
            command = (line.value or "")[:64]
        elif line.key == "stack" and line.value:
            stack.append(line.value[:200])
