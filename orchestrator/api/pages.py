"""Pages of lists: a cursor names the last item of the page before."""

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any

from fastapi import Query

from orchestrator.errors import InvalidInput

Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items a page holds at most.")]
Cursor = Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")]


def page(name: str, rows: Sequence[Json], key: Callable[[Json], str], limit: int, cursor: str | None) -> Json:
    """One page of rows sorted by a unique key: ``{name: [...], "next_cursor": text or null}``.

    Raises `InvalidInput` for a cursor that no page of this list gave.
    """
    ordered = sorted(rows, key=key)
    if cursor is not None:
        after = _decode(name, cursor)
        ordered = [row for row in ordered if key(row) > after]
    shown = ordered[:limit]
    more = len(ordered) > limit
    return {name: shown, "next_cursor": _encode(name, key(shown[-1])) if more else None}


def page_of(
    name: str,
    rows: Callable[[tuple[str, ...] | None], Iterator[Json]],
    key: Callable[[Json], tuple[str, ...]],
    limit: int,
    cursor: str | None,
) -> Json:
    """The same of rows that are read in order, from after a key on: no more are read than the page holds, and one."""
    after = None if cursor is None else tuple(_decode(name, cursor).split("\0"))
    shown = list(islice(rows(after), limit + 1))
    more = len(shown) > limit
    shown = shown[:limit]
    return {name: shown, "next_cursor": _encode(name, "\0".join(key(shown[-1]))) if more else None}


def _encode(name: str, text: str) -> str:
    return base64.urlsafe_b64encode(f"{name}\0{text}".encode()).decode().rstrip("=")


def _decode(name: str, cursor: str) -> str:
    """Strictly: base64 that Python would forgive is none of ours."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise foreign_cursor() from exc
    if not text.startswith(f"{name}\0"):
        raise foreign_cursor()
    return text.removeprefix(f"{name}\0")


def foreign_cursor() -> InvalidInput:
    """What a cursor is refused with."""
    return InvalidInput("not a cursor that a page of this list gave", field="cursor")
