"""From fixes in several streams of a release to ranges of affected versions.

Red Hat fixes a flaw once in each minor release that it still supports: ``curl-7.76.1-23.el9_2.4`` in 9.2, and
``curl-7.76.1-26.el9_3.2`` in 9.3. Neither version decides alone: 7.76.1-26.el9 of 9.3 is newer than the fix of 9.2 and
has the flaw. So each fix ends a range, and the next one begins behind the versions that its own minor release can still
bring out: below 7.76.1-23.el9_2.4, and from 7.76.1-24 to below 7.76.1-26.el9_3.2.

Which versions those are: z-stream builds keep the release number of their branch and count behind the dist tag; those
of the kernel keep version and first number (``5.14.0-427.13.1.el9_4`` and ``-427.50.1.el9_4`` are 9.4). Where that does
not hold (rebases), a range is too long rather than too short: a host can read as exposed that is not, and not the other
way round.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cmp_to_key
from typing import NamedTuple

from orchestrator.core.distributions import Ordering
from orchestrator.core.patches import Severity
from orchestrator.core.versions import compare

_TAG = re.compile(r"\.(?:module\+)?el[0-9]+(?:[_.](?P<minor>[0-9]+))?")
_LAST_NUMBER = re.compile(r"(?P<before>.*?)(?P<number>[0-9]{1,19})(?P<after>[^0-9]*)")
_KERNEL = re.compile(r"kernel(?:-.+)?")
_KERNEL_RELEASE = re.compile(r"(?P<first>[0-9]{1,9})(?:\..*)?")


class Fixed(NamedTuple):
    """A version with the fix. ``advisory`` brought it out; ``support`` names the stream where that is not the main one;
    ``place`` is where it stands in the document."""

    version: str
    published: datetime | None
    advisory: str | None
    support: str
    place: str
    severity: Severity


class Range(NamedTuple):
    """From ``introduced`` on (None: from the first version), to before the fix; ``published`` is when the first fix
    for anything in it came out, be it that of a later minor release."""

    introduced: str | None
    fixed: Fixed
    published: datetime | None


def ranges(name: str, fixes: Sequence[Fixed], begin: str | None = None) -> Iterator[Range]:
    """The affected ranges, the oldest first. Of two fixes in one minor release the later one counts: the first was not
    whole. ``begin``: where the first range starts."""
    lines: dict[str, Fixed] = {}
    for fix in fixes:
        line = _line(name, fix.version)
        known = lines.get(line)
        if known is None or _is_older(known.version, fix.version):
            lines[line] = fix
    ordered = sorted(lines.values(), key=lambda fix: _KEY(fix.version))
    for index, fix in enumerate(ordered):
        introduced = begin if index == 0 else behind(name, ordered[index - 1].version)
        if index and introduced is not None and not _is_older(introduced, fix.version):
            continue
        dates = [one.published for one in ordered[index:] if one.published is not None]
        yield Range(introduced, fix, min(dates, default=None))


def latest(fixes: Sequence[Fixed]) -> Fixed:
    """The fix with the newest version."""
    return max(fixes, key=lambda fix: _KEY(fix.version))


def minor_of(version: str) -> int | None:
    """The minor release that a build was made for, by its dist tag; None where it names none."""
    found = _TAG.search(version)
    return int(found["minor"]) if found and found["minor"] else None


def behind(name: str, version: str) -> str:
    """The first version that can belong to a later minor release than this one; the version itself where its release
    counts in no way that we know."""
    upstream, _, release = version.rpartition("-")
    kernel = _kernel_release(name, release)
    if kernel is not None:
        return f"{upstream}-{kernel + 1}"
    tag = _TAG.search(release)
    counted = _LAST_NUMBER.fullmatch(release[: tag.start()] if tag else release)
    if counted is None:
        return version
    return f"{upstream}-{counted['before']}{int(counted['number']) + 1}{counted['after']}"


def _line(name: str, version: str) -> str:
    upstream, _, release = version.rpartition("-")
    kernel = _kernel_release(name, release)
    if kernel is not None:
        return f"{upstream}-{kernel}"
    tag = _TAG.search(release)
    return tag[0] if tag else ""


def _kernel_release(name: str, release: str) -> int | None:
    found = _KERNEL_RELEASE.fullmatch(release) if _KERNEL.fullmatch(name) else None
    return int(found["first"]) if found else None


def _order(one: str, other: str) -> int:
    return compare(Ordering.RPM, one, other) or 0


def _is_older(one: str, other: str) -> bool:
    return _order(one, other) < 0


_KEY = cmp_to_key(_order)
