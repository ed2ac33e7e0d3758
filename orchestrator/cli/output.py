"""What the CLI prints: one JSON document or tables on stdout, progress and errors on stderr."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NO_TERMINAL_WIDTH = 1000
"""Where nobody watches, rows stay on one line each, so that grep finds what belongs together."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _NO_TERMINAL_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_SPACE = re.compile(r"[\t\n\r]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a cursor, starts an escape sequence, turns the direction of text, or cannot be written at all."""


def safe(value: object) -> str:
    """Text from a host or a file, fit for one line on a terminal: no control characters, no markup."""
    return escape(_CONTROL.sub("�", _SPACE.sub(" ", "" if value is None else str(value))))


def print_json(document: Any) -> None:
    """Exactly one JSON document, readable, and with nothing raw in it that a terminal would act on."""
    sys.stdout.write(json_text(document) + "\n")


def print_json_rows(name: str, rows: Iterable[Any]) -> None:
    """The document ``{name: [row, …]}`` as `print_json` writes it, row by row: there may be more than fit in memory.
    Nothing is written before there is a first row; what is raised later leaves a document that ends too early."""
    before = f"{{\n  {json_text(name)}: ["
    for row in rows:
        indented = json_text(row).replace("\n", "\n    ")
        sys.stdout.write(f"{before}\n    {indented}")
        before = ","
    sys.stdout.write("\n  ]\n}\n" if before == "," else f"{before}]\n}}\n")


def json_text(document: Any) -> str:
    """The same as text, without the end of the last line."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    return "\n".join(_CONTROL.sub(_escaped, line) for line in text.split("\n"))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table; or, with no rows, one line that says what that means."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    count = 0
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Styled) else safe(cell) for cell in row))
        count += 1
    if count:
        out.print(table)
    else:
        out.print(empty)


class Styled(str):
    """Text of ours that carries rich markup on purpose; never made from what a host says."""

    __slots__ = ()


_COLOURS = {
    "exposed": "red", "covered": "green", "unknown": "yellow",
    "applied": "green", "transitioning": "yellow", "stalled": "red",
    "succeeded": "green", "failed": "red", "patched": "green", "already_patched": "green",
    "aborted": "red", "rolled_back": "yellow", "rollback_failed": "red", "expired": "red",
    "ok": "green", "ready": "green", "warn": "yellow",
}  # fmt: skip


def coloured(word: str) -> Styled:
    """A state word in its colour."""
    colour = _COLOURS.get(word)
    return Styled(f"[{colour}]{word}[/]" if colour else safe(word))


def counted(count: int, noun: str) -> str:
    """``1 host``, ``2 hosts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def say(message: str) -> None:
    """One line of progress, on stderr."""
    err.print(safe(message))
