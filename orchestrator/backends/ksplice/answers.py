"""What Ksplice's programs print, read without believing more than stands there. Pure.

Sources: the Uptrack client (GPL, `uptrack-show`, `uptrack-upgrade`), Oracle's Ksplice User's Guide.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from orchestrator.core.facts import PatchState, UserspacePatch
from orchestrator.core.model import Frozen

MOST_TEXT = 600_000
"""Characters: a check brings at most 500,000 bytes of one section."""

MOST_UPDATES = 3000
"""Updates of one kernel; the longest-lived ones have some hundreds."""

MOST_PATCHED_PROGRAMS = 500
MOST_LINES = 20_000

_ENTRY = re.compile(r"\[([a-z0-9]{4,32})\] (\S.*)")
_STEP = re.compile(r"(Install|Remove) \[([a-z0-9]{4,32})\] (\S.*)")
_USER_ENTRY = re.compile(r"[^\[\w]*\[([a-z0-9]{4,32})\]:? (\S.*)")
_PROCESS = re.compile(r"(\S.{0,63}?) \([0-9]{1,10}\)")
_EFFECTIVE = re.compile(r"Effective kernel version is ([A-Za-z0-9][A-Za-z0-9._+~-]{0,127})")
_IDS = re.compile(r"[A-Z]{2,10}-[0-9]+(?:-[0-9]+)?(?:, ?[A-Z]{2,10}-[0-9]+(?:-[0-9]+)?)*")
"""Advisories before the first colon, and nothing else there: ``CVE-2021-28688, XSA-371``. "Known exploit detection for
CVE-…" reports an attack and fixes nothing."""

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")


class KspliceUpdate(Frozen):
    """One update: its id, which belongs to one kernel, and what it fixes."""

    id: str
    cves: tuple[str, ...] = ()


class Installed(Frozen):
    """The updates in force. ``effective``: the kernel's version as they make it, without the architecture; None where
    the answer does not end with it, as when the client does not know it, or the answer is cut off."""

    updates: tuple[KspliceUpdate, ...]
    effective: str | None = None


class UpgradePlan(Frozen):
    """What an upgrade would do."""

    installs: tuple[KspliceUpdate, ...] = ()
    removes: tuple[str, ...] = ()


def level_of(ids: Iterable[str]) -> str | None:
    """One word for a set of updates: how many, and a hash of their ids; None for none. actions.sh makes the
    same word."""
    known = sorted(set(ids))
    if not known:
        return None
    digest = hashlib.sha256("".join(f"{one}\n" for one in known).encode()).hexdigest()
    return f"{len(known)}-{digest[:12]}"


def parse_installed(text: str) -> Installed | None:
    """``uptrack-show`` or ``ksplice kernel show``; None where it is not understood. An unfinished list is one without
    `Installed.effective`: whether it is whole can only be told from the kernel's modules."""
    lines = _after(text, "Installed updates:")
    if lines is None:
        return None
    updates: list[KspliceUpdate] = []
    effective, is_none = None, False
    for line in lines:
        if (entry := _ENTRY.fullmatch(line)) is not None:
            updates.append(KspliceUpdate(id=entry[1], cves=_cves(entry[2])))
        elif line == "None":
            is_none = True
        elif (said := _EFFECTIVE.fullmatch(line)) is not None:
            effective = said[1]
    if is_none == bool(updates) or len(updates) > MOST_UPDATES:
        return None
    return Installed(updates=tuple(updates), effective=effective)


def parse_plan(text: str) -> UpgradePlan | None:
    """``uptrack-upgrade -n`` or ``ksplice -n kernel upgrade``; None where it is not understood."""
    if _after(text, "Nothing to be done.") is not None:
        return UpgradePlan()
    lines = [line for line in _after(text, "The following steps will be taken:") or [] if line]
    steps = [step for line in lines if (step := _STEP.fullmatch(line)) is not None]
    if not steps or len(steps) < len(lines) or len(steps) > MOST_UPDATES:
        return None
    return UpgradePlan(
        installs=tuple(KspliceUpdate(id=step[2], cves=_cves(step[3])) for step in steps if step[1] == "Install"),
        removes=tuple(step[2] for step in steps if step[1] == "Remove"),
    )


def parse_user(text: str) -> tuple[UserspacePatch, ...]:
    """``ksplice user show``: each program with the updates in its processes. How many processes there are changes from
    look to look, and is left out."""
    return tuple(islice(dict.fromkeys(_user_patches(text[:MOST_TEXT])), MOST_PATCHED_PROGRAMS))


def _user_patches(text: str) -> Iterator[UserspacePatch]:
    program = None
    for line in islice(text[: text.rfind("\n") + 1].splitlines(), MOST_LINES):
        if (process := _PROCESS.fullmatch(line.rstrip())) is not None:
            program = process[1]
        elif (entry := _USER_ENTRY.fullmatch(line.strip())) is not None:
            if program is not None and line[:1] != "[":
                cves = _cves(entry[2])
                yield UserspacePatch(
                    tool="ksplice", target=program, version=entry[1], state=PatchState.APPLIED, cves=cves
                )
        else:
            program = None


def _after(text: str, head: str) -> list[str] | None:
    """The lines behind the one that is the heading, without blanks around them; None where there is no such line, or
    more text than any answer has. A line without its end was cut off and is none."""
    if len(text) > MOST_TEXT:
        return None
    lines = [line.strip() for line in text[: text.rfind("\n") + 1].splitlines()]
    return lines[lines.index(head) + 1 :] if head in lines else None


def _cves(description: str) -> tuple[str, ...]:
    before, colon, _ = description.partition(":")
    if not colon or _IDS.fullmatch(before) is None:
        return ()
    return tuple(sorted({one for one in re.split(r", ?", before) if _CVE.fullmatch(one)}))
