"""Live-patch packages from repositories, of Red Hat, its kin, and Amazon."""

from orchestrator.backends.dnf.backend import Dnf

__all__ = ["Dnf"]
