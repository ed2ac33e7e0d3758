"""Processes that still run files which are gone from the disk."""

from orchestrator.backends.userspace.backend import Userspace

__all__ = ["Userspace"]
