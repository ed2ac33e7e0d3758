"""The folder in which the catalogue keeps its modules: ``patches/ID/FILE``, readable by the owner alone."""

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

from orchestrator.core.patches import Patch
from orchestrator.errors import Conflict, ModuleInvalid, NotAvailable

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,254}")


class DirectoryModuleFiles:
    """`ports.runtime.ModuleFiles` over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, patch_id: str, module: str, sha256: str) -> bytes:
        """The module's bytes, their hash checked. Raises `ModuleInvalid`."""
        path = self._path(patch_id, module)
        try:
            data = path.read_bytes()
        except OSError as exc:
            raise ModuleInvalid(f"{path} cannot be read ({exc.strerror}): add the patch again") from exc
        _check(path, data, sha256)
        return data

    def keep(self, patch: Patch, files: Mapping[str, Path]) -> None:
        """Copy the modules of an item into its folder, each whole or not at all; `files` as `read_patch` gave them.

        Raises `ModuleInvalid` when a file changed since it was read, `Conflict` when another one is kept under that
        name already, `NotAvailable` when the folder cannot be written.
        """
        for build in patch.builds:
            path = self._path(patch.id, build.module)
            try:
                data = files[build.module].read_bytes()
                _check(files[build.module], data, build.sha256)
                self._write(path, data)
            except OSError as exc:
                raise NotAvailable(f"{path} cannot be written: {exc.strerror or exc}") from exc

    def _path(self, patch_id: str, module: str) -> Path:
        for name in (patch_id, module):
            if not _NAME.fullmatch(name):
                raise ModuleInvalid(f"{name!r} is not the name of a kept module or item")
        return self._root / patch_id / module

    def _write(self, path: Path, data: bytes) -> None:
        if path.exists():
            if path.read_bytes() != data:
                raise Conflict(f"{path} is another module already: give the changed patch a new id")
            return
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # NamedTemporaryFile creates it with mode 0600, whatever the umask.
        with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name in it durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(path: Path, data: bytes, sha256: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ModuleInvalid(f"{path} is not the module that was catalogued: its SHA-256 is {found}, not {sha256}")
