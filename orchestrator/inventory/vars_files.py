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
    if (group_vars := folder / "group_vars").is_dir():
        for group in gathered.groups.values():
            group.file_settings = _settings(group_vars, group.name)
    if (host_vars := folder / "host_vars").is_dir():
        for host in gathered.hosts.values():
            host.file_settings = _settings(host_vars, host.name)


def _settings(folder: Path, name: str) -> Settings:
    result: Settings = {}
    if "/" in name or name in (".", ".."):
        return result
    for path in _files(folder, name):
        source = load_source(path)
        result |= settings_of(source.variables(()))
    return result


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Ansible takes the first of NAME, NAME.yml, NAME.yaml, NAME.json that exists; a folder with all files below it."""
    for ending in _ENDINGS:
        path = folder / (name + ending)
        if path.is_dir():
            yield from _below(path, _MAX_FOLDERS)
            return
        if path.exists():
            yield path
            return


def _below(folder: Path, levels: int) -> Iterator[Path]:
    if levels == 0:
        raise InventoryInvalid(f"folders nested deeper than {_MAX_FOLDERS} levels", file=str(folder))
    try:
        paths = sorted(folder.iterdir())
    except OSError as exc:
        raise InventoryInvalid(f"cannot be read: {exc.strerror}", file=str(folder)) from exc
    for path in paths:
        if path.name.startswith(".") or path.name.endswith("~"):
            continue
        if path.is_dir() and not path.suffix:
            yield from _below(path, levels - 1)
        elif path.is_file() and path.suffix in _ENDINGS:
            yield path
