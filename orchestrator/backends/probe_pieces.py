"""The sections that backends add to a check, out of the `.sh` files of this package."""

import re
from functools import lru_cache
from importlib import resources


@lru_cache(maxsize=128)
def probe_function(file: str, name: str) -> str:
    """The function ``name`` of ``file`` (without its ``.sh``), as it is sent: without comments, because sudo writes the
    whole root part to the host's log. It begins with ``name() {`` and ends with ``}``, both on lines of their own.
    Raises `KeyError` where there is none of that name.
    """
    text = resources.files(__package__).joinpath(f"{file}.sh").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}\(\) \{{\n.*?^\}}$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise KeyError(f"{file}.sh has no function {name}")
    return re.sub(r"^[ ]*#.*\n", "", found[0], flags=re.MULTILINE)


@lru_cache(maxsize=64)
def probe_files(*files: str) -> str:
    """All functions of these files (without their ``.sh``), one file after the other, likewise without comments."""
    texts = (resources.files(__package__).joinpath(f"{file}.sh").read_text(encoding="utf-8") for file in files)
    return re.sub(r"^[ ]*#.*\n", "", "\n".join(texts), flags=re.MULTILINE).strip()
