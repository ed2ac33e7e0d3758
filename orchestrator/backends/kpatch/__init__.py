"""kpatch, with modules of the catalogue and those on the host."""

from orchestrator.backends.kpatch.backend import Kpatch

__all__ = ["Kpatch"]
