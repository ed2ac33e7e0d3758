"""After checks: who turned out to be who, by host key, machine-id and boot id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.core.facts import Facts
from orchestrator.core.fleet import Member
from orchestrator.core.identity import Evidence, HostRecord, Settled, settle_all
from orchestrator.core.sightings import CheckRecord
from orchestrator.errors import IdentityConflict
from orchestrator.ports.runtime import Clock
from orchestrator.ports.ssh import HostKeys
from orchestrator.ports.store import Store


@dataclass(frozen=True, kw_only=True)
class SettleIdentities:
    """Decides under which host each observation is filed, before it is stored."""

    store: Store
    host_keys: HostKeys
    clock: Clock

    def __call__(self, members: Mapping[str, Member], checks: Sequence[CheckRecord]) -> list[CheckRecord]:
        """The checks to store. One of a renamed host goes to the record that carries the history; one of a machine that
        is not the one we know becomes a failed check that says so."""
        seen = {
            check.host_id: self._evidence(members[check.host_id].name, check.observation.facts)
            for check in checks
            if check.observation is not None
        }
        if not seen:
            return list(checks)
        records = {record.id: record for record in self.store.hosts.some(seen)}
        # Who shows nothing new is who it was: nearly all, at every check but the first.
        news = {key: evidence for key, evidence in seen.items() if not _is_known(records[key].evidence, evidence)}
        settled: dict[str, Settled] = {}

        def settle(known: tuple[HostRecord, ...]) -> list[HostRecord]:
            found = settle_all(known, news, self.clock.now())
            settled.update(zip(sorted(news), found, strict=True))
            before = {record.id: record for record in known}
            return [record for one in found for record in one.changed if before.get(record.id) != record]

        changed = {record.id: record for record in self.store.hosts.change(settle, news)} if news else {}
        now_known = {**records, **changed}
        return [self._filed(check, settled.get(check.host_id), now_known) for check in checks]

    @staticmethod
    def _filed(check: CheckRecord, who: Settled | None, records: Mapping[str, HostRecord]) -> CheckRecord:
        if who is None:
            return check
        if who.identity.is_refused:
            why = f"{who.name} answers as another machine ({who.identity.value}): find out why, then"
            return _refused(check, f"{why} `patchwave hosts trust --replace {who.name}`")
        if who.host_id == check.host_id:
            return check
        return check.model_copy(update={"host_id": who.host_id, "incarnation": records[who.host_id].incarnation})

    def _evidence(self, name: str, facts: Facts) -> Evidence:
        pinned = self.host_keys.pinned(name)
        return Evidence(
            host_key=pinned[0].fingerprint if pinned else None,
            machine_id=facts.machine_id,
            product_uuid=facts.product_uuid,
            boot_id=facts.boot_id,
        )


def _is_known(known: Evidence, seen: Evidence) -> bool:
    """What could not be read contradicts nothing and adds nothing."""
    return all(value is None or value == getattr(known, name) for name, value in seen)


def _refused(check: CheckRecord, why: str) -> CheckRecord:
    return check.model_copy(update={"observation": None, "error_code": IdentityConflict.code, "error": why})
