"""Pages of lists: a cursor names the last item of the page before."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import Query

from orchestrator.errors import InvalidInput

Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items a page holds at most.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]


def page(name: str, rows: Sequence[Json], key: Callable[[Json], str], limit: int, cursor: str | None) -> Json:
    """One page of rows sorted by a unique key: ``{name: [...], "next_cursor": text or null}``."""
    ordered = sorted(rows, key=key)
    if cursor is not None:
        after = _decode(cursor)
        ordered = [row for row in ordered if key(row) > after]
    shown = ordered[:limit]
    more = len(ordered) > limit
    return {name: shown, "next_cursor": _encode(key(shown[-1])) if more else None}


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as exc:
        raise InvalidInput("not a cursor that a page before gave", field="cursor") from exc
