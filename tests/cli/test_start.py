"""A command starts without what only other commands need."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

pytestmark = pytest.mark.processes

HEAVY = {
    "alembic", "asyncssh", "cvss", "elftools", "fastapi", "httpx", "ijson", "prometheus_client", "starlette", "uvicorn",
    "zstandard",
}  # fmt: skip
"""What takes long to import: migrations, the simulated fleet's SSH server, reading modules and feeds, the service."""

PROGRAM = textwrap.dedent("""
    import sys
    from orchestrator.cli.main import main
    try:
        main(sys.argv[1:])
    except SystemExit as ended:
        print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
        raise
""")


def imported(terminal: Terminal, *arguments: str) -> set[str]:
    """The top-level modules that a process of its own has at the end of a command, started in the terminal's folder:
    an ``inventory`` that lies wherever the tests run would be taken for the one that is meant."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "--home", str(terminal.home), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=terminal.folder,
        env={"PATH": os.environ["PATH"], "HOME": str(terminal.folder), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert 0 == done.returncode, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["--version", "--help", "hosts list", "lab --help", "serve --help"])
def test_a_command_imports_no_heavy_part_that_it_does_not_need(terminal: Terminal, command: str) -> None:
    """People wait for every start, and scripts start it once per host."""
    terminal.initialised()

    assert set() == HEAVY & imported(terminal, *command.split())


def test_what_is_called_heavy_is_what_this_product_imports() -> None:
    """A name that nothing imports any more would be looked for in vain: each is in the lock file of the product."""
    locked = "\n" + (Path(__file__).parents[2] / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    distributions = {name: name.replace("_", "-") for name in HEAVY} | {"elftools": "pyelftools"}

    assert [] == [name for name, distribution in distributions.items() if f"\n{distribution}==" not in locked]
