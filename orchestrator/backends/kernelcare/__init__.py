"""KernelCare."""

from orchestrator.backends.kernelcare.backend import KernelCare

__all__ = ["KernelCare"]
