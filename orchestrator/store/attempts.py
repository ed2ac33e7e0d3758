"""Intents, outcomes, and the host locks between them."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from orchestrator.core.attempts import Attempt, Outcome
from orchestrator.core.model import Moment
from orchestrator.store.database import Database
from orchestrator.store.statements import matching, values_of
from orchestrator.store.tables import ATTEMPTS, HOST_LOCKS, OUTCOMES

_OPEN = ~select(OUTCOMES.c.attempt_id).where(OUTCOMES.c.attempt_id == ATTEMPTS.c.id).exists()


class SqlAttempts:
    """`ports.store.AttemptStore` over SQL. Writing is `RolloutStore.commit`'s alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, rollout_id: str | None = None) -> tuple[Attempt, ...]:
        """Intents without an outcome, oldest first."""
        return self._select(_OPEN) if rollout_id is None else self._select(_OPEN, ATTEMPTS.c.rollout_id == rollout_id)

    def of_rollout(self, rollout_id: str) -> tuple[Attempt, ...]:
        """All attempts of a rollout, oldest first."""
        return self._select(ATTEMPTS.c.rollout_id == rollout_id)

    def outcomes(self, rollout_id: str) -> Mapping[str, Outcome]:
        """The outcomes of a rollout by attempt id."""
        query = select(OUTCOMES).join(ATTEMPTS).where(ATTEMPTS.c.rollout_id == rollout_id)
        with self._database.read() as connection:
            found = [Outcome.model_validate(values_of(row)) for row in connection.execute(query)]
        return {outcome.attempt_id: outcome for outcome in found}

    def since(self, moment: Moment, host_ids: Iterable[str]) -> tuple[tuple[Attempt, Outcome | None], ...]:
        """Attempts on these hosts that were open at that moment or later, with their outcomes."""
        was_open = OUTCOMES.c.attempt_id.is_(None) | (OUTCOMES.c.finished_at >= moment)
        query = select(ATTEMPTS).outerjoin(OUTCOMES).where(was_open)
        with self._database.read() as connection:
            found = _oldest_first(matching(connection, query, ATTEMPTS.c.host_id, host_ids))
            rows = matching(connection, select(OUTCOMES), OUTCOMES.c.attempt_id, [attempt.id for attempt in found])
            ended = {row.attempt_id: Outcome.model_validate(values_of(row)) for row in rows}
        return tuple((attempt, ended.get(attempt.id)) for attempt in found)

    def locked_hosts(self) -> Mapping[str, Attempt]:
        """Host id to the open attempt that holds its lock."""
        query = select(ATTEMPTS).join(HOST_LOCKS, HOST_LOCKS.c.attempt_id == ATTEMPTS.c.id)
        return {attempt.host_id: attempt for attempt in self._read(query)}

    def _select(self, *conditions: ColumnElement[bool]) -> tuple[Attempt, ...]:
        return self._read(select(ATTEMPTS).where(*conditions))

    def _read(self, query: Select[Any]) -> tuple[Attempt, ...]:
        with self._database.read() as connection:
            return _oldest_first(connection.execute(query))


def _oldest_first(rows: Iterable[Row[Any]]) -> tuple[Attempt, ...]:
    return tuple(sorted(map(attempt_of, rows), key=lambda attempt: (attempt.intent_at, attempt.id)))


def attempt_of(row: Row[Any]) -> Attempt:
    """The row as an object."""
    return Attempt.model_validate(values_of(row))
