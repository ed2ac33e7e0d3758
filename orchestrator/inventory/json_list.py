"""The output of ``ansible-inventory --list`` and of every dynamic inventory script: lists, and ``_meta.hostvars``.

Source: https://docs.ansible.com/ansible/latest/dev_guide/developing_inventory.html#inventory-script-conventions
"""

from typing import Any

from orchestrator.inventory.documents import Source
from orchestrator.inventory.gathered import Gathered, settings_of
from orchestrator.yaml_files import Place

_META = "_meta"


def is_list_output(data: Any) -> bool:
    """Whether this has the layout of ``--list``: a ``_meta``, or groups that list hosts or children."""
    if not isinstance(data, dict):
        return False
    bodies = [body for body in data.values() if isinstance(body, dict)]
    return _META in data or any(isinstance(body.get(key), list) for body in bodies for key in ("hosts", "children"))


def read_list(source: Source, gathered: Gathered) -> None:
    """Read one document. Hosts that only ``_meta`` names are no hosts of the inventory, as in Ansible."""
    for name in source.mapping(()):
        if name != _META:
            _read_group(source, (name,), gathered)
    for name in source.mapping((_META, "hostvars")):
        if name in gathered.hosts:
            at = (_META, "hostvars", name)
            gathered.add_hosts([name], "all", settings_of(source.variables(at)), source.origin(at))


def _read_group(source: Source, at: Place, gathered: Gathered) -> None:
    name = gathered.add_group(at[0], source.origin(at)).name
    body = source.value(at)
    if isinstance(body, list):
        _add_hosts(source, at, name, gathered)
        return
    source.mapping(at)
    _add_hosts(source, (*at, "hosts"), name, gathered)
    gathered.set_on_group(name, settings_of(source.variables((*at, "vars"))))
    for index, child in enumerate(source.items((*at, "children"))):
        origin = source.origin((*at, "children", index))
        gathered.add_group(child, origin)
        gathered.add_child(name, child, origin)


def _add_hosts(source: Source, at: Place, group: str, gathered: Gathered) -> None:
    for index, host in enumerate(source.items(at)):
        origin = source.origin((*at, index))
        if not isinstance(host, str):
            raise origin.refuse(f"the host name {host!r} is not text")
        gathered.add_hosts([host], group, {}, origin)
