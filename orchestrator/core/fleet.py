"""The fleet as it is listed now: each inventory host beside the record of who it is."""

from collections.abc import Iterator

from orchestrator.core.hosts import Host
from orchestrator.core.identity import HostRecord
from orchestrator.core.model import Frozen


class Member(Frozen):
    """One listed host and its record."""

    host: Host
    record: HostRecord

    @property
    def name(self) -> str:
        """The inventory's name for it."""
        return self.host.name


class Fleet(Frozen):
    """All listed hosts by name, the groups they are in, and what the inventory made us say (empty: nothing)."""

    members: tuple[Member, ...]
    groups: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Member]:  # type: ignore[override]  # pydantic iterates over fields
        return iter(self.members)

    def named(self, name: str) -> Member | None:
        """The member of that name, or None."""
        return next((member for member in self.members if member.name == name), None)

    def by_id(self, host_id: str) -> Member | None:
        """The member with that id, or None."""
        return next((member for member in self.members if member.record.id == host_id), None)
