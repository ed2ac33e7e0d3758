"""The ports of service levels and accepted risks. Both are append-only: what was decided with them stays explained."""

from typing import Protocol

from orchestrator.core.acceptances import Acceptance
from orchestrator.core.model import Moment
from orchestrator.core.sla_policy import Adopted


class PolicyStore(Protocol):
    """Every policy that was ever set."""

    def all(self) -> tuple[Adopted, ...]:
        """Oldest first."""
        ...

    def append(self, adopted: Adopted, after: int) -> None:
        """Set one more. ``after`` is how many there were when it was decided: raises `Conflict` when there are more by
        now, or when the last one is not older than this."""
        ...


class AcceptanceStore(Protocol):
    """Every risk that was ever accepted."""

    def all(self) -> tuple[Acceptance, ...]:
        """By ``accepted_at`` and id, ended ones included."""
        ...

    def add(self, acceptance: Acceptance) -> None:
        """Keep a new one. Raises `Conflict` when its id is taken."""
        ...

    def revoke(self, acceptance_id: str, at: Moment, by: str) -> None:
        """Set ``revoked_at`` and ``revoked_by``, once. Raises `NotFound`, and `Conflict` when it was revoked before."""
        ...
