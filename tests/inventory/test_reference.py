"""docs/reference/inventory.md names every variable that is read, and no other."""

import re
from pathlib import Path

from orchestrator.inventory.sources import IGNORED_ENDINGS
from orchestrator.inventory.variables import ALL_VARIABLES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "inventory.md"


def test_every_variable_is_documented() -> None:
    """The tables of the page are the table of the code."""
    documented = re.findall(r"^\| `((?:ansible|patchwave)_\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(ALL_VARIABLES) == sorted(documented)


def test_every_ending_that_is_skipped_is_documented() -> None:
    """Or somebody looks for hosts in a file that nobody reads."""
    page = PAGE.read_text()
    assert [] == [ending for ending in IGNORED_ENDINGS if f"`{ending}`" not in page]
