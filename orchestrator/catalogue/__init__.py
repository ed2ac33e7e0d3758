"""The catalogue's files: patch files and their modules, read and checked; and where modules are kept."""

from orchestrator.catalogue.module_files import DirectoryModuleFiles
from orchestrator.catalogue.patch_file import read_patch

__all__ = ["DirectoryModuleFiles", "read_patch"]
