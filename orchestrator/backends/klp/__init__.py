"""The kernel's own live patching, with modules of the catalogue."""

from orchestrator.backends.klp.backend import Klp

__all__ = ["Klp"]
