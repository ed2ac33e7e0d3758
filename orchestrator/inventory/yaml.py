"""Ansible's YAML inventories, and the same layout in JSON. Rules as in ansible-core's ``plugins/inventory/yaml.py``."""

import difflib
from typing import Any

from orchestrator.inventory.documents import Source
from orchestrator.inventory.gathered import Gathered, settings_of
from orchestrator.inventory.ranges import expand
from orchestrator.yaml_files import Place

_SECTIONS = ("vars", "children", "hosts")


def read_yaml(source: Source, gathered: Gathered) -> None:
    """Read one document: groups at its top, each with ``hosts``, ``children``, ``vars``."""
    for name, body in source.mapping(()).items():
        _read_group(source, (name,), name, body, gathered)


def _read_group(source: Source, at: Place, name: Any, body: Any, gathered: Gathered) -> None:
    gathered.add_group(name, source.origin(at))
    if body is None:
        return
    if not isinstance(body, dict):
        raise source.origin(at).refuse("a group must be a mapping with hosts, children or vars", _dotted(at))
    for key in body:
        if key not in _SECTIONS:
            raise source.origin((*at, key)).refuse(_unknown_key(key), _dotted((*at, key)))
    gathered.set_on_group(name, settings_of(source.variables((*at, "vars"))))
    for child, below in source.mapping((*at, "children")).items():
        _read_group(source, (*at, "children", child), child, below, gathered)
        gathered.add_child(name, child, source.origin((*at, "children", child)))
    _read_hosts(source, (*at, "hosts"), name, gathered)


def _read_hosts(source: Source, at: Place, group: str, gathered: Gathered) -> None:
    seen: dict[str, Any] = {}
    for pattern in source.mapping(at):
        origin = source.origin((*at, pattern))
        if not isinstance(pattern, str):
            raise origin.refuse(f"the host name {pattern!r} is not text: put it in quotes")
        names, port = expand(pattern, origin)
        for name in names:
            if seen.setdefault(name, pattern) != pattern:
                raise origin.refuse(f"the host {name} is in {group} already, as {seen[name]!r}")
        settings = settings_of([("ansible_port", port, origin)] if port is not None else [])
        settings |= settings_of(source.variables((*at, pattern)))
        gathered.add_hosts(names, group, settings, origin)


def _unknown_key(key: Any) -> str:
    close = difflib.get_close_matches(str(key), _SECTIONS, n=1)
    return (
        f"a group has hosts, children and vars, not this; did you mean {close[0]}?"
        if close
        else ("a group has hosts, children and vars, not this")
    )


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))
