"""SUSE's live-patch packages."""

from orchestrator.backends.suse.backend import Suse

__all__ = ["Suse"]
