"""Read-only mode: checks, exposure and plans work, every mutation is refused."""

from orchestrator.errors import NotAllowed


def require_write(*, is_read_only: bool) -> None:
    """Raise `NotAllowed` in read-only mode."""
    if is_read_only:
        raise NotAllowed("read-only mode: nothing is changed on any host; unset PATCHWAVE_READ_ONLY to leave it")
