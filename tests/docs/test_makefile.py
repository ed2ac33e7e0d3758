"""What ``make`` would run, on a tree that was just cloned."""

import os
import subprocess
from pathlib import Path

from tests.needs import require

TREE = Path(__file__).parents[2]


def commands(target: str, folder: Path) -> list[str]:
    """The commands of a target, with a virtual environment in an empty folder; nothing is run."""
    done = subprocess.run(
        [require("make"), "-n", "--no-print-directory", f"VENV={folder}/venv", target],
        cwd=TREE,
        env={name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "VENV"}},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_demo_is_lab_demo_as_it_is(tmp_path: Path) -> None:
    """After the run-time set is installed: the command with no option at all, whose story `tests/acceptance/test_demo`
    tells to its end with fewer hosts."""
    told = commands("demo", tmp_path)

    assert f"{tmp_path}/venv/bin/patchwave lab demo" == told[-1]
    assert [] == [line for line in told if "scripts/packages.sh" in line or "requirements/dev" in line]


def test_tests_run_with_all_that_they_need(tmp_path: Path) -> None:
    """Packages of the system and the development set come first."""
    told = commands("test", tmp_path)

    options = "--numprocesses 0 --dist loadfile --no-loadscope-reorder"
    assert "sh scripts/packages.sh" in told
    assert f"{tmp_path}/venv/bin/python -m pytest {options}" == told[-1].strip()
