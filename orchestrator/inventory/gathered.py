"""What the inventory files say, before precedence: groups, hosts, and where each variable was set."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.inventory.origins import Origin, Setting, Settings
from orchestrator.inventory.variables import OURS, PREFIX, PRIORITY, is_ours, is_read

_GROUP_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,253}")
_NOT_IN_HOST_NAMES = re.compile(r"^-|[\s,!&*?~|<>/\\\[\](){}\"'`$;]")
"""A host's name reaches known_hosts, tables and patterns: one that starts with a dash would be read as an option, and
one with these characters could not be selected."""

MAX_HOSTS = 100_000
MAX_GROUPS = 20_000


@dataclass(kw_only=True)
class Group:
    """A group as the files describe it. ``hosts`` and ``children`` in the order of the files, with where they stand."""

    name: str
    origin: Origin
    hosts: dict[str, Origin] = field(default_factory=dict)
    children: dict[str, Origin] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)
    file_settings: Settings = field(default_factory=dict)
    priority: int = 1


@dataclass(kw_only=True)
class ListedHost:
    """A host as the files describe it."""

    name: str
    origin: Origin
    settings: Settings = field(default_factory=dict)
    file_settings: Settings = field(default_factory=dict)


class Gathered:
    """Groups and hosts in the order in which the files name them. ``file_settings`` are those of group_vars/host_vars,
    which win over ``settings``, those of the inventory files."""

    def __init__(self, source: str) -> None:
        nowhere = Origin(source, None)
        self.groups = {name: Group(name=name, origin=nowhere) for name in ("all", "ungrouped")}
        self.hosts: dict[str, ListedHost] = {}
        self.add_child("all", "ungrouped", nowhere)

    def add_group(self, name: Any, origin: Origin) -> Group:
        """The group of that name, made when it is new."""
        if name in self.groups:
            return self.groups[name]
        _check_name("group", name, origin)
        if len(self.groups) >= MAX_GROUPS:
            raise origin.refuse(f"more than {MAX_GROUPS} groups")
        self.groups[name] = Group(name=name, origin=origin)
        return self.groups[name]

    def add_child(self, parent: str, child: str, origin: Origin) -> None:
        """Put one group below another. Loops are looked for once all files are read."""
        self.groups[parent].children.setdefault(child, origin)

    def add_hosts(self, names: Iterable[str], group: str, settings: Settings, origin: Origin) -> None:
        """Put these hosts into a group, with the variables that stand beside them."""
        members = self.groups[group].hosts
        for name in names:
            if name not in self.hosts:
                self._new_host(name, origin)
            members.setdefault(name, origin)
            for variable, setting in settings.items():
                self._set_on_host(self.hosts[name], variable, setting)

    def _new_host(self, name: str, origin: Origin) -> None:
        _check_name("host", name, origin)
        if len(self.hosts) >= MAX_HOSTS:
            raise origin.refuse(f"more than {MAX_HOSTS} hosts")
        self.hosts[name] = ListedHost(name=name, origin=origin)

    def _set_on_host(self, host: ListedHost, variable: str, setting: Setting) -> None:
        """Across files the later one wins, as in Ansible; two values in one file are a host that is defined twice."""
        before = host.settings.get(variable)
        if before is not None and before.origin.file == setting.origin.file and before.value != setting.value:
            raise setting.origin.refuse(
                f"the host {host.name} is defined twice: another value stands on line {before.origin.line}", variable
            )
        host.settings[variable] = setting

    def set_on_group(self, group: str, settings: Settings) -> None:
        """Set variables on a group, from an inventory file."""
        target = self.groups[group]
        target.settings.update(settings)
        if (priority := settings.get(PRIORITY)) is not None:
            target.priority = _priority(priority)


def settings_of(variables: Iterable[tuple[Any, Any, Origin]]) -> Settings:
    """The variables that we read, out of (name, value, origin). Raises for a ``patchwave_`` variable we do not know."""
    result: Settings = {}
    for name, value, origin in variables:
        if is_ours(name) and name not in OURS:
            # The prefix they share would make any of them look close.
            rest = {known.removeprefix(PREFIX): known for known in OURS}
            close = difflib.get_close_matches(name.removeprefix(PREFIX), rest, n=1)
            hint = f"did you mean {rest[close[0]]}?" if close else f"known are {', '.join(sorted(OURS))}"
            raise origin.refuse(f"there is no such variable; {hint}", name)
        if is_read(name):
            result[name] = Setting(value, origin)
    return result


def _check_name(kind: str, name: Any, origin: Origin) -> None:
    if not isinstance(name, str):
        raise origin.refuse(f"the {kind} name {name!r} is not text: put it in quotes")
    if _GROUP_NAME.fullmatch(name) is None:
        raise origin.refuse(f"{name[:60]!r} is not a {kind} name: 1 to 253 printable characters")
    if kind == "host" and (found := _NOT_IN_HOST_NAMES.search(name)) is not None:
        raise origin.refuse(f"{name[:60]!r} is not a host name: {found.group()!r} cannot be in one")


def _priority(setting: Setting) -> int:
    try:
        return int(setting.value)
    except (TypeError, ValueError) as exc:
        raise setting.origin.refuse("must be a whole number", PRIORITY) from exc
