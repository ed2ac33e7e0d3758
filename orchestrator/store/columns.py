"""Column types that mean the same in SQLite and in PostgreSQL."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in, aware UTC out. A naive one is refused: nobody can tell what it means.

    PostgreSQL keeps ``timestamptz``. SQLite keeps text without an offset, which is UTC.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; without its offset where the database would not keep it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored time must carry its offset, {value.isoformat()} does not")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Aware and in UTC, whatever the session's time zone is."""
        return None if value is None else value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """SQLite's text in one step: lists of hosts are read with nothing but times to convert."""
        return _from_text if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value + "+00:00")


class Json(TypeDecorator[Any]):
    """A JSON value as text.

    Text, not ``jsonb``: it comes back exactly as it went in, key order and ``\\u0000`` included, and one code path
    serves both databases. In PostgreSQL ``column::jsonb`` still queries it.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """ASCII with escapes: a lone surrogate, which UTF-8 cannot carry, survives."""
        return None if value is None else json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """The value as it was."""
        return None if value is None else json.loads(value)


class ForeignText(TypeDecorator[str]):
    """Text that a host or a tool wrote. What no database keeps (NUL, lone surrogates) becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """The same text, storable."""
        return None if value is None else _UNSTORABLE.sub("\ufffd", value)
