"""Where something stands in the inventory files, and the values that stand there."""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

from orchestrator.errors import InventoryInvalid


class Origin:
    """A place in a file. The line may be looked up only when an error asks for it."""

    __slots__ = ("_line", "file")

    def __init__(self, file: str, line: int | Callable[[], int | None] | None) -> None:
        self.file, self._line = file, line

    @property
    def line(self) -> int | None:
        """1-based; None when the file has no lines, or is a folder."""
        return self._line() if callable(self._line) else self._line

    def refuse(self, message: str, variable: str | None = None) -> InventoryInvalid:
        """An error that names this place."""
        return InventoryInvalid(message, file=self.file, line=self.line, field=variable)


class Vaulted(Enum):
    """A value that only Ansible's vault password opens."""

    VALUE = "vaulted"


class Setting(NamedTuple):
    """A variable's value and where it was set."""

    value: Any
    origin: Origin


Settings = dict[str, Setting]
