"""How tests are shared out among the workers of pytest-xdist: file by file."""

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

KERNEL_LAB = "the kernel lab"

TREE = Path(__file__).parents[1]


class FilesSideBySide(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no type information
    """A file's tests run on one worker, so that what they share (a server, a demo told once) is made once. The kernel
    lab is shared by several files: those are dealt with as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def unit_of(nodeid: str) -> str:
    """What is never divided: a file, or `KERNEL_LAB`."""
    file = nodeid.partition("::")[0]
    return KERNEL_LAB if _is_of_the_kernel_lab(file) else file


def rank_of(nodeid: str) -> int:
    """Whatever takes long begins early, so that no worker waits for another one at the end."""
    if unit_of(nodeid) == KERNEL_LAB:
        return 0
    return 1 if nodeid.startswith("tests/acceptance/") else 2


@cache
def _is_of_the_kernel_lab(file: str) -> bool:
    # Node ids are all that a scheduler is told (and xdist 3.8 cannot write its groups into those of pytest 9).
    return "pytest.mark.kernel\n" in (TREE / file).read_text()
