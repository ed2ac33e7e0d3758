"""One row for each figure: what was measured, over how many rounds, its bound, the verdict."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Whether a figure keeps its bound."""

    HOLDS = "holds"
    """The median is within the bound."""
    BROKEN = "BROKEN"
    """It is not: the program exits 1."""
    TOLD = "-"
    """There is no bound: it is told so that the others can be understood."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure. ``values``: one for each round; ``at_most`` or ``at_least`` bounds their median; ``note``: the
    absolute figures behind it."""

    name: str
    values: Sequence[float]
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """What is judged."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> Verdict:
        """Whether the bound is kept."""
        if self.at_most is None and self.at_least is None:
            return Verdict.TOLD
        too_high = self.at_most is not None and self.median > self.at_most
        too_low = self.at_least is not None and self.median < self.at_least
        return Verdict.BROKEN if too_high or too_low else Verdict.HOLDS

    def cells(self) -> tuple[str, ...]:
        """As text."""
        spread = f"{min(self.values):.2f} to {max(self.values):.2f}"
        if self.at_most is not None:
            bound = f"at most {self.at_most:g}"
        else:
            bound = "" if self.at_least is None else f"at least {self.at_least:g}"
        return (self.name, f"{self.median:.2f} {self.unit}", spread, bound, self.verdict.value, self.note)


HEADINGS = ("FIGURE", "MEDIAN", "SPREAD", "BOUND", "VERDICT", "MEASURED")


def table(rows: Sequence[Row]) -> str:
    """All rows in columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def seconds(*named: tuple[str, Sequence[float]]) -> str:
    """Medians for a note: ``floor 5.41 s, scan 5.70 s``."""
    return ", ".join(f"{name} {statistics.median(values):.2f} s" for name, values in named)
