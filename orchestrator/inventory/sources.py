"""The files of an inventory, and in which format each one is. Rules as in ansible-core's ``inventory/manager.py``."""

import re
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InventoryInvalid
from orchestrator.inventory.documents import VAULT_HEADER, parse_source
from orchestrator.inventory.gathered import Gathered
from orchestrator.inventory.ini import read_ini
from orchestrator.inventory.json_list import is_list_output, read_list
from orchestrator.inventory.origins import Origin
from orchestrator.inventory.yaml import read_yaml
from orchestrator.yaml_files import read_text

_IGNORED_NAMES = ("host_vars", "group_vars", "vars_plugins")
IGNORED_ENDINGS = (
    *(".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst"),
    *(".orig", ".cfg", ".retry"),
)
_MAX_FOLDERS = 20
_STATIC = "'ansible-inventory --list > hosts.json' writes what it finds into a file that can be read here"
_YAML_LINE = re.compile(r"---|(?:[\w.-]+|\"[^\"]*\"|'[^']*'):(?:\s|$)")


def files_of(path: Path, levels: int = _MAX_FOLDERS) -> Iterator[Path]:
    """The inventory files of a folder in Ansible's order, or the file itself. Raises `InventoryInvalid`."""
    if not path.is_dir():
        yield path
        return
    names = sorted(entry.name for entry in path.iterdir())
    if levels == 0:
        raise InventoryInvalid(f"folders nested deeper than {_MAX_FOLDERS} levels", file=str(path))
    for name in names:
        if not name.startswith(".") and name not in _IGNORED_NAMES and not name.endswith(IGNORED_ENDINGS):
            yield from files_of(path / name, levels - 1)


def read_file(path: Path, gathered: Gathered) -> None:
    """Read one inventory file, whatever its format."""
    text, file = read_text(path, InventoryInvalid), str(path)
    if text.startswith("#!"):
        raise Origin(file, 1).refuse(f"an inventory script; nothing is executed here: {_STATIC}")
    if path.suffix == ".toml":
        raise Origin(file, None).refuse(f"TOML inventories are not read: {_STATIC}")
    if not _is_document(path, text):
        read_ini(text, file, gathered)
        return
    source = parse_source(text, file, is_json=path.suffix == ".json")
    if isinstance(source.data, dict) and source.data.get("plugin"):
        raise source.origin(("plugin",)).refuse(f"the configuration of an inventory plugin: {_STATIC}")
    if not source.data:
        raise Origin(file, None).refuse("the file is empty")
    (read_list if is_list_output(source.data) else read_yaml)(source, gathered)


def _is_document(path: Path, text: str) -> bool:
    """Whether it is YAML or JSON. The ending tells; without one, the first line that is not a comment."""
    if path.suffix in (".yml", ".yaml", ".json") or text.startswith(VAULT_HEADER):
        return True
    if path.suffix:
        return False
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and stripped[0] not in "#;":
            return stripped.startswith("{") or _YAML_LINE.match(stripped) is not None
    return False
