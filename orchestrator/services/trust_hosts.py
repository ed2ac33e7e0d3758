"""Pin host keys: show what hosts present, and pin it once somebody has said yes."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.core.fleet import Member
from orchestrator.core.hosts import Host
from orchestrator.core.identity import HostRecord, replaced
from orchestrator.errors import HostError, IdentityConflict, NotAllowed, Unreachable
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.ssh import HostKeys, PresentedKey
from orchestrator.ports.store import Store
from orchestrator.services.host_lives import remember_incarnation
from orchestrator.services.update_exposures import UpdateExposures


class KeyStatus(StrEnum):
    """What a presented key is to what is pinned."""

    NEW = "new"
    """Nothing is pinned for this host yet."""
    SAME = "same"
    """It is the pinned key."""
    CHANGED = "changed"
    """Another key is pinned: another machine, or somebody in between."""
    OTHER_MACHINE = "other_machine"
    """It is the pinned key, but the last check found it on another machine: built anew, or the key was copied."""
    UNREACHABLE = "unreachable"
    """The host presented none."""


TAKES_REPLACE = frozenset({KeyStatus.CHANGED, KeyStatus.OTHER_MACHINE})
"""What is accepted only on purpose, because the host is another machine from then on."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A host to be asked. ``record`` is None for a jump host outside the inventory: nothing but its key is kept."""

    host: Host
    record: HostRecord | None


@dataclass(frozen=True, kw_only=True)
class Presented:
    """What one host presented. ``key`` is None when it could not be asked; ``error`` says why."""

    host: Host
    record: HostRecord | None
    status: KeyStatus
    key: PresentedKey | None = None
    pinned: tuple[PresentedKey, ...] = ()
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrustHosts:
    """Asks hosts for their keys, and pins what was accepted."""

    host_keys: HostKeys
    store: Store
    dispatcher: Dispatcher
    clock: Clock
    update_exposures: UpdateExposures

    def stages(self, members: Sequence[Member]) -> tuple[tuple[Target, ...], ...]:
        """Whom to ask so that these can be trusted: them and the jump hosts on their ways, each once.

        A host cannot be asked before its jump hosts are trusted, so they stand in a stage before it.
        """
        targets = {member.name: Target(host=member.host, record=member.record) for member in members}
        records = {one.name: one for one in self.store.hosts.all() if not one.is_retired}
        for member in members:
            for jump in self._jump_hosts(member.host):
                targets.setdefault(jump.name, Target(host=jump, record=records.get(jump.name)))
        by_distance: dict[int, list[Target]] = {}
        for target in targets.values():
            by_distance.setdefault(len(self._jump_hosts(target.host)), []).append(target)
        return tuple(tuple(by_distance[distance]) for distance in sorted(by_distance))

    def ask(self, targets: Sequence[Target]) -> tuple[Presented, ...]:
        """What each of them presents now, in their order. Logs in to jump hosts alone, and pins nothing."""
        checks = self.store.sightings.last_checks([one.record.id for one in targets if one.record is not None])
        refused = {key for key, check in checks.items() if check.error_code == IdentityConflict.code}
        futures = [self.dispatcher.submit(self._job(target, refused)) for target in targets]
        return tuple(future.result() for future in futures)

    def accept(self, presented: Sequence[Presented], *, replace: bool) -> None:
        """Pin new keys; with ``replace`` changed ones too: that host is another machine from now on.

        Raises `NotAllowed` for another machine without ``replace``, before anything is pinned.
        """
        others = [one for one in presented if one.status in TAKES_REPLACE]
        if others and not replace:
            names = ", ".join(one.host.name for one in others)
            raise NotAllowed(
                f"{names}: not the key, or not the machine, that was pinned: find out why, then"
                " `patchwave hosts trust --replace NAME`"
            )
        # A key is pinned last: killed in between, this still finds the pinned key changed, and can be done again.
        self._start_incarnations(others)
        for one in presented:
            if one.key is not None and one.status in {KeyStatus.NEW, *TAKES_REPLACE}:
                self.host_keys.pin(one.host.name, [one.key])

    def _jump_hosts(self, host: Host) -> tuple[Host, ...]:
        try:
            return self.host_keys.jump_hosts(host)
        except Unreachable:
            return ()  # asking the host says what is wrong with the way to it

    def _job(self, target: Target, refused: Container[str]) -> Callable[[], Presented]:
        return lambda: self._ask_one(target, refused)

    def _ask_one(self, target: Target, refused: Container[str]) -> Presented:
        host, record = target.host, target.record
        pinned = self.host_keys.pinned(host.name)
        try:
            key = self.host_keys.present(host)
        except HostError as exc:
            return Presented(host=host, record=record, status=KeyStatus.UNREACHABLE, pinned=pinned, error=str(exc))
        status = _status(key, pinned)
        if status is KeyStatus.SAME and record is not None and record.id in refused:
            status = KeyStatus.OTHER_MACHINE
        return Presented(host=host, record=record, status=status, key=key, pinned=pinned)

    def _start_incarnations(self, others: Sequence[Presented]) -> None:
        now, ids = self.clock.now(), []
        for one in others:
            if one.key is not None and one.record is not None:
                self._replace(one.record.id, one.key.fingerprint, now)
                ids.append(one.record.id)
        self.update_exposures(ids)

    def _replace(self, host_id: str, fingerprint: str, now: datetime) -> None:
        """From the record as it is now: somebody may have changed it while the question was on the screen."""
        (current,) = self.store.hosts.some([host_id])
        remember_incarnation(self.store, current)
        self.store.hosts.change(
            lambda known: [replaced(record, fingerprint, now) for record in known if record.id == host_id]
        )


def _status(key: PresentedKey, pinned: Sequence[PresentedKey]) -> KeyStatus:
    if not pinned:
        return KeyStatus.NEW
    return KeyStatus.SAME if any(one.blob == key.blob for one in pinned) else KeyStatus.CHANGED
