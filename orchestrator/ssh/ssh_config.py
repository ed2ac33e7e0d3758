"""The user's ssh_config: paramiko's parser, plus ``Include``, which it ignores."""

import shlex
from collections.abc import Iterator
from functools import lru_cache
from io import StringIO
from pathlib import Path

import paramiko

from orchestrator.errors import SettingsInvalid

USER_FILE = "~/.ssh/config"
SYSTEM_FILE = "/etc/ssh/ssh_config"
DEEPEST = 16
"""Includes within includes that ssh(1) follows."""


class SshConfig:
    """What ssh_config says about a destination. Parsed once; answers are kept."""

    def __init__(self, path: str | None = None) -> None:
        """``path`` replaces the user's and the system's file, as ``ssh -F`` does. Raises `SettingsInvalid`."""
        files = [Path(path).expanduser()] if path else [Path(USER_FILE).expanduser(), Path(SYSTEM_FILE)]
        if path and not files[0].is_file():
            raise SettingsInvalid("there is no such ssh_config", file=path)
        self._parsed = paramiko.SSHConfig()
        for file in files:
            if file.is_file():
                self._load(file)
        self._lookup = lru_cache(maxsize=4096)(self._parsed.lookup)

    def about(self, destination: str) -> paramiko.SSHConfigDict:
        """Options, keys in lower case, for a destination as one would type it after ``ssh``."""
        return self._lookup(destination)

    def _load(self, file: Path) -> None:
        try:
            text = "\n".join(_lines(file, file.parent, 0))
            self._parsed.parse(StringIO(text))
        except (OSError, UnicodeDecodeError, paramiko.ConfigParseError, ValueError) as exc:
            raise SettingsInvalid(f"this ssh_config cannot be read: {exc}", file=str(file)) from exc


def _lines(file: Path, base: Path, depth: int) -> Iterator[str]:
    """The file's lines with the included files in place; each included file's Host blocks end with it."""
    block = "Host *"
    for line in file.read_text().splitlines():
        words = line.strip().replace("=", " ", 1).split(maxsplit=1)
        keyword = words[0].lower() if words else ""
        if keyword in {"host", "match"}:
            block = line
        if keyword != "include" or depth >= DEEPEST or len(words) < 2:
            yield line
            continue
        for included in _included(words[1], base):
            yield block
            yield from _lines(included, base, depth + 1)
        yield block


def _included(patterns: str, base: Path) -> Iterator[Path]:
    for pattern in shlex.split(patterns):
        path = Path(pattern).expanduser()
        root = Path("/") if path.is_absolute() else base
        yield from sorted(found for found in root.glob(str(path).lstrip("/")) if found.is_file())
