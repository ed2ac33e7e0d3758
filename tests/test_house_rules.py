"""The rules of the house that programs can check, checked wherever the tests run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import PACKAGES

TREE = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", "--quiet", "."),
        ("ruff", "check", "--quiet", "."),
        ("mypy", "--no-error-summary"),
        ("lint-imports", "--no-cache"),
    ],
    ids=lambda command: command[0] + "-" + command[1].strip("-"),
)
def test_the_tree_keeps_the_rules(command: tuple[str, ...]) -> None:
    """Format, lint, types, and the direction of imports."""
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=TREE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_tests_need_is_installed_for_them() -> None:
    """Every program that a test asks for is one that scripts/packages.sh installs."""
    asked = {
        program
        for file in (TREE / "tests").rglob("*.py")
        for program in re.findall(r'require\("([a-z0-9_-]+)"\)', file.read_text())
    }
    installed = dict(re.findall(r"([a-z0-9_-]+):([a-z0-9-]+)", (TREE / "scripts" / "packages.sh").read_text()))
    assert asked <= PACKAGES.keys()
    assert {program: installed.get(program) for program in PACKAGES} == PACKAGES


def test_an_import_that_goes_up_fails(tmp_path: Path) -> None:
    """The contracts can fail: with one import from core to an adapter, they do."""
    copy = tmp_path / "tree"
    copy.mkdir()
    subprocess.run(["cp", "-r", str(TREE / "orchestrator"), str(TREE / "pyproject.toml"), str(copy)], check=True)
    with (copy / "orchestrator" / "core" / "model.py").open("a") as module:
        module.write("\nimport orchestrator.ssh.channel\n")
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache"],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Imports go down only BROKEN" in done.stdout
