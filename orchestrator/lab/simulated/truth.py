"""What simulated hosts are really like, by the files that stand for the kernel and by what the stand-ins keep."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ToolTruth:
    """What of one tool is in force. ``level``: as the tool counts it; ``patches``: name and version of each."""

    level: str | None = None
    patches: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a host is really like. ``in_force``: names of the modules whose code runs; ``enabled_count``: how often
    the kernel ever said "enabling patch", by module; ``disabled_count``: "unpatching complete", likewise; ``tools``:
    what is in force of each live-patch tool that has put anything in force since the boot."""

    in_force: tuple[str, ...]
    in_transition: str | None
    boot_id: str
    enabled_count: Mapping[str, int]
    disabled_count: Mapping[str, int]
    tools: Mapping[str, ToolTruth]


def read_truth(root: Path) -> Truth:
    """The truth about the host with that root folder."""
    states = _states(root)
    in_force = tuple(name for name, state in states.items() if state == ("1", "0"))
    journal = _text(root / "lab/journal").splitlines()
    return Truth(
        in_force=in_force,
        in_transition=next((name for name, state in states.items() if state[1] == "1"), None),
        boot_id=_text(root / "proc/sys/kernel/random/boot_id").strip(),
        enabled_count=_counted(journal, "livepatch: enabling patch '", "'"),
        disabled_count=_counted(journal, "livepatch: '", "': unpatching complete"),
        tools={
            file.parent.name: _of_tool(file.read_text().splitlines(), root, in_force)
            for file in sorted((root / "lab/tools").glob("*/truth"))
        },
    )


def _states(root: Path) -> dict[str, tuple[str, str]]:
    """``enabled`` and ``transition`` of each live patch of the kernel's own."""
    place = root / "sys/kernel/livepatch"
    names = sorted(folder.name for folder in place.iterdir()) if place.is_dir() else []
    return {
        name: (_text(place / name / "enabled").strip(), _text(place / name / "transition").strip()) for name in names
    }


def _of_tool(lines: Iterable[str], root: Path, in_force: Sequence[str]) -> ToolTruth:
    """See `tell_truth` in ``tools/base/_tool.sh``. A module counts as long as sysfs has it in force."""
    level, patches = None, []
    for line in lines:
        if line.startswith("level="):
            level = line.removeprefix("level=")
        kind, _, rest = line.partition(" ")
        name, _, version = rest.partition(" ")
        if kind == "patch":
            patches.append((name, version))
        elif kind == "module" and name in in_force:
            patches.append((name, _text(root / "sys/module" / name / "version").strip()))
    return ToolTruth(level=level, patches=tuple(patches))


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def _counted(journal: Sequence[str], before: str, after: str) -> Mapping[str, int]:
    return dict(
        Counter(
            line.removeprefix(before).removesuffix(after)
            for line in journal
            if line.startswith(before) and line.endswith(after)
        )
    )
