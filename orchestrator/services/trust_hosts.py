"""Pin host keys: show what hosts present, and pin it once somebody has said yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.fleet import Member
from orchestrator.core.identity import replaced
from orchestrator.errors import HostError, NotAllowed
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
    UNREACHABLE = "unreachable"
    """The host presented none."""


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
        futures = [self.dispatcher.submit(lambda m=member: self._ask_one(m)) for member in members]  # type: ignore[misc]
        return tuple(future.result() for future in futures)

    def accept(self, presented: Sequence[Presented], *, replace: bool) -> None:
        """Pin new keys; with ``replace`` changed ones too: that host is another machine from now on.

        Raises `NotAllowed` for a changed key without ``replace``, before anything is pinned.
        """
        changed = [one for one in presented if one.status is KeyStatus.CHANGED]
        if changed and not replace:
            names = ", ".join(one.member.name for one in changed)
            raise NotAllowed(
                f"the key of {names} is not the pinned one: find out why, then `patchwave hosts trust --replace NAME`"
            )
        for one in presented:
            if one.key is not None and one.status in {KeyStatus.NEW, KeyStatus.CHANGED}:
                self.host_keys.pin(one.member.name, [one.key])
        self._start_incarnations(changed)

    def _ask_one(self, member: Member) -> Presented:
        pinned = self.host_keys.pinned(member.name)
        try:
            key = self.host_keys.present(member.host)
        except HostError as exc:
            return Presented(member=member, status=KeyStatus.UNREACHABLE, pinned=pinned, error=str(exc))
        return Presented(member=member, status=_status(key, pinned), key=key, pinned=pinned)

    def _start_incarnations(self, changed: Sequence[Presented]) -> None:
        now = self.clock.now()
        for one in changed:
            if one.key is not None:
                remember_incarnation(self.store, one.member.record)
                self.store.hosts.save([replaced(one.member.record, one.key.fingerprint, now)])
        self.update_exposures(one.member.record.id for one in changed)


def _status(key: PresentedKey, pinned: Sequence[PresentedKey]) -> KeyStatus:
    if not pinned:
        return KeyStatus.NEW
    return KeyStatus.SAME if any(one.blob == key.blob for one in pinned) else KeyStatus.CHANGED
