"""Canonical Livepatch."""

from orchestrator.backends.canonical.backend import Canonical

__all__ = ["Canonical"]
