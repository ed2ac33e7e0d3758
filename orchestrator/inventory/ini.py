"""Ansible's INI inventories. Rules as in ansible-core's ``plugins/inventory/ini.py``."""

import ast
import re
import shlex
from typing import Any

from orchestrator.inventory.gathered import Gathered, settings_of
from orchestrator.inventory.origins import Origin, Settings
from orchestrator.inventory.ranges import expand

_SECTION = re.compile(r"\[(?P<group>[^:\]\s]+)(?::(?P<kind>\w+))?\]\s*(?:#.*)?")
_CHILD = re.compile(r"(?P<group>[^:\]\s]+)\s*(?:#.*)?")
_MAX_LINE = 65_536


def read_ini(text: str, file: str, gathered: Gathered) -> None:
    """Read one INI file. Raises `InventoryInvalid` with the line."""
    reader = _Reader(gathered)
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if len(line) > _MAX_LINE:
            raise Origin(file, number).refuse(f"a line of {len(line)} characters; at most {_MAX_LINE} are read")
        stripped = line.strip()
        if stripped and stripped[0] not in ";#":
            reader.line(stripped, Origin(file, number))
    reader.finish()


class _Reader:
    """One pass over the lines. The file starts in ``[ungrouped]``, as in Ansible."""

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered
        self.group, self.kind = "ungrouped", "hosts"
        self.seen: dict[tuple[str, str], Origin] = {}
        self.undeclared_vars: dict[str, Origin] = {}
        self.undeclared_children: dict[str, list[tuple[str, Origin]]] = {}

    def line(self, line: str, origin: Origin) -> None:
        if (section := _SECTION.fullmatch(line)) is not None:
            self._open(section["group"], section["kind"] or "hosts", origin)
        elif line.startswith("[") and line.endswith("]"):
            raise origin.refuse(f"not a section: {line[:60]!r}; it must be [group], [group:children] or [group:vars]")
        else:
            {"hosts": self._host, "children": self._child, "vars": self._variable}[self.kind](line, origin)

    def finish(self) -> None:
        """A group may be named before it is declared, but declared it must be."""
        for name, origin in self.undeclared_vars.items():
            raise origin.refuse(f"[{name}:vars] is there, but no group {name}")
        for name, [(_, origin), *_] in self.undeclared_children.items():
            raise origin.refuse(f"undefined child group {name}: there is no [{name}] section")

    def _open(self, group: str, kind: str, origin: Origin) -> None:
        if kind not in ("hosts", "children", "vars"):
            raise origin.refuse(f"[{group}:{kind}]: a section is [group], [group:children] or [group:vars]")
        is_new = group not in self.gathered.groups
        self.gathered.add_group(group, origin)
        self.group, self.kind = group, kind
        if kind != "vars":
            self.undeclared_vars.pop(group, None)
            # A child counts from its declaration on, as in Ansible: that decides the order of hosts in the parent.
            for parent, mentioned in self.undeclared_children.pop(group, []):
                self.gathered.add_child(parent, group, mentioned)
        elif is_new:
            self.undeclared_vars[group] = origin

    def _host(self, line: str, origin: Origin) -> None:
        pattern, *assignments = _words(line, origin)
        names, port = expand(pattern, origin)
        for name in names:
            if (first := self.seen.setdefault((self.group, name), origin)) is not origin:
                raise origin.refuse(f"the host {name} is in [{self.group}] already, on line {first.line}")
        settings: Settings = {}
        if port is not None:
            settings |= settings_of([("ansible_port", port, origin)])
        settings |= settings_of([(*_assignment(word, origin), origin) for word in assignments])
        self.gathered.add_hosts(names, self.group, settings, origin)

    def _child(self, line: str, origin: Origin) -> None:
        found = _CHILD.fullmatch(line)
        if found is None:
            raise origin.refuse(f"expected the name of a group, got {line[:60]!r}")
        child = found["group"]
        if child not in self.gathered.groups:
            self.undeclared_children.setdefault(child, []).append((self.group, origin))
        else:
            self.gathered.add_child(self.group, child, origin)

    def _variable(self, line: str, origin: Origin) -> None:
        name, value = _assignment(line, origin)
        self.gathered.set_on_group(self.group, settings_of([(name, value, origin)]))


def _words(line: str, origin: Origin) -> list[str]:
    if not any(special in line for special in "'\"\\#"):
        return line.split()
    try:
        return shlex.split(line, comments=True)
    except ValueError as exc:
        raise origin.refuse(f"not a host line: {exc}") from exc


def _assignment(text: str, origin: Origin) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise origin.refuse(f"expected variable=value, got {text.partition('=')[0][:60]!r}")
    return name.strip(), _value(value.strip())


def _value(text: str) -> Any:
    """Ansible reads a Python literal where there is one. Numbers and words stay text here, because a password of
    digits must not lose its zeros; the variable that wants a number reads it out of the text."""
    if text[:1] not in ("'", '"', "{", "["):
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, str | dict | list) else text
