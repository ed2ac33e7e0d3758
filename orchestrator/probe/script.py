"""The one script of a check: a constant, joined once from the `.sh` files beside this module and the backends' parts.

Functions, and one call on the last line: whatever prefix of it arrives runs nothing.
"""

import re
import shlex
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from pydantic import Field

from orchestrator.core.model import Frozen

ACCOUNT_SECTIONS = (
    "os",
    "kernel",
    "boot",
    "security",
    "virtualization",
    "livepatch",
    "reboot",
    "packages",
    "kernels",
    "account",
)
"""Sections that the login account reads, in the order of the answer."""

ROOT_SECTIONS = ("root_identity", "root_transition")
"""Sections that only root can read."""

ROOT_CALL_PIECES = ("host", "sudo")
"""What defines ``run_as_root``."""

_SECTION_PIECES = ("os", "kernel", "boot", "security", "virtualization", "livepatch", "reboot", "packages", "kernels")
_PIECES = (*ROOT_CALL_PIECES, "frame", *_SECTION_PIECES)
_ROOT_PIECES = ("host", "frame", "root_identity", "root_transition", "root_main")


_COMPOSING = threading.Lock()


class ProbePart(Frozen):
    """A section that a backend contributes: ``script`` defines the POSIX sh function ``name``, and nothing runs at its
    top level. The function's stdout is the section's body; its stderr and exit code come with it.

    ``when``: a sh condition of one line, of built-in commands alone, such as ``has_tool kcarectl uptrack-uname`` (one
    of them is an executable on the fixed PATH) or ``[ -e "$root/etc/kernelcare" ]``. Where it does not hold (exit
    code 1), the section is `Section.absent`, and no process was started for it. It is asked by whoever runs the part,
    and has to be able to tell without root unless the part needs root.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    script: str
    when: str | None = Field(default=None, pattern=r"^(?:[^\n`$;|&]|\$[A-Za-z_{]|&&|\|\|)+$")
    needs_root: bool = False


def compose(extra: Sequence[ProbePart] = ()) -> str:
    """The script with these extra sections. The same parts give the same text, made once."""
    with _COMPOSING:  # the first checks of a scan begin together
        return _compose(tuple(extra))


@lru_cache(maxsize=64)
def _compose(extra: tuple[ProbePart, ...]) -> str:
    _refuse_clashes(extra)
    mine = [part for part in extra if not part.needs_root]
    roots = [part for part in extra if part.needs_root]
    root_part = "\n".join(
        [*map(piece, _ROOT_PIECES), *_parts("extra_root_sections", roots), 'root_main "$@" </dev/null; exit "$?"', ""]
    )
    # Quoted as one word, so that `sh -c` gets it as it stands; a cut inside it is a syntax error and runs nothing.
    holder = "\n".join(["define_root_part() {", "  root_part=".ljust(12) + shlex.quote(root_part), "}"])
    # `exit` on the same line: a shell whose stdin stays open for sudo's password would wait for more of it.
    return "\n".join(
        [*map(piece, _PIECES), *_parts("extra_sections", mine), holder, piece("main"), 'main "$@"; exit "$?"', ""]
    )


def _refuse_clashes(extra: tuple[ProbePart, ...]) -> None:
    names = [*ACCOUNT_SECTIONS, *ROOT_SECTIONS, *(part.name for part in extra)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two sections of a check share a name: {', '.join(twice)}")


def _parts(function: str, parts: list[ProbePart]) -> list[str]:
    return [*(part.script for part in parts), "\n".join([f"{function}() {{", "  :", *map(_call, parts), "}"])]


def _call(part: ProbePart) -> str:
    if part.when is None:
        return f"  extra_section {part.name}"
    return f"  {{ {part.when}; }} 2>/dev/null\n  section_if $? {part.name}"


@lru_cache(maxsize=32)
def piece(name: str) -> str:
    """A `.sh` file of this package without its comments: sudo writes the whole root part to the host's log."""
    text = resources.files(__package__).joinpath(f"{name}.sh").read_text(encoding="utf-8")
    return re.sub(r"^[ ]*#.*\n", "", text, flags=re.MULTILINE).strip()
