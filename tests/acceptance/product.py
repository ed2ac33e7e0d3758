"""The product as its users run it: the installed command, in a home of its own."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

COMMAND = Path(sys.executable).parent / "patchwave"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)


@dataclass(frozen=True, kw_only=True)
class Patchwave:
    """Runs ``patchwave`` against one home folder, with nothing of the caller's own settings."""

    home: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 600.0

    def run(self, *words: str, **environ: str) -> Ended:
        """Run a command to its end."""
        done = subprocess.run(
            self._argv(words),
            env=self._environ(environ),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        return Ended(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def ok(self, *words: str, **environ: str) -> Ended:
        """Run a command that must end with 0."""
        ended = self.run(*words, **environ)
        assert ended.exit_code == 0, f"patchwave {' '.join(words)}: {ended}"
        return ended

    def start(self, *words: str, **environ: str) -> "subprocess.Popen[str]":
        """Start a command and leave it running. Stop it by its process id: `kill`."""
        return subprocess.Popen(
            self._argv(words),
            env=self._environ(environ),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _argv(self, words: tuple[str, ...]) -> list[str]:
        return [str(COMMAND), "--home", str(self.home), *words]

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PATCHWAVE_")}
        return {**plain, "COLUMNS": "200", "SSH_AUTH_SOCK": "", **self.environ, **more}


def kill(process: "subprocess.Popen[str]") -> None:
    """SIGKILL: no chance to tidy up."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


def metrics(product: Patchwave) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What a running service exposes: samples by name."""
    service = product.start("serve", "--port", "0", PATCHWAVE_CHECK_INTERVAL="1h", PATCHWAVE_FEEDS="none")
    try:
        assert service.stderr is not None
        line = next(line for line in service.stderr if "http://" in line)
        url = line.split("serving on ")[1].split(";")[0]
        with urllib.request.urlopen(f"{url}/metrics", timeout=30) as answer:  # a loopback address
            text = answer.read().decode()
    finally:
        service.terminate()
        service.communicate(timeout=60)
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found
