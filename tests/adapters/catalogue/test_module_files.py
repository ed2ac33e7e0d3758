"""The folder of kept modules: whole files, checked hashes, nothing overwritten."""

import hashlib
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from orchestrator.catalogue import DirectoryModuleFiles, read_patch
from orchestrator.core.patches import Patch
from orchestrator.errors import Conflict, ModuleInvalid, NotAvailable
from tests.adapters.catalogue.module_writer import module

SHA256 = hashlib.sha256(module()).hexdigest()


@pytest.fixture
def patch(tmp_path: Path) -> Patch:
    """A patch file with one module, read."""
    folder = tmp_path / "from"
    folder.mkdir()
    (folder / "lab.ko").write_bytes(module())
    build = {"module": "lab.ko", "kernel": "6.1.0-40-cloud-amd64", "build_id": "ab" * 20, "sha256": SHA256}
    (folder / "patch.yaml").write_text(yaml.safe_dump({"id": "LAB-1", "summary": "a", "fixes": [], "builds": [build]}))
    return read_patch(folder / "patch.yaml", datetime(2026, 3, 1, tzinfo=UTC))[0]


@pytest.fixture
def source(patch: Patch, tmp_path: Path) -> Path:
    """The module's file as the patch file names it."""
    return tmp_path / "from" / patch.builds[0].module


@pytest.fixture
def kept(tmp_path: Path) -> DirectoryModuleFiles:
    """A folder that is not there yet."""
    return DirectoryModuleFiles(tmp_path / "home" / "patches")


def test_what_is_kept_is_read_back(patch: Patch, source: Path, kept: DirectoryModuleFiles, tmp_path: Path) -> None:
    """Readable by the owner alone, and nothing else left in the folder; keeping it again changes nothing."""
    kept.keep(patch, {"lab.ko": source})
    kept.keep(patch, {"lab.ko": source})
    folder = tmp_path / "home/patches/LAB-1"
    assert module() == kept.read("LAB-1", "lab.ko", SHA256)
    assert [("lab.ko", 0o600)] == [(path.name, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()]


def test_a_kept_module_that_changed_is_refused(
    patch: Patch, source: Path, kept: DirectoryModuleFiles, tmp_path: Path
) -> None:
    """Its bytes are what was catalogued or nothing."""
    kept.keep(patch, {"lab.ko": source})
    (tmp_path / "home/patches/LAB-1/lab.ko").write_bytes(b"other")
    with pytest.raises(ModuleInvalid, match="not the module that was catalogued"):
        kept.read("LAB-1", "lab.ko", SHA256)


def test_a_source_that_changed_since_it_was_read_is_refused(
    patch: Patch, source: Path, kept: DirectoryModuleFiles, tmp_path: Path
) -> None:
    """And nothing is kept."""
    source.write_bytes(b"other")
    with pytest.raises(ModuleInvalid):
        kept.keep(patch, {"lab.ko": source})
    assert [] == list((tmp_path / "home").rglob("*.ko"))


def test_another_module_under_a_kept_name_is_a_conflict(
    patch: Patch, source: Path, kept: DirectoryModuleFiles, tmp_path: Path
) -> None:
    """What was catalogued is never overwritten: a loaded module must stay recognisable."""
    folder = tmp_path / "home/patches/LAB-1"
    folder.mkdir(parents=True)
    (folder / "lab.ko").write_bytes(b"older")
    with pytest.raises(Conflict, match="new id"):
        kept.keep(patch, {"lab.ko": source})
    assert b"older" == (folder / "lab.ko").read_bytes()


@pytest.mark.parametrize(("patch_id", "name"), [("..", "lab.ko"), ("LAB-1", "../lab.ko"), ("LAB-1", "/etc/passwd")])
def test_only_names_are_read(kept: DirectoryModuleFiles, patch_id: str, name: str) -> None:
    """No path leads out of the folder."""
    with pytest.raises(ModuleInvalid):
        kept.read(patch_id, name, SHA256)


def test_a_module_that_is_not_there_is_refused(kept: DirectoryModuleFiles) -> None:
    """With what to do."""
    with pytest.raises(ModuleInvalid, match="add the patch again"):
        kept.read("LAB-1", "lab.ko", SHA256)


def test_a_folder_that_cannot_be_written_is_not_available(patch: Patch, source: Path, tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "blocked").write_text("")
    with pytest.raises(NotAvailable, match="cannot be written"):
        DirectoryModuleFiles(tmp_path / "blocked").keep(patch, {"lab.ko": source})
