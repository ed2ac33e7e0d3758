"""SUSE's libpulp, for libraries of running processes."""

from orchestrator.backends.libpulp.backend import Libpulp

__all__ = ["Libpulp"]
