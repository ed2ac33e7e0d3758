"""Reading an inventory: files, variables beside them, groups, and the hosts that come of it."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.hosts import Host, LeftOutHost
from orchestrator.core.inventory_rules import Inventory
from orchestrator.errors import InventoryInvalid
from orchestrator.inventory.gathered import Gathered, ListedHost
from orchestrator.inventory.groups import by_precedence, depths, hang_below_all, members
from orchestrator.inventory.origins import Settings
from orchestrator.inventory.sources import files_of, read_file
from orchestrator.inventory.variables import Surroundings, make_host, other_connection
from orchestrator.inventory.vars_files import add_vars_files


def load_inventory(path: Path, backends: Iterable[str] = ()) -> Inventory:
    """Read an Ansible inventory: a file, or a folder whose files are merged in the order of their names.

    ``patchwave_backend`` must name one of ``backends`` where any are given. An inventory without hosts is returned as
    such; hosts that are not reached over SSH are left out, by name. Raises `InventoryInvalid` with file and line for
    everything that cannot be read or would be ambiguous.
    """
    try:
        return _load(path, frozenset(backends))
    except OSError as exc:
        raise InventoryInvalid(f"cannot be read: {exc.strerror}", file=str(exc.filename or path)) from exc


def _load(path: Path, backends: frozenset[str]) -> Inventory:
    if not path.exists():
        raise InventoryInvalid("there is no such file or folder", file=str(path))
    folder = path if path.is_dir() else path.parent
    gathered = Gathered(str(path))
    for file in files_of(path):
        read_file(file, gathered)
    hang_below_all(gathered)
    depth = depths(gathered)
    add_vars_files(folder, gathered)
    _refuse_shared_names(gathered)
    return _inventory(path, gathered, depth, Surroundings(folder=folder, backends=backends))


def _inventory(path: Path, gathered: Gathered, depth: dict[str, int], around: Surroundings) -> Inventory:
    groups = members(gathered)
    groups_of: dict[str, list[str]] = {name: [] for name in gathered.hosts}
    for group in sorted(groups):
        for name in groups[group] if group != "all" else ():
            groups_of[name].append(group)
    shared = _GroupSettings(gathered, depth)
    hosts, left_out = [], []
    for name in sorted(gathered.hosts):
        listed, own = gathered.hosts[name], tuple(groups_of[name])
        settings = shared.of(own) | listed.settings | listed.file_settings
        if (connection := other_connection(settings)) is not None:
            left_out.append(LeftOutHost(name=name, why=connection))
        else:
            hosts.append(_without_own_jump(make_host(name, own, settings, around)))
    _refuse_shared_addresses(hosts, gathered)
    _refuse_jump_loops(hosts, gathered)
    return Inventory(hosts=tuple(hosts), groups=_without(left_out, groups), source=str(path), left_out=tuple(left_out))


def _without(left_out: Iterable[LeftOutHost], groups: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    outside = {host.name for host in left_out}
    return {group: tuple(name for name in names if name not in outside) for group, names in groups.items()}


class _GroupSettings:
    """What groups set, in Ansible's order of precedence: inventory files before group_vars, ``all`` before the rest.

    Hosts with the same groups share the answer.
    """

    def __init__(self, gathered: Gathered, depth: dict[str, int]) -> None:
        self.gathered, self.depth = gathered, depth
        self.known: dict[tuple[str, ...], Settings] = {}

    def of(self, names: tuple[str, ...]) -> Settings:
        if names not in self.known:
            everyone = self.gathered.groups["all"]
            groups = by_precedence(self.gathered, names, self.depth)
            result = dict(everyone.settings)
            for group in groups:
                result |= group.settings
            result |= everyone.file_settings
            for group in groups:
                result |= group.file_settings
            self.known[names] = result
        return self.known[names]


def _refuse_shared_names(gathered: Gathered) -> None:
    for name in gathered.hosts:
        if name in gathered.groups:
            raise gathered.hosts[name].origin.refuse(
                f"{name} is a host and a group: no pattern could tell them apart; rename one"
            )


def _refuse_shared_addresses(hosts: Iterable[Host], gathered: Gathered) -> None:
    """Two names that lead to one login would be patched as two machines."""
    first: dict[tuple[str, int, str | None], ListedHost] = {}
    for host in hosts:
        listed = gathered.hosts[host.name]
        place = (_canonical(host.address), host.port or 22, host.jump)
        other = first.setdefault(place, listed)
        if other is not listed:
            where = f"{other.origin.file}:{other.origin.line}"
            raise listed.origin.refuse(
                f"the host {host.name} has the address and port of {other.name} ({where}):"
                " one machine under two names; remove one, or put it into the other's groups"
            )


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")


def _without_own_jump(host: Host) -> Host:
    """A bastion that is in the group whose hosts go through it is reached directly."""
    if host.jump is not None and _destination(host.jump) in (host.name, host.address):
        return host.model_copy(update={"jump": None})
    return host


def _refuse_jump_loops(hosts: Iterable[Host], gathered: Gathered) -> None:
    """A jump host may be an inventory host with a jump of its own; it must not lead back to itself."""
    jumps = {host.name: _destination(host.jump) for host in hosts if host.jump is not None}
    for name, jump in jumps.items():
        path, here = [name], jump
        while here in jumps and here not in path:
            path.append(here)
            here = jumps[here]
        if here == name:
            raise gathered.hosts[name].origin.refuse(
                f"{' > '.join([*path, name])}: the way to {name} leads through itself;"
                " an empty patchwave_jump takes back what a group says",
                "patchwave_jump",
            )


def _destination(jump: str) -> str:
    """The host of ``[user@]host[:port]``; of several hops the one that is contacted first."""
    first = jump.partition(",")[0].rpartition("@")[2]
    name, _, port = first.rpartition(":")
    return name.strip("[]") if name and port.isdecimal() and (":" not in name or name.endswith("]")) else first
