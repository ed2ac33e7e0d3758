"""Builds the demo live patches, one module per patch and kernel."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab.kernel.cache import Cache, digest, recipe
from orchestrator.lab.kernel.kernels import Kernel, gnu_build_id
from orchestrator.lab.kernel.programs import find, run

SOURCES = Path(__file__).parent / "klp_sources"


@dataclass(frozen=True, kw_only=True)
class Module:
    """A built module: ``name`` as /sys/module has it, ``build_id`` its own GNU build id."""

    name: str
    file: Path
    sha256: str
    build_id: str


def modules(cache: Cache, kernel: Kernel) -> dict[str, Module]:
    """All demo modules for that kernel, by name."""
    sources = sorted(path for path in SOURCES.iterdir() if path.suffix in {".c", ".h"} or path.name == "Kbuild")
    key = digest(recipe(__file__, *sources), kernel.folder.name)
    folder = cache.entry("modules", kernel.release, key, lambda work: _make(work, sources, kernel))
    return {path.stem: _module(path) for path in sorted(folder.glob("*.ko"))}


def _make(work: Path, sources: list[Path], kernel: Kernel) -> None:
    """Build in the entry itself, then drop everything but the modules.

    The compiler is the one that Debian built the kernel with where it is there, else the machine's own: the modules
    are small and call nothing that depends on it.
    """
    for path in sources:
        shutil.copy(path, work / path.name)
    compiler = kernel.compiler if find(kernel.compiler) else "gcc"
    run("make", "-s", "-C", kernel.build_tree, f"M={work}", f"CC={compiler}", "modules")
    for path in work.iterdir():
        if path.suffix != ".ko":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in work.glob("*.ko"):
        run("strip", "--strip-debug", path)


def _module(path: Path) -> Module:
    data = path.read_bytes()
    return Module(name=path.stem, file=path, sha256=hashlib.sha256(data).hexdigest(), build_id=gnu_build_id(data))
