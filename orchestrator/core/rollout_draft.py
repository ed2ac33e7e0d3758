"""A rollout's state while a decision is being made: every change goes through the transition tables."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from orchestrator.core.attempts import Action
from orchestrator.core.meanings import Meaning
from orchestrator.core.rollout_events import Effect, StartAttempt, WaitUntil
from orchestrator.core.rollout_state import Ending, HostRun, InvariantBroken, RolloutState, WaveRun
from orchestrator.core.rollout_states import ALLOWED, WAITING, HostStatus, RolloutStatus, WaveStatus
from orchestrator.errors import NotFound

BUSY_RETRY = timedelta(seconds=10)
"""After which a host whose lock another rollout holds is tried again."""

_STATE_OF = {
    Action.APPLY: HostStatus.APPLYING,
    Action.PERSIST: HostStatus.APPLYING,
    Action.REVERT: HostStatus.REVERTING,
}


class Draft:
    """Mutable for the length of one decision; `RolloutState` goes in and comes out."""

    def __init__(self, state: RolloutState, now: datetime) -> None:
        self.now = now
        self.policy, self.deadline = state.policy, state.deadline
        self.status, self.reason = state.status, state.reason
        self.hosts, self.waves = dict(state.hosts), list(state.waves)
        self.ending, self.is_rolling_back = state.ending, state.is_rolling_back
        self.levels = dict(state.levels)
        self.effects: list[Effect] = []
        self._before = state

    def frozen(self) -> RolloutState:
        """The state as it is now."""
        return self._before.model_copy(
            update={
                "status": self.status,
                "reason": self.reason,
                "hosts": self.hosts,
                "waves": tuple(self.waves),
                "levels": self.levels,
                "ending": self.ending,
                "is_rolling_back": self.is_rolling_back,
            }
        )

    def move(self, status: RolloutStatus, reason: str = "") -> None:
        """Change the rollout's state."""
        _check(self.status, status, "the rollout")
        self.status, self.reason = status, reason

    def move_wave(self, index: int, state: WaveStatus, reason: str = "", **changes: Any) -> None:
        """Change a wave's state, and more of it."""
        _check(self.waves[index].state, state, f"wave {index}")
        self.waves[index] = self.waves[index].model_copy(update={"state": state, "reason": reason, **changes})

    def move_host(self, host: HostRun, state: HostStatus, **changes: Any) -> None:
        """Change a host's state, and more of it."""
        _check(host.state, state, host.name)
        self.change_host(host, state=state, **changes)

    def change_host(self, host: HostRun, **changes: Any) -> None:
        """Change a host, its state left out."""
        self.hosts[host.host_id] = host.model_copy(update=changes)

    def host(self, host_id: str) -> HostRun:
        """A host by id. Raises `NotFound`."""
        if host_id not in self.hosts:
            raise NotFound(f"this rollout has no host with the id {host_id}")
        return self.hosts[host_id]

    def of_wave(self, wave: WaveRun) -> list[HostRun]:
        """The hosts of a wave as they are now."""
        return [self.hosts[host_id] for host_id in wave.host_ids]

    @property
    def current(self) -> WaveRun | None:
        """The wave that was begun last."""
        begun = [wave for wave in self.waves if wave.state not in (WaveStatus.PENDING, WaveStatus.NOT_STARTED)]
        return begun[-1] if begun else None

    @property
    def flying(self) -> list[HostRun]:
        """The hosts with an attempt under way."""
        return [host for host in self.hosts.values() if host.in_flight]

    def start(self, hosts: Iterable[HostRun], action: Action) -> None:
        """Start an attempt on as many of these, in this order, as may be in flight."""
        flying = self.flying
        room = self.policy.max_in_flight - len(flying)
        sites = Counter(host.site for host in flying)
        for host in hosts:
            if room <= 0:
                return
            if self._site_is_full(host, sites) or (host.not_before is not None and host.not_before > self.now):
                continue
            self._start(host, action)
            room, sites[host.site] = room - 1, sites[host.site] + 1

    def _site_is_full(self, host: HostRun, sites: Counter[str | None]) -> bool:
        limit = self.policy.per_site
        return limit is not None and host.site is not None and sites[host.site] >= limit

    def _start(self, host: HostRun, action: Action) -> None:
        number = host.attempts + 1
        key = f"{host.host_id}:{action}:{number}"
        state = _STATE_OF[action]
        self.move_host(host, state, action=action, key=key, attempts=number, not_before=None, detail="")
        self.effects.append(StartAttempt(host_id=host.host_id, action=action, number=number, key=key))

    def leave_waiting(self) -> None:
        """Nothing more is started: who was not tried is not attempted, who waited for a retry is what it was."""
        for host in [host for host in self.hosts.values() if host.state in WAITING]:
            self.move_host(host, host.previous or HostStatus.NOT_ATTEMPTED, previous=None, not_before=None)

    def end(self, status: RolloutStatus, reason: str) -> None:
        """Start nothing more, and end so once nothing is in flight."""
        self.ending = Ending(status=status, reason=reason)
        self.leave_waiting()
        self.move(RolloutStatus.ABORTING, reason)

    def wait(self) -> None:
        """Say when the next `Tick` is due: the deadline, the end of a soak, a busy host."""
        moments = [host.not_before for host in self.hosts.values() if host.not_before is not None]
        if self.ending is None and not self.is_rolling_back:
            moments.append(self.deadline)
        moments += [wave.soak_until for wave in self.waves if wave.state is WaveStatus.SOAKING and wave.soak_until]
        coming = [moment for moment in moments if moment > self.now]
        if coming:
            self.effects.append(WaitUntil(moment=min(coming)))


def _check(source: Meaning, target: Meaning, what: str) -> None:
    if (source, target) not in ALLOWED[type(source)]:
        raise InvariantBroken(f"{what} cannot go from {source} to {target}")
