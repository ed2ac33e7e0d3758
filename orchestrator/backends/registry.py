"""The backends by name."""

from collections.abc import Mapping

from orchestrator.backends.base import Backend
from orchestrator.backends.klp import Klp
from orchestrator.errors import NotFound

BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in (Klp(),)}


def backend(name: str) -> Backend:
    """The backend of that name. Raises `NotFound` naming those there are."""
    try:
        return BACKENDS[name]
    except KeyError:
        raise NotFound(f"no live-patch tool is called {name!r}; there are: {', '.join(sorted(BACKENDS))}") from None
