"""Pin host keys: show what hosts present, and pin it once somebody has said yes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.fleet import Member
from orchestrator.core.identity import replaced
from orchestrator.errors import HostError, IdentityConflict, NotAllowed
from orchestrator.ports.runtime import Clock, Dispatcher
from orchestrator.ports.ssh import HostKeys, PresentedKey
from orchestrator.ports.store import Store
from orchestrator.services.update_exposures import UpdateExposures, remember_incarnation


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
class Presented:
    """What one host presented. ``key`` is None when it could not be asked; ``error`` says why."""

    member: Member
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

    def ask(self, members: Sequence[Member]) -> tuple[Presented, ...]:
        """What each of them presents now, in their order. Logs in nowhere and pins nothing."""
        checks = self.store.sightings.last_checks()
        refused = {key for key, check in checks.items() if check.error_code == IdentityConflict.code}
        futures = [self.dispatcher.submit(self._job(member, member.record.id in refused)) for member in members]
        return tuple(future.result() for future in futures)

    def accept(self, presented: Sequence[Presented], *, replace: bool) -> None:
        """Pin new keys; with ``replace`` changed ones too: that host is another machine from now on.

        Raises `NotAllowed` for another machine without ``replace``, before anything is pinned.
        """
        others = [one for one in presented if one.status in TAKES_REPLACE]
        if others and not replace:
            names = ", ".join(one.member.name for one in others)
            raise NotAllowed(
                f"{names}: not the key, or not the machine, that was pinned: find out why, then"
                " `patchwave hosts trust --replace NAME`"
            )
        # A key is pinned last: killed in between, this still finds the pinned key changed, and can be done again.
        self._start_incarnations(others)
        for one in presented:
            if one.key is not None and one.status in {KeyStatus.NEW, *TAKES_REPLACE}:
                self.host_keys.pin(one.member.name, [one.key])

    def _job(self, member: Member, is_refused: bool) -> Callable[[], Presented]:
        return lambda: self._ask_one(member, is_refused)

    def _ask_one(self, member: Member, is_refused: bool) -> Presented:
        pinned = self.host_keys.pinned(member.name)
        try:
            key = self.host_keys.present(member.host)
        except HostError as exc:
            return Presented(member=member, status=KeyStatus.UNREACHABLE, pinned=pinned, error=str(exc))
        status = _status(key, pinned)
        if status is KeyStatus.SAME and is_refused:
            status = KeyStatus.OTHER_MACHINE
        return Presented(member=member, status=status, key=key, pinned=pinned)

    def _start_incarnations(self, others: Sequence[Presented]) -> None:
        now = self.clock.now()
        for one in others:
            if one.key is not None:
                remember_incarnation(self.store, one.member.record)
                self.store.hosts.save([replaced(one.member.record, one.key.fingerprint, now)])
        self.update_exposures(one.member.record.id for one in others)


def _status(key: PresentedKey, pinned: Sequence[PresentedKey]) -> KeyStatus:
    if not pinned:
        return KeyStatus.NEW
    return KeyStatus.SAME if any(one.blob == key.blob for one in pinned) else KeyStatus.CHANGED
