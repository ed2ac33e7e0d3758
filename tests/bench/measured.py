"""What one contestant's process spent: told by the process itself, on its last line of stdout, as JSON."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
LIMIT = 1800.0
"""Seconds after which a contestant is given up."""


class Stopwatch:
    """Wall time and this process's own CPU time (children not counted) of a block, in seconds."""

    def __enter__(self) -> Self:
        self._wall, self._cpu = time.perf_counter(), own_cpu()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, own_cpu() - self._cpu


def own_cpu() -> float:
    """User and system seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def own_memory() -> int:
    """Resident bytes of this process now (``statm``'s second field, proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def tell(**figures: Any) -> None:
    """The child's last word."""
    print(json.dumps(figures))


def child(module: str, *arguments: str, home: Path) -> dict[str, Any]:
    """Run ``python -m module`` in a fresh process whose ``~`` is ``home``; the figures that it told."""
    done = run((sys.executable, "-m", module, *arguments), home=home)
    figures: dict[str, Any] = json.loads(done.splitlines()[-1])
    return figures


def wall_of(argv: Sequence[str], *, home: Path, environ: Mapping[str, str] | None = None) -> float:
    """Seconds that a program takes from its start to its end."""
    began = time.perf_counter()
    run(argv, home=home, environ=environ)
    return time.perf_counter() - began


def run(argv: Sequence[str], *, home: Path, environ: Mapping[str, str] | None = None) -> str:
    """Its stdout. Raises `SystemExit` with what it said when it fails: a failed run has no time."""
    # Nothing of whoever runs the benchmark: no agent, no ssh_config, no settings.
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=clean | dict(environ or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout
