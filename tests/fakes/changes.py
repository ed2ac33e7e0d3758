"""What standings are made of, in memory: what changed, and how often something of each host did."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from orchestrator.core.advisories import PackageKey
from orchestrator.core.identity import HostRecord
from orchestrator.ports.store import Basis, Change, Pending


class FakeChanges:
    """What the parts of a store tell each other of changes."""

    def __init__(self) -> None:
        self.version = 0
        self.moves = Counter[str]()
        self._made: dict[str, int] = {}
        self._pending: dict[int, Change] = {}

    def concerning(self, packages: Collection[PackageKey], cves: Collection[str]) -> None:
        if packages or cves:
            self._append(packages=frozenset(packages), cves=frozenset(cves))

    def concerning_all(self) -> None:
        self._append(is_everything=True)

    def _append(self, **what: object) -> None:
        self.version += 1
        self._pending[self.version] = Change.model_validate({"number": self.version} | what)

    def moved(self, before: Mapping[str, HostRecord], after: Iterable[HostRecord]) -> None:
        self.moves.update(one.id for one in after if one.id in before and _stands_by(one) != _stands_by(before[one.id]))

    def basis(self, host_ids: Iterable[str]) -> Basis:
        return Basis(version=self.version, moves={host: self.moves[host] for host in host_ids if self.moves[host]})

    def made(self, host_ids: Iterable[str], of: Basis) -> None:
        self._made |= {host: of.moves.get(host, 0) for host in host_ids}

    def pending(self) -> Pending:
        hosts = frozenset(host for host, moved in self.moves.items() if moved != self._made.get(host, 0))
        return Pending(changes=tuple(self._pending.values()), hosts=hosts)

    def handled(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._pending.pop(number, None)


def _stands_by(record: HostRecord) -> tuple[object, ...]:
    incarnation = record.incarnation, record.incarnated_at
    return record.retired_at, incarnation, record.labels, record.customer, record.groups
