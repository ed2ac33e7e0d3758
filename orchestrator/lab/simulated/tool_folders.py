"""The folders of stand-ins: one for each tool, put together for the hosts that have it."""

import shutil
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

VENDOR_TOOLS = ("kpatch", "dnf", "canonical", "kernelcare", "ksplice", "suse", "libcare", "libpulp")
"""Live-patch tools beside the kernel's own."""


def folder_of(tool: str) -> Traversable:
    """A tool's folder: its ``.sh`` files are programs, its ``state`` folder is what a new host has of it."""
    return resources.files(__package__).joinpath("tools", tool)


@cache
def exists(tool: str) -> bool:
    """Whether there are stand-ins for it."""
    folder = folder_of(tool)
    return folder.is_dir() and any(entry.name.endswith(".sh") for entry in folder.iterdir())


def write_stand_ins(folder: Path, tools: tuple[str, ...]) -> None:
    """Write the programs of a host that has these tools.

    Where two have one of the same name, the later tool's takes its place; the earlier one stays as ``TOOL.NAME``.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    owners: dict[str, str] = {}
    for tool in tools:
        for script in folder_of(tool).iterdir():
            name = script.name.removesuffix(".sh")
            if name == script.name:
                continue
            if name in owners:
                (folder / name).replace(folder / f"{owners[name]}.{name}")
            owners[name] = tool
            (folder / name).write_text(script.read_text(encoding="utf-8"))
            (folder / name).chmod(0o755)
