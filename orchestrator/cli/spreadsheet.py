"""CSV on stdout, for spreadsheets, which must not take what a host says for a formula."""

import csv
import io
import sys
from collections.abc import Iterable, Mapping

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet compute a cell: OWASP, CSV Injection."""


def csv_text(rows: Iterable[Mapping[str, object]]) -> str:
    """RFC 4180, with a header of the first row's columns. None is an empty cell; text that a spreadsheet would compute
    begins with an apostrophe; nothing in it moves a cursor."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
    return written.getvalue()


def print_csv(rows: Iterable[Mapping[str, object]]) -> None:
    """To stdout, in UTF-8 wherever that is possible."""
    sys.stdout.write(csv_text(rows))


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return "" if value is None else value
    shown = "".join(character if character.isprintable() else "�" for character in value)
    # A full-width sign, or one behind spaces, is a sign to some spreadsheets.
    is_formula = value.startswith(_FORMULA) or shown.lstrip().startswith((*_FORMULA, "＝", "＋", "－", "＠"))
    return f"'{shown}" if is_formula else shown
