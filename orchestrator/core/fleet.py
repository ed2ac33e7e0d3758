"""The fleet as it is listed now: each inventory host beside the record of who it is."""

from collections.abc import Iterator

from orchestrator.core.hosts import Host, LeftOutHost
from orchestrator.core.identity import HostRecord
from orchestrator.core.model import Frozen
from orchestrator.core.patterns import parse_pattern


class Member(Frozen):
    """One listed host and its record."""

    host: Host
    record: HostRecord

    @property
    def name(self) -> str:
        """The inventory's name for it."""
        return self.host.name


class Fleet(Frozen):
    """All listed hosts by name, the groups they are in, what the inventory made us say (empty: nothing), and the hosts
    of the inventory that are not reached over SSH."""

    members: tuple[Member, ...]
    groups: dict[str, tuple[str, ...]]
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOutHost, ...] = ()

    def __iter__(self) -> Iterator[Member]:  # type: ignore[override]  # pydantic iterates over fields
        return iter(self.members)

    def select(self, pattern: str) -> tuple[Member, ...]:
        """The members that an Ansible host pattern selects. Raises `PatternInvalid`, `NotFound`."""
        names = [member.name for member in self.members]
        chosen = set(parse_pattern(pattern).select(names, self.groups, self.left_out))
        return tuple(member for member in self.members if member.name in chosen)

    def named(self, name: str) -> Member | None:
        """The member of that name, or None."""
        return next((member for member in self.members if member.name == name), None)

    def by_id(self, host_id: str) -> Member | None:
        """The member with that id, or None."""
        return next((member for member in self.members if member.record.id == host_id), None)
