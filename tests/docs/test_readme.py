"""The README as a newcomer follows it: its shell blocks run, in their order, in one shell."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.adapters.catalogue.test_patch_file import entry, patch

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)(?:<!-- needs: (\w+) -->\n *)?```sh\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
ALLOWED = {
    "hosts": ("patchwave hosts trust", "patchwave hosts doctor", "patchwave scan", "rollout start"),
    "internet": ("patchwave advisories sync",),
    "minutes": ("make demo", "make test"),
}
"""Why a block may be left out here, and what has to stand in it then."""


class Block(NamedTuple):
    """One shell block, and what it needs that this test has not."""

    needs: str | None
    text: str


def blocks() -> list[Block]:
    """Every shell block of the README, in its order."""
    found = _BLOCK.findall((ROOT / "README.md").read_text())
    return [Block(needs=needs or None, text=textwrap.dedent(text)) for _, needs, text in found]


def test_every_shell_block_is_found() -> None:
    """The expression that finds them misses none."""
    assert len(re.findall(r"^ *```(?:sh|bash|shell|console)$", (ROOT / "README.md").read_text(), re.MULTILINE)) == len(
        blocks()
    )


def test_only_what_cannot_run_is_left_out() -> None:
    """A mark says what a block needs; each command of a marked block is one that needs it."""
    for block in blocks():
        lines = block.text.splitlines() if block.needs else []
        assert [] == [line for line in lines if not any(part in line for part in ALLOWED[block.needs or ""])]


@pytest.mark.processes
def test_the_rest_runs(tmp_path: Path) -> None:
    """From an empty home, with an inventory and a patch of the reader's own. Nothing fails, nothing waits."""
    (tmp_path / "hosts").write_text("[web]\nweb1 ansible_host=192.0.2.1\nweb2 ansible_host=192.0.2.2\n")
    shutil.copytree(ROOT / "playbooks", tmp_path / "playbooks")
    patch(tmp_path, entry(tmp_path), id="MY-PATCH").rename(tmp_path / "my-patch.yaml")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    text = "".join(block.text for block in blocks() if block.needs is None)
    assert "/etc/ansible/hosts" in text

    done = subprocess.run(
        ["sh", "-eu"],
        input=text.replace("/etc/ansible/hosts", str(tmp_path / "hosts")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )

    assert (0, "") == (done.returncode, "".join(line for line in done.stderr.splitlines() if "Traceback" in line))
    assert ("web1", "MY-PATCH") == tuple(word for word in ("web1", "MY-PATCH") if word in done.stdout)
    assert (tmp_path / ".patchwave" / "patchwave.db").is_file()
