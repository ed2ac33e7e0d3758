"""LibCare, for libraries of running processes."""

from orchestrator.backends.libcare.backend import LibCare

__all__ = ["LibCare"]
