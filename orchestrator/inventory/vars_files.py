"""``group_vars/`` and ``host_vars/`` beside an inventory. Rules as in ansible-core's ``host_group_vars`` plugin."""

from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import InventoryInvalid
from orchestrator.inventory.documents import load_source
from orchestrator.inventory.gathered import Gathered, settings_of
from orchestrator.inventory.origins import Settings

_ENDINGS = ("", ".yml", ".yaml", ".json")
_MAX_FOLDERS = 20


def add_vars_files(folder: Path, gathered: Gathered) -> None:
    """Read the files of every group and host that the inventory names; all others are left alone, as in Ansible."""
    group_vars, host_vars = folder / "group_vars", folder / "host_vars"
    names = _names(group_vars)
    for group in gathered.groups.values():
        group.file_settings = _settings(group_vars, names, group.name)
    names = _names(host_vars)
    for host in gathered.hosts.values():
        host.file_settings = _settings(host_vars, names, host.name)


def _names(folder: Path) -> frozenset[str]:
    """Listed once: asking the disk for every host is slow where there are many."""
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


def _settings(folder: Path, names: frozenset[str], name: str) -> Settings:
    result: Settings = {}
    for path in _files(folder, names, name):
        source = load_source(path)
        result |= settings_of(source.variables(()))
    return result


def _files(folder: Path, names: frozenset[str], name: str) -> Iterator[Path]:
    """Ansible takes the first of NAME, NAME.yml, NAME.yaml, NAME.json that exists; a folder with all files below it."""
    found = next((name + ending for ending in _ENDINGS if name + ending in names), None)
    if found is None:
        return
    path = folder / found
    if path.is_dir():
        yield from _below(path, _MAX_FOLDERS)
    else:
        yield path


def _below(folder: Path, levels: int) -> Iterator[Path]:
    if levels == 0:
        raise InventoryInvalid(f"folders nested deeper than {_MAX_FOLDERS} levels", file=str(folder))
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path, levels - 1)
        elif path.is_file() and path.suffix in _ENDINGS:
            yield path
