"""The text of a ``known_hosts`` file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT), read and changed line by line.

The name field holds inventory names, never addresses: behind two bastions the same address may be two machines.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from orchestrator.errors import InvalidInput
from orchestrator.ports.ssh import PresentedKey

CERT_AUTHORITY = "@cert-authority"
REVOKED = "@revoked"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line that pins: ``names`` as written, the marker or None, the key."""

    names: tuple[str, ...]
    marker: str | None
    key: PresentedKey

    def names_exactly(self, name: str) -> bool:
        """Is the host named here, in clear or hashed?"""
        return any(_is(written, name) for written in self.names)

    def covers(self, name: str) -> bool:
        """Is the host named here, or matched by a pattern that is not taken back by a ``!pattern``?"""
        if any(written.startswith("!") and _matches(written[1:], name) for written in self.names):
            return False
        return any(_matches(written, name) for written in self.names)


def fingerprint_of(blob: bytes) -> str:
    """SHA256 fingerprint as OpenSSH prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def key_of(kind: str, blob: str) -> PresentedKey:
    """A key from its OpenSSH type and base64 blob. Raises `ValueError` when they are not one."""
    raw = base64.b64decode(blob, validate=True)
    written = kind.encode()
    if raw[:4] != len(written).to_bytes(4, "big") or raw[4 : 4 + len(written)] != written:
        raise ValueError(f"the key is not of type {kind}")
    return PresentedKey(type=kind, blob=blob, fingerprint=fingerprint_of(raw))


def parse(text: str, file: PurePath) -> tuple[Entry, ...]:
    """All entries. Raises `InvalidInput` naming the file and the line."""
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            entries.append(_entry(line, file, number))
    return tuple(entries)


def with_pins(text: str, name: str, keys: Sequence[PresentedKey], file: PurePath) -> str:
    """The text in which exactly these keys are pinned for the name; all other lines are kept as they are."""
    kept = []
    for number, line in enumerate(text.splitlines(), start=1):
        pins = line.strip() and not line.lstrip().startswith("#")
        entry = _entry(line, file, number) if pins else None
        if entry is None or entry.marker is not None or not entry.names_exactly(name):
            kept.append(line)
        elif others := [written for written in entry.names if not _is(written, name)]:
            kept.append(line.replace(",".join(entry.names), ",".join(others), 1))
    kept += [f"{name} {key.type} {key.blob}" for key in keys]
    return "\n".join(kept) + "\n" if kept else ""


def check_name(name: str) -> None:
    """Refuse a name that would mean something else in the name field."""
    if not name or re.search(r"[\s,*?!|]", name) or name[0] in "@#":
        raise InvalidInput(f"the name {name!r} cannot stand in known_hosts: it has blanks or one of , * ? ! | @ #")


def _entry(line: str, file: PurePath, number: int) -> Entry:
    words = line.split()
    marker = words.pop(0) if words[0].startswith("@") else None
    if marker not in {None, CERT_AUTHORITY, REVOKED}:
        raise InvalidInput(
            f"{marker} is no marker of known_hosts; remove or correct the line", file=str(file), line=number
        )
    if len(words) < 3:
        raise InvalidInput(
            "not a line of known_hosts (NAME TYPE KEY); remove or correct it", file=str(file), line=number
        )
    try:
        key = key_of(words[1], words[2])
    except (ValueError, binascii.Error) as exc:
        raise InvalidInput(f"the key cannot be read ({exc}); pin the host again", file=str(file), line=number) from exc
    return Entry(names=tuple(words[0].split(",")), marker=marker, key=key)


def _is(written: str, name: str) -> bool:
    if not written.startswith("|1|"):
        return written == name
    salt, _, digest = written[3:].partition("|")  # HashKnownHosts: HMAC-SHA1 of the name
    try:
        made = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest))
    except binascii.Error:
        return False


def _matches(pattern: str, name: str) -> bool:
    return _is(pattern, name) or (("*" in pattern or "?" in pattern) and bool(_pattern(pattern).fullmatch(name)))


@lru_cache(maxsize=1024)
def _pattern(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` only: a bracket is a bracket there."""
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern))
