"""What a feed brings to the contract: a good small file, and what it says."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from orchestrator.core.advisories import Entry, Likelihood

Pointer = tuple[str | int, ...]
"""The way to a value in a JSON document."""


def as_json(document: Any) -> bytes:
    """One line of UTF-8."""
    return json.dumps(document, ensure_ascii=False).encode()


@dataclass(frozen=True, kw_only=True)
class FeedCase:
    """A good file of a feed.

    ``feed``: its name in the registry; ``part``: the `FeedFile.feed` that it is recognised as; ``name``: what the file
    is called; ``says``: the entries (or scores), in the order of the file; ``twice``: the same file with an id in it
    twice, None where the format cannot say that.

    Where the file is JSON, or holds JSON, ``document`` is that, and ``write`` makes the file of a document: it is then
    spoiled value by value. ``needed``: values that no file can do without or have of another type; ``dates``: texts
    that are dates.
    """

    feed: str
    part: str
    name: str
    content: bytes
    says: tuple[Entry | Likelihood, ...]
    twice: bytes | None
    document: Any = None
    write: Callable[[Any], bytes] = as_json
    needed: tuple[Pointer, ...] = ()
    dates: tuple[Pointer, ...] = ()

    def with_value(self, at: Pointer, value: Any) -> bytes:
        """The file with another value at that place."""
        document = copy.deepcopy(self.document)
        if not at:
            return self.write(value)
        holder = document
        for step in at[:-1]:
            holder = holder[step]
        holder[at[-1]] = value
        return self.write(document)

    def without(self, at: Pointer) -> bytes:
        """The file without the value at that place."""
        document = copy.deepcopy(self.document)
        holder = document
        for step in at[:-1]:
            holder = holder[step]
        del holder[at[-1]]
        return self.write(document)

    def places(self) -> Iterator[Pointer]:
        """Every value of the document, itself included."""
        waiting: list[tuple[Pointer, Any]] = [((), self.document)]
        while waiting:
            at, value = waiting.pop()
            yield at
            steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            waiting.extend(((*at, step), inner) for step, inner in steps)
