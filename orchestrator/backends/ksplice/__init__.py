"""Oracle's Ksplice."""

from orchestrator.backends.ksplice.backend import Ksplice

__all__ = ["Ksplice"]
