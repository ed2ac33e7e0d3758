"""os-release(5)."""

import re

from orchestrator.core.facts import Os
from orchestrator.probe.fields import Fields
from orchestrator.probe.text import clean, match

_ASSIGNMENT = re.compile(r"(?P<key>[A-Z][A-Z0-9_]*)=(?P<value>.*)")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"\s*')
_SINGLE = re.compile(r"'([^']*)'\s*")
_BARE = re.compile(r"((?:[^\s\"'`$\\;&|<>()]|\\.)*)\s*")


def parse_os(fields: Fields) -> Os | None:
    """The system, or None where its file was not read or names none that makes sense."""
    values = dict(filter(None, map(_assignment, fields.all("line"))))
    if not values:
        return None
    # os-release(5): "If not set, a default of ID=linux may be used."
    os_id = match(r"[a-z0-9._-]{1,64}", values.get("ID", "linux"))
    if os_id is None:
        return None
    return Os(id=os_id, version=values.get("VERSION_ID") or None, name=values.get("PRETTY_NAME") or None)


def _assignment(line: str) -> tuple[str, str] | None:
    found = _ASSIGNMENT.fullmatch(line)
    value = None if found is None else _unquoted(found["value"])
    return None if found is None or value is None else (found["key"], clean(value))


def _unquoted(value: str) -> str | None:
    """Shell quoting as os-release(5) allows it; None for anything else, such as a missing closing quote."""
    double = _DOUBLE.fullmatch(value)
    if double:
        return re.sub(r'\\(["$`\\])', r"\1", double[1])
    single = _SINGLE.fullmatch(value)
    if single:
        return single[1]
    bare = _BARE.fullmatch(value)
    return re.sub(r"\\(.)", r"\1", bare[1]) if bare else None
