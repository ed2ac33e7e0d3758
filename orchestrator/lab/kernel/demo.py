"""The demo patches, and the catalogue files that describe them to ``patchwave patches add``."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from orchestrator.lab.kernel.kernels import Kernel
from orchestrator.lab.kernel.modules import Module


@dataclass(frozen=True, kw_only=True)
class DemoFix:
    """One invented CVE. 2099 is far from every real one."""

    cve: str
    severity: str
    disclosed: str
    published: str


@dataclass(frozen=True, kw_only=True)
class DemoPatch:
    """One demo patch; ``module`` is its name in the kernel."""

    id: str
    module: str
    summary: str
    fixes: tuple[DemoFix, ...]
    replaces: Literal["all", "none"]


_SECRET = DemoFix(
    cve="CVE-2099-0001",
    severity="critical",
    disclosed="2025-02-03T09:00:00Z",
    published="2025-02-05T12:00:00Z",
)
_VERSION = DemoFix(
    cve="CVE-2099-0002",
    severity="medium",
    disclosed="2025-03-10T09:00:00Z",
    published="2025-03-14T12:00:00Z",
)
_SWAP = DemoFix(
    cve="CVE-2099-0003",
    severity="high",
    disclosed="2025-04-07T09:00:00Z",
    published="2025-04-08T12:00:00Z",
)

PATCHES = (
    DemoPatch(
        id="LAB-0001",
        module="lab_0001",
        summary="/proc/cmdline shows a boot secret to every user",
        fixes=(_SECRET,),
        replaces="none",
    ),
    DemoPatch(
        id="LAB-0002",
        module="lab_0002",
        summary="Cumulative: also keeps /proc/version from telling every user who built the kernel",
        fixes=(_SECRET, _VERSION),
        replaces="all",
    ),
    DemoPatch(
        id="LAB-STALL",
        module="lab_stall",
        summary="Replaces kswapd(), which its kernel thread never leaves: the transition never ends",
        fixes=(_SWAP,),
        replaces="none",
    ),
)


def document(patch: DemoPatch, built: Iterable[tuple[Kernel, Module]]) -> dict[str, object]:
    """The catalogue file of a patch, with one build per kernel."""
    return {
        "id": patch.id,
        "summary": patch.summary,
        "fixes": [vars(fix) for fix in patch.fixes],
        "replaces": patch.replaces,
        "builds": [
            {
                "module": file_name(kernel, module),
                "kernel": kernel.release,
                "build_id": kernel.build_id,
                "sha256": module.sha256,
            }
            for kernel, module in built
        ],
    }


def file_name(kernel: Kernel, module: Module) -> str:
    """A module of every kernel in one folder: the release is part of the name."""
    return f"{module.name}-{kernel.release}.ko"


def write_catalogue(folder: Path, built: Iterable[tuple[Kernel, dict[str, Module]]]) -> None:
    """Write ``ID.yaml`` of every demo patch and the modules they name, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    everything = tuple(built)
    for patch in PATCHES:
        builds = [(kernel, modules[patch.module]) for kernel, modules in everything]
        for kernel, module in builds:
            shutil.copy(module.file, folder / file_name(kernel, module))
        text = yaml.safe_dump(document(patch, builds), sort_keys=False, allow_unicode=True)
        (folder / f"{patch.id}.yaml").write_text(text)
