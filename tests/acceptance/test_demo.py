"""``make demo``: the story is told to its end on any machine, with or without a terminal, and leaves nothing behind."""

import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from orchestrator.lab.simulated import background
from orchestrator.lab.simulated.handover import state_folder
from orchestrator.lab.simulated.processes import processes_below
from tests.acceptance.product import COMMAND
from tests.lab.simulated import eventually


def demo(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """The command, in a shell whose settings are for real hosts."""
    mine = {"PATCHWAVE_READ_ONLY": "true", "PATCHWAVE_INVENTORY": "/etc/ansible/hosts", "COLUMNS": "200"}
    return subprocess.run(
        [str(COMMAND), *words],
        env={**os.environ, **mine, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where temporary folders are made."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(place: Path) -> "subprocess.CompletedProcess[str]":
    """The demo with few hosts, told once."""
    return demo("lab", "demo", "--hosts", "8", TMPDIR=str(place))


def test_the_story_is_told_to_its_end(told: "subprocess.CompletedProcess[str]") -> None:
    """Exposed, planned, patched, covered, a stall reverted, the metrics; it exits 0."""
    lines = [line.strip() for line in told.stdout.splitlines()]
    assert told.returncode == 0, told.stderr
    chapters = ("A fleet", "Check every host", "Who is exposed?", "What would happen?", "Patch, in waves")
    for chapter in (*chapters, "The windows are closed", "And a patch that does not get in?", "What Prometheus reads"):
        assert chapter in told.stdout
    assert "8 of 8 hosts answered" in told.stdout
    assert "CVE-2099-0001  critical  8 exposed" in lines
    assert "CVE-2099-0001  critical  8 covered" in lines
    assert "the rollout succeeded" in lines
    assert "blocked by kswapd0 (57)" in told.stdout
    assert 'patchwave_time_to_patch_seconds_count{clock="detected",severity="critical",tool="klp"} 8.0' in lines
    assert "patchwave_reboots_avoided_total 8.0" in lines


def test_nothing_is_left(told: "subprocess.CompletedProcess[str]", place: Path) -> None:
    """No process, no folder."""
    assert told.returncode == 0
    assert ([], []) == (list(place.iterdir()), processes_below(place))


def test_a_home_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """The demo fills its home: it takes an empty one only."""
    (tmp_path / "patchwave.db").touch()
    refused = demo("--home", str(tmp_path), "lab", "demo")
    assert refused.returncode == 4
    assert "is not empty" in refused.stderr


def test_kept_it_goes_on(tmp_path: Path) -> None:
    """With --keep the service answers after the end, and the last lines say how to look at it and how to stop it."""
    home = tmp_path / "home"
    kept = demo("--home", str(home), "lab", "demo", "--hosts", "3", "--keep")
    try:
        assert kept.returncode == 0, kept.stderr
        words = kept.stdout.split()
        url = next(word for word in words if word.endswith("/metrics"))
        service = int(words[words.index("kill") + 1].rstrip(";"))
        with urllib.request.urlopen(url, timeout=30) as answer:  # a loopback address
            assert b"patchwave_reboots_avoided_total 3.0" in answer.read()
        assert f"patchwave --home {home} lab down" in kept.stdout
        os.kill(service, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{service}").exists() or _is_zombie(service))
    finally:
        assert background.down(state_folder(home)) == 3


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
