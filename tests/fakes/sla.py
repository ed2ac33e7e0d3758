"""Policies and accepted risks in memory. The contract suite of stores holds them to what the real ones do."""

import threading

from orchestrator.core.acceptances import Acceptance
from orchestrator.core.model import Moment
from orchestrator.core.sla_policy import Adopted
from orchestrator.errors import Conflict, NotFound
from tests.fakes.changes import FakeChanges


class FakePolicies:
    """`ports.sla.PolicyStore`."""

    def __init__(self, changes: FakeChanges | None = None) -> None:
        self._changes = changes or FakeChanges()
        self._adopted: tuple[Adopted, ...] = ()
        self._lock = threading.Lock()

    def all(self) -> tuple[Adopted, ...]:
        return self._adopted

    def append(self, adopted: Adopted, after: int) -> None:
        with self._lock:
            if len(self._adopted) != after:
                raise Conflict("another policy was set meanwhile: look at `patchwave sla preview` again")
            if self._adopted and self._adopted[-1].since >= adopted.since:
                raise Conflict(f"a policy is in force since {self._adopted[-1].since}, which is later")
            self._adopted = (*self._adopted, adopted)
            self._changes.concerning_all()


class FakeAcceptances:
    """`ports.sla.AcceptanceStore`."""

    def __init__(self) -> None:
        self._kept: dict[str, Acceptance] = {}
        self._lock = threading.Lock()

    def all(self) -> tuple[Acceptance, ...]:
        return tuple(sorted(self._kept.values(), key=lambda one: (one.accepted_at, one.id)))

    def add(self, acceptance: Acceptance) -> None:
        if self._kept.setdefault(acceptance.id, acceptance) is not acceptance:
            raise Conflict(f"there is an accepted risk {acceptance.id} already")

    def revoke(self, acceptance_id: str, at: Moment, by: str) -> None:
        with self._lock:
            found = self._kept.get(acceptance_id)
            if found is None:
                raise NotFound(f"no accepted risk {acceptance_id}")
            if found.revoked_at is not None:
                raise Conflict(f"{acceptance_id} was revoked before")
            self._kept[acceptance_id] = found.model_copy(update={"revoked_at": at, "revoked_by": by})
