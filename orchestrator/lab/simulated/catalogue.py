"""The demo patches for simulated kernels: the kernel lab's, with modules that our own insmod understands."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from orchestrator.lab.kernel.demo import PATCHES, DemoPatch
from orchestrator.lab.simulated.elf import module
from orchestrator.lab.simulated.kernels import KERNELS, SimulatedKernel

STALLING = "LAB-STALL"


def module_bytes(patch: DemoPatch, kernel: SimulatedKernel) -> bytes:
    """A patch's module for a kernel build. ``simulated_…`` stands for what real modules say in their code."""
    seed = f"{patch.id} {kernel.release}".encode()
    more = {"version": "1"}
    if patch.replaces == "all":
        more["simulated_replace"] = "Y"
    if patch.id == STALLING:
        more["simulated_stalls"] = "Y"
    return module(
        name=patch.module,
        vermagic=kernel.vermagic,
        build_id=hashlib.sha1(seed, usedforsecurity=False).digest(),
        more=more,
    )


def write_catalogue(folder: Path, kernels: Sequence[SimulatedKernel] = KERNELS) -> None:
    """Write ``ID.yaml`` of every demo patch and the modules they name, in place of what was there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for patch in PATCHES:
        builds = [_build(folder, patch, kernel) for kernel in kernels]
        document = {
            "id": patch.id,
            "summary": patch.summary,
            "fixes": [vars(fix) for fix in patch.fixes],
            "replaces": patch.replaces,
            "builds": builds,
        }
        (folder / f"{patch.id}.yaml").write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _build(folder: Path, patch: DemoPatch, kernel: SimulatedKernel) -> dict[str, str]:
    data = module_bytes(patch, kernel)
    name = f"{patch.module}-{kernel.release}.ko"
    (folder / name).write_bytes(data)
    return {
        "module": name,
        "kernel": kernel.release,
        "build_id": kernel.build_id,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
