"""What hosts run, out of the `.sh` files of the backends. A file's name is its path below this folder, without the
``.sh``: ``guard/common``.
"""

import re
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=32)
def pieces(files: tuple[str, ...]) -> str:
    """These files, one after the other, as they are."""
    return "".join(map(_text, files))


@lru_cache(maxsize=128)
def probe_function(file: str, name: str) -> str:
    """The function ``name`` of ``file``, as it is sent with a check: without comments, because sudo writes the whole
    root part to the host's log. It begins with ``name() {`` and ends with ``}``, both on lines of their own.
    Raises `KeyError` where there is none of that name.
    """
    found = re.search(rf"^{re.escape(name)}\(\) \{{\n.*?^\}}$", _text(file), re.MULTILINE | re.DOTALL)
    if found is None:
        raise KeyError(f"{file}.sh has no function {name}")
    return re.sub(r"^[ ]*#.*\n", "", found[0], flags=re.MULTILINE)


@lru_cache(maxsize=64)
def probe_files(*files: str) -> str:
    """All functions of these files, one file after the other, likewise without comments."""
    return re.sub(r"^[ ]*#.*\n", "", "\n".join(map(_text, files)), flags=re.MULTILINE).strip()


def _text(file: str) -> str:
    return resources.files(__package__).joinpath(f"{file}.sh").read_text(encoding="utf-8")
