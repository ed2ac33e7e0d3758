"""What LibCare tells of patched processes, in each of its forms. Pure.

Sources: the format strings of libcare (https://github.com/cloudlinux/libcare, src/kpatch_user.c) and of openEuler's
libcareplus; the tests of kcare-uchecker for the JSON lines of its client. Of ``kcarectl --lib-info`` and
``--lib-patch-info`` nothing is documented but that they print JSON with the members ``pid``, ``comm`` and ``cve``: no
more of their shape is relied upon.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from orchestrator.core.model import Frozen
from orchestrator.probe.answer import Section
from orchestrator.probe.text import clean

MOST_OBJECTS = 200
"""Libraries and programs with live patches on one host."""

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")
_MOST_CVES = 20_000
_OBJECT = re.compile(
    r"(?P<name>\S.{0,200}?) buildid=[0-9a-f]+(?: patchlvl=(?P<level>[0-9]{1,18}))?(?: latest=[0-9]+)?\b.*"
)
_PLUS = re.compile(r"(?P<key>Pid|Target|Applied patch number|Patch id):\s+(?P<value>\S.*)")
_WORDS_BETWEEN = re.compile(r"pid=[0-9]+ comm=.*|[0-9]+ object\(s\) .*|Run: .*|latest patch applied|=+|Build id:.*|")
"""Lines of `libcare-ctl info` that name no object."""


class PatchedObject(Frozen):
    """One library or program at one patch level, in so many processes."""

    name: str
    level: str
    processes: int


def read_processes(section: Section) -> tuple[PatchedObject, ...] | None:
    """What carries patches, from JSON, JSON lines, or the text of ``libcare-ctl info``; None: not understood."""
    text = section.text
    document = _document(text)
    if document is not None:
        return _counted(_of_document(document))
    lines = [clean(line, 1000) for line in text.rpartition("\n")[0].split("\n")]
    objects = [one for one in map(_object_line, lines) if one is not None]
    rows = [row for row in map(_row, lines) if row is not None]
    if rows:
        return _counted(pair for row in rows for pair in _of_document(row))
    plus = list(_of_plus(lines))
    if objects or plus:
        return _counted([*(pair for pair in objects if pair[1]), *plus])
    return () if all(_WORDS_BETWEEN.fullmatch(line) for line in lines) and not _is_cut(text) else None


def _is_cut(text: str) -> bool:
    return bool(text) and not text.endswith("\n")


def _document(text: str) -> object:
    """The whole of it as one JSON document, whatever lines of words stand before it; None when it is none."""
    start = re.search(r"^\s*[\[{]", text, re.MULTILINE)
    if start is None:
        return None
    try:
        return json.loads(text[start.start() :])
    except (ValueError, RecursionError):
        return None


def _row(line: str) -> object:
    """One process of JSON lines: its client mixes words of its own between them."""
    if not line.startswith("{"):
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "pid" in row else None


def _of_document(document: object) -> Iterator[tuple[str, str]]:
    """Every member with a ``patchlvl``, wherever it stands: its name is its key, or a member of it."""
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(key, one) for one in value]
        elif isinstance(value, dict):
            level = _level(value.get("patchlvl"))
            if level is not None:
                yield _name(key, value), level
            waiting += list(value.items())


def _level(value: object) -> str | None:
    """A patch level above zero: zero says that nothing is applied."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if re.fullmatch(r"0*[1-9][0-9]{0,17}", text) else None


def _name(key: str, value: dict[str, object]) -> str:
    named = next((value[one] for one in ("name", "soname", "file", "object") if isinstance(value.get(one), str)), key)
    return str(named)


def _object_line(line: str) -> tuple[str, str] | None:
    """``libc-2.17.so buildid=f9… patchlvl=2 latest=3``; without ``patchlvl`` nothing is applied to it."""
    found = _OBJECT.fullmatch(line)
    return (found["name"], _level(found["level"]) or "") if found is not None else None


def _of_plus(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Records of libcareplus, one for each process: ``Target``, ``Applied patch number``, ``Patch id``."""
    record: dict[str, str] = {}
    for line in [*lines, ""]:
        found = _PLUS.fullmatch(line)
        if found is not None:
            record[found["key"]] = found["value"]
        elif not line:
            if "Target" in record and _level(record.get("Applied patch number")) and "Patch id" in record:
                yield record["Target"], record["Patch id"]
            record = {}


def _counted(pairs: Iterable[tuple[str, str]]) -> tuple[PatchedObject, ...]:
    """A file that was replaced on the disk since is named `` (deleted)``: the patch in memory is the same."""
    counts = Counter((_plain(name), clean(level, 100)) for name, level in pairs)
    found = sorted(counts.items())[:MOST_OBJECTS]
    return tuple(PatchedObject(name=name, level=level, processes=count) for (name, level), count in found)


def _plain(name: str) -> str:
    return clean(name.removesuffix(" (deleted)"), 200) or "unnamed"


def read_cve_list(section: Section) -> tuple[str, ...]:
    """``/var/cache/kcare/libcare_cvelist``: one CVE a line. A last line without an end may have been cut off."""
    lines = section.text.rpartition("\n")[0].split("\n")
    return tuple(sorted({line.strip() for line in lines if _CVE.fullmatch(line.strip())}))[:_MOST_CVES]


def read_patch_info(section: Section) -> tuple[str, ...]:
    """Every ``cve`` of ``kcarectl --lib-patch-info``; nothing of what is no whole document."""
    found: set[str] = set()
    waiting = [_document(section.text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            words = value.get("cve")
            found |= set(_CVE.findall(words)) if isinstance(words, str) else set()
            waiting += list(value.values())
    return tuple(sorted(found))[:_MOST_CVES]
