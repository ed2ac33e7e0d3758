"""What `kcarectl` prints, read. Pure.

Sources: the command's reference and the notes for vendors of scanners in TuxCare's documentation
(https://docs.tuxcare.com/live-patching-services/); transcripts of ``--info`` and ``--patch-info`` of 2016 to 2024.
"""

import re
from collections.abc import Iterable, Iterator

from orchestrator.core.facts import ToolState
from orchestrator.core.model import Frozen
from orchestrator.probe.answer import Section
from orchestrator.probe.text import clean

MOST_CVES = 20_000
"""Of one patch set: those of long-lived kernels fix some thousand."""

LONGEST_DETAIL = 300

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_ARCH = r"(?:x86_64|aarch64|i[3-6]86|ppc64le|s390x)"
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,99}")
_DESCRIPTION = re.compile(
    r"(?P<level>[A-Za-z0-9][A-Za-z0-9_]{0,39})(?:-(?P<kind>[a-z]{0,20})(?P<time>:[0-9]*)?)?;(?P<effective>.*)"
)
"""``3;3.16.36-1+deb8u2``, since about 2020 ``1-:1615812815;5.4.0-1028.31``: the level, which patches ("", "extra",
"free"), when this host loaded it, and the kernel that it amounts to."""

_UNSUPPORTED = re.compile(r"unknown kernel|unsupported kernel|kernel is (?:not supported|unsupported)", re.IGNORECASE)
_UNLICENSED = re.compile(
    r"no valid|not valid|invalid (?:licen[sc]e|key)|unlicensed|(?:licen[sc]e|trial|key)\b.{0,40}\bexpired"
    r"|expired (?:licen[sc]e|trial|key)|not (?:registered|licensed)|no licen[sc]e",
    re.IGNORECASE,
)
_LICENSED = re.compile(r"(?<!no )(?<!in)valid (?:trial )?licen[sc]e found", re.IGNORECASE)
_NOTHING = re.compile(r"no patch|not patched|not applied|not loaded|unpatched|unloaded|disabled", re.IGNORECASE)
_FAILED = re.compile(r"traceback|error|exception|unable|cannot|failed|usage:|unrecognized|timed out", re.IGNORECASE)


class InForce(Frozen):
    """What ``--info`` says. ``level``: in one word, the patch level with the kernel that it amounts to; None: nothing
    is in force. ``built_for``: the release that the patch was built for. ``is_new``: of a client whose module tells of
    itself in /proc/kcare."""

    level: str | None = None
    effective: str | None = None
    built_for: str | None = None
    is_new: bool = False


class Refusal(Frozen):
    """Why a tool's answer tells nothing of patches."""

    state: ToolState
    detail: str


class Settings(Frozen):
    """Of ``kcare.conf``: whether the agent patches by itself, and what holds it at a level, as it is written there."""

    auto_update: bool = True
    held_by: tuple[str, ...] = ()


def lines_of(section: Section) -> list[str]:
    """The whole lines of a body: what has no newline behind it was cut off. None of them is longer than 1,000."""
    whole, _, _ = section.text.rpartition("\n")
    return [clean(line, 1000) for line in whole.split("\n")]


def read_info(section: Section) -> InForce | Refusal:
    """What ``kcarectl --info`` says; a refusal for everything that is neither "applied" nor clearly "nothing"."""
    fields = _fields(lines_of(section))
    state = fields.get("kpatch-state")
    if state == "patch is applied" and section.exit_status == 0:
        return _applied(section, fields)
    words = _words(section)
    for pattern, kind in ((_UNLICENSED, ToolState.UNLICENSED), (_UNSUPPORTED, ToolState.UNSUPPORTED_KERNEL)):
        if pattern.search(words):
            return Refusal(state=kind, detail=words)
    is_clear = _NOTHING.search(state if state is not None else words) and not _FAILED.search(words)
    return InForce() if is_clear else Refusal(state=ToolState.ERROR, detail=words or "kcarectl --info said nothing")


def _applied(section: Section, fields: dict[str, str]) -> InForce | Refusal:
    found = _DESCRIPTION.fullmatch(fields.get("kpatch-description", ""))
    effective = release_of(found["effective"]) if found is not None else None
    if found is None or effective is None:
        return Refusal(
            state=ToolState.ERROR, detail=f"a patch is applied, and its level is not told: {_words(section)}"
        )
    number = "-".join(filter(None, (found["level"], found["kind"])))
    built_for = re.match(r"Linux version (\S+)", fields.get("kpatch-for", ""))
    return InForce(
        level=f"{number}@{effective}",
        effective=effective,
        built_for=built_for[1] if built_for is not None else None,
        is_new=found["time"] is not None,
    )


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """The first ``KEY: value`` of each key, whatever noise stands between."""
    found: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip().lower(), value.strip())
    return found


def _words(section: Section) -> str:
    said = " ".join(filter(None, (clean(section.text, LONGEST_DETAIL), section.stderr)))
    return clean(said, LONGEST_DETAIL)


def release_of(text: str) -> str | None:
    """The effective kernel without what some clients put behind it: before 2.5-4 the architecture, and a ``+``."""
    word = re.sub(rf"\.{_ARCH}\+?$", "", text.strip()).removesuffix("+")
    return word if _RELEASE.fullmatch(word) else None


def read_effective(section: Section | None) -> str | None:
    """What ``kcarectl --uname`` says; None where it was not asked or said something else."""
    if section is None or section.exit_status != 0:
        return None
    return next((release_of(line) for line in lines_of(section) if line), None)


def read_cve_list(section: Section) -> tuple[str, ...]:
    """``/proc/kcare/cvelist``: one CVE a line."""
    return _bounded(line for line in lines_of(section) if _CVE.fullmatch(line))


def read_patch_info(section: Section) -> tuple[str, ...]:
    """The CVEs of ``kcarectl --patch-info``: those of ``kpatch-cve:`` and of the bare ids on the lines behind it. Names
    of files, descriptions and ``kpatch-cve-url:`` hold ids as well, and count for nothing."""
    return _bounded(_of_patches(lines_of(section)))


def _of_patches(lines: Iterable[str]) -> Iterator[str]:
    in_list = False
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "kpatch-cve":
            in_list, words = True, value
        else:
            words = line
        ids = re.split(r"[\s,]+", words.strip().upper())
        in_list = in_list and (words is value or all(_CVE.fullmatch(one) for one in ids))
        if in_list:
            yield from (one for one in ids if _CVE.fullmatch(one))


def _bounded(cves: Iterable[str]) -> tuple[str, ...]:
    found = sorted(set(cves))
    return tuple(found[:MOST_CVES])


def read_settings(lines: Iterable[str]) -> Settings:
    """The lines ``NAME=value`` of ``kcare.conf``; a later one wins. Without ``AUTO_UPDATE`` the agent patches."""
    values: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = value.strip()
    auto = values.pop("AUTO_UPDATE", "")
    is_on = auto.lower() not in ("no", "false", "n", "0", "off")
    held = [f"AUTO_UPDATE={auto}"] if not is_on else []
    held += [f"{name}={values[name]}" for name in sorted(values) if values[name]]
    return Settings(auto_update=is_on, held_by=tuple(clean(one, 100) for one in held[:8]))


def read_available(check: Section | None, status: Section | None) -> bool | None:
    """Whether something newer is offered; None: it could not be told.

    ``--check`` exits 0 for "there is" and 1 for "there is none", and a client that fails exits 1, too: the latter is
    believed only where it says nothing of a failure. ``--status`` exits 0 for the latest level, 2 for newer ones, 1 for
    none applied: that there may be one to apply. Clients before 2.4-1 know no ``--check``.
    """
    answers = (_told(check, {0: True, 1: False}), _told(status, {0: False, 2: True}))
    if True in answers:
        return True
    return next((told for told in answers if told is not None), _told(status, {1: True}))


def _told(section: Section | None, meanings: dict[int, bool]) -> bool | None:
    if section is None or section.exit_status is None or _FAILED.search(_words(section)):
        return None
    return meanings.get(section.exit_status)


def read_against(status: Section | None, licence: Section | None) -> Refusal | None:
    """What came to light when the vendor was asked: no licence, or a kernel that is not supported (``--status``: 3)."""
    words = _words(licence) if licence is not None else ""
    if _UNLICENSED.search(words) and not _LICENSED.search(words):
        return Refusal(state=ToolState.UNLICENSED, detail=words)
    if status is None or status.exit_status != 3 or _FAILED.search(_words(status)):
        return None
    detail = _words(status) or "kcarectl has no patches for this kernel"
    return Refusal(state=ToolState.UNSUPPORTED_KERNEL, detail=detail)
