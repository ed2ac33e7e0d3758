"""Package versions in their distribution's own order. Never compare them as strings, nor across distributions."""

import re
from functools import lru_cache
from typing import Any

from univers.versions import AlpineLinuxVersion, DebianVersion, InvalidVersion, RpmVersion
from univers.versions import Version as UniversVersion

from orchestrator.core.distributions import Ordering

_KINDS: dict[Ordering, type[UniversVersion]] = {
    Ordering.DEB: DebianVersion,
    Ordering.RPM: RpmVersion,
    Ordering.APK: AlpineLinuxVersion,
}

_LONGEST = 200

Key = tuple[Any, ...]
"""Versions of one ordering are in the order of their keys."""


def compare(ordering: Ordering, one: str, other: str) -> int | None:
    """Below 0 where ``one`` is the older, above 0 where ``other`` is, 0 where they are equal; None where one of them is
    no version there."""
    first, second = key_of(ordering, one), key_of(ordering, other)
    if first is None or second is None:
        return None
    return 0 if first == second else -1 if first < second else 1


def without_epoch(version: str) -> str:
    """``1.2-3`` of ``4:1.2-3``: package files, kernels and modules do not name it."""
    return version.rpartition(":")[2]


def parsed(ordering: Ordering, text: str) -> UniversVersion | None:
    """The version, read once; None for what is none."""
    if not 0 < len(text) <= _LONGEST:
        return None
    try:
        return _KINDS[ordering](text)
    except (InvalidVersion, ValueError, TypeError, AttributeError, IndexError):
        # univers documents InvalidVersion alone, but its parsers stumble over odd text in other ways too.
        return None


@lru_cache(maxsize=200_000)
def key_of(ordering: Ordering, text: str) -> Key | None:
    """What to compare the version by; None for what is none.

    univers takes both versions to pieces whenever it compares them: a fleet's worth of advisories takes millions of
    comparisons, so each version is taken to pieces once.
    """
    version = parsed(ordering, text)
    if version is None:
        return None
    value: Any = version.value
    if ordering is Ordering.DEB:
        return value.epoch, _deb_key(value.upstream), _deb_key(value.revision)
    if ordering is Ordering.RPM:
        return value.epoch, _rpm_key(value.version), _rpm_key(value.release)
    return (version,)


def _deb_key(part: str) -> Key:
    """deb-version(7): by turns text and number. In text ``~`` goes before its end, and letters before all else; nothing
    is a zero."""
    pieces = [(text.translate(_DEB_TEXT) + "\2", int(number or 0)) for text, number in _DEB.findall(part)]
    while len(pieces) > 1 and pieces[-1] == _DEB_END:
        pieces.pop()
    return (*pieces, _DEB_END)


_DEB_END = ("\2", 0)
_DEB = re.compile(r"([^0-9]*)([0-9]*)")
_DEB_TEXT = {ord("~"): "\1"} | {ord(sign): chr(0x100 + ord(sign)) for sign in "+-.:"}


def _rpm_key(part: str) -> Key:
    """rpm-version(7): numbers after letters, ``~`` before the end and ``^`` right after it; what else is between only
    parts them. All but ASCII is left out, as univers does."""
    found = _RPM.findall(part.encode("ascii", "ignore").decode())
    return (*map(_rpm_piece, found), _RPM_END)


_RPM = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_RPM_END = (1, 0)


def _rpm_piece(piece: str) -> tuple[int, int | str]:
    if piece in "~^":
        return (0, 0) if piece == "~" else (2, 0)
    return (4, int(piece)) if piece.isdigit() else (3, piece)
