"""Groups over groups: loops, depth, members, and the order in which their variables count."""

from collections import deque
from collections.abc import Iterable

from orchestrator.inventory.gathered import Gathered, Group

MAX_DEPTH = 50


def hang_below_all(gathered: Gathered) -> None:
    """Every group that is nobody's child is a child of ``all``; hosts in no other group are in ``ungrouped``.

    A host that is in some group is not in ``ungrouped``, even where a file says so. As in Ansible's
    ``inventory/data.py`` (``reconcile_inventory``).
    """
    children = {child for group in gathered.groups.values() for child in group.children}
    for name, group in gathered.groups.items():
        if name != "all" and name not in children:
            gathered.add_child("all", name, group.origin)
    grouped = {
        host for group in gathered.groups.values() if group.name not in ("all", "ungrouped") for host in group.hosts
    }
    ungrouped = gathered.groups["ungrouped"].hosts
    for host in [name for name in ungrouped if name in grouped]:
        del ungrouped[host]
    for name, listed in gathered.hosts.items():
        if name not in grouped:
            ungrouped.setdefault(name, listed.origin)


def depths(gathered: Gathered) -> dict[str, int]:
    """How many groups are above each one, on the longest way. Raises `InventoryInvalid` for a loop of groups."""
    above = dict.fromkeys(gathered.groups, 0)
    for group in gathered.groups.values():
        for child in group.children:
            above[child] += 1
    result = dict.fromkeys(gathered.groups, 0)
    ready = deque(name for name, count in above.items() if count == 0)
    while ready:
        name = ready.popleft()
        for child, origin in gathered.groups[name].children.items():
            result[child] = max(result[child], result[name] + 1)
            if result[child] > MAX_DEPTH:
                raise origin.refuse(f"groups nested deeper than {MAX_DEPTH} levels")
            above[child] -= 1
            if above[child] == 0:
                ready.append(child)
    _refuse_loop(gathered, {name for name, count in above.items() if count > 0})
    return result


def _refuse_loop(gathered: Gathered, left: set[str]) -> None:
    """What is left has a loop somewhere among its ancestors: walk upwards until a group comes twice."""
    if not left:
        return
    parents = {child: name for name in sorted(left) for child in gathered.groups[name].children if child in left}
    name, path = min(left), list[str]()
    while name not in path:
        path.append(name)
        name = parents[name]
    loop = [name, *reversed(path[path.index(name) :])]
    origin = gathered.groups[loop[0]].children[loop[1]]
    raise origin.refuse(f"a loop of groups: {' > '.join(loop)}")


def members(gathered: Gathered) -> dict[str, tuple[str, ...]]:
    """The hosts of every group and of its children, in the order in which Ansible counts them: level by level."""
    return {name: _members(gathered, group) for name, group in gathered.groups.items()}


def _members(gathered: Gathered, top: Group) -> tuple[str, ...]:
    hosts: dict[str, None] = {}
    seen, level = {top.name}, [top]
    while level:
        below = []
        for group in level:
            hosts.update(dict.fromkeys(group.hosts))
            new = [child for child in group.children if child not in seen]
            seen.update(new)
            below += [gathered.groups[child] for child in new]
        level = below
    return tuple(hosts)


def by_precedence(gathered: Gathered, names: Iterable[str], depth: dict[str, int]) -> list[Group]:
    """These groups, those first whose variables the later ones override: depth, then priority, then name."""
    chosen = [gathered.groups[name] for name in names]
    return sorted(chosen, key=lambda group: (depth[group.name], group.priority, group.name))
