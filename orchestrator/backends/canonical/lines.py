"""The answers of ``canonical-livepatch status`` that are no JSON: YAML, the lines of 7.x, the lines for a person.

Only whole lines count: of one that was cut off, nothing may be believed.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from orchestrator.backends.canonical.status import (
    LONGEST,
    NotUnderstood,
    Running,
    Status,
    choose,
    fold,
    has_json,
    read_json,
)
from orchestrator.core.model import Frozen
from orchestrator.probe.text import clean

_MOST_LINES = 20_000

_PATCH_STATES = (
    ("✗", r"crash", "crashed"),
    ("✗", r"kernel bug", "applied-with-bug"),
    ("✗", r"please upgrade", "kernel-upgrade-required"),
    ("✗", r"^failed to", "apply-failed"),
    ("✗", r"unknown error", "unknown"),
    ("⧗", r"patching the kernel", "applying"),
    ("⧗", r"not yet (applied|inserted)", "unapplied"),
    ("✓", r"^no live", "nothing-to-apply"),
    ("✓", r"upgraded after a reboot", "nothing-to-apply"),
    ("✓", r"^all applicable", "applied"),
)
"""The mark and the words of a ``patch state``. The words changed three times between 10.0 and 10.15, the marks never
(livepatch-docs, check-client-status, and earlier captures of it)."""

_KERNEL_STATES = (
    ("✓", r"(covered|supported) by", "supported"),
    ("✗", r"no longer (covered|supported)", "kernel-end-of-life"),
    ("✗", r"ended", "kernel-upgrade-required"),
    ("✗", r"not (covered|supported)", "unsupported"),
)
_CHECKS = (("succeeded", "checked"), ("failed", "check-failed"))


class _Line(Frozen):
    """One line: how far it is indented, whether it begins an item of a list, and ``key: value`` where it is that."""

    indent: int
    is_item: bool
    key: str
    value: str
    text: str


def read_status(text: str, running: Running) -> Status | NotUnderstood:
    """What an answer tells of the running kernel, whatever its format."""
    if has_json(text):
        return read_json(text, running)
    lines = [_line(raw) for raw in text[:LONGEST].split("\n")[:-1][:_MOST_LINES]]
    keys = {line.key for line in lines}
    if any(line.key == "status" and not line.value for line in lines):
        return _read_yaml(lines, running)
    if "fullypatched" in keys:
        return _read_oldest(lines, running)
    if "servercheckin" in keys or "patchstate" in keys:
        return _read_humane(lines, running)
    return NotUnderstood(why="its answer is in no format that is known")


def _line(raw: str) -> _Line:
    text = clean(raw, 500)
    item = re.match(r"-(\s+|$)", text)
    body = text[item.end() :] if item else text
    pair = re.fullmatch(r"([A-Za-z][A-Za-z -]{0,40}):(?:\s+(.*))?", body)
    return _Line(
        indent=len(raw) - len(raw.lstrip(" ")),
        is_item=item is not None,
        key=fold(pair[1]) if pair else "",
        value=_unquoted((pair[2] or "").strip()) if pair else "",
        text=body,
    )


def _unquoted(value: str) -> str:
    quoted = re.fullmatch(r"\"([^\"\\]*)\"|'([^']*)'", value)
    return value if quoted is None else quoted[1] or quoted[2] or ""


def _read_yaml(lines: Sequence[_Line], running: Running) -> Status | NotUnderstood:
    at = next(index for index, line in enumerate(lines) if line.key == "status" and not line.value)
    client = next((line.value for line in lines if line.key == "clientversion" and not line.indent), None)
    rest = takewhile(lambda line: line.indent or line.is_item or not line.text, lines[at + 1 :])
    entries = [_yaml_entry(entry) for entry in _items(list(rest))]
    return choose([entry for entry in entries if entry.get("running") == "true"], running, client)


def _items(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """The lines of each item of the outermost list."""
    outermost = min((line.indent for line in lines if line.is_item), default=0)
    entry: list[_Line] = []
    for line in lines:
        if line.is_item and line.indent == outermost:
            if entry:
                yield entry
            entry = []
        entry.append(line)
    if entry:
        yield entry


def _yaml_entry(lines: Sequence[_Line]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    fixes: list[_Line] = []
    above: int | None = None
    for line in lines:
        if above is not None and (line.indent > above or (line.is_item and line.indent == above)):
            fixes.append(line)
            continue
        above = line.indent if line.key == "fixes" else None
        if line.key and line.key != "fixes":
            entry["state" if line.key == "patchstate" else line.key] = line.value
    return {**entry, "fixes": _yaml_fixes(fixes)}


def _yaml_fixes(lines: Sequence[_Line]) -> list[tuple[object, bool]]:
    """``* CVE-…`` in a block of text stands for patched; an item of a list has to say so."""
    fixes: list[tuple[object, bool]] = []
    for line in lines:
        if line.key == "name":
            fixes.append((line.value, False))
        elif line.key == "patched" and fixes:
            fixes[-1] = (fixes[-1][0], line.value == "true")
        elif star := re.fullmatch(r"\*\s+(\S+)", line.text):
            fixes.append((star[1], True))
    return fixes


def _read_oldest(lines: Sequence[_Line], running: Running) -> Status | NotUnderstood:
    """The lines of 7.x. Not fully patched: what there is has not been applied."""
    values = {line.key: line.value for line in lines if line.key}
    version, is_patched = values.get("version"), values["fullypatched"] == "true"
    if version is None:
        return NotUnderstood(why="its answer is cut off before the version")
    state = ("applied" if version else "nothing-to-apply") if is_patched else "unapplied"
    return choose([{"kernel": values.get("kernel"), "state": state, "version": version}], running, None)


def _read_humane(lines: Sequence[_Line], running: Running) -> Status | NotUnderstood:
    values = {line.key: line.value for line in lines if line.key and not line.indent}
    told, coverage = values.get("patchstate", ""), values.get("kernelstate", "")
    state = _meaning(told, _PATCH_STATES)
    if state is None:
        return NotUnderstood(why=f"its patch state is {told!r}" if told else "it tells no patch state")
    day = re.search(r"(?:until|ended) ([0-9]{4}-[0-9]{2}-[0-9]{2})", coverage)
    entry = {
        "kernel": values.get("kernel"),
        "state": state,
        "version": values.get("patchversion"),
        "checkstate": next(
            (is_so for word, is_so in _CHECKS if values.get("servercheckin", "").startswith(word)), None
        ),
        "supported": (_meaning(coverage, _KERNEL_STATES) or "unknown") if coverage else None,
        "upgraderequireddate": day[1] if day else None,
    }
    return choose([entry], running, None)


def _meaning(told: str, table: Sequence[tuple[str, str, str]]) -> str | None:
    mark, words = told[:1], told[1:].strip()
    return next((meaning for at, pattern, meaning in table if at == mark and re.search(pattern, words)), None)
