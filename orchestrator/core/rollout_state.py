"""The state of a rollout: everything that deciding needs, in one frozen value that survives JSON exactly."""

from collections import Counter

from pydantic import Field

from orchestrator.core.attempts import Action
from orchestrator.core.durations import Duration
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.plans import HeldSlots
from orchestrator.core.playbooks import OnFailure
from orchestrator.core.rollout_states import (
    FINAL_HOST,
    FINAL_ROLLOUT,
    FINAL_WAVE,
    IN_FLIGHT,
    TROUBLED,
    HostStatus,
    RolloutStatus,
    WaveStatus,
)
from orchestrator.errors import PatchwaveError


class InvariantBroken(PatchwaveError):
    """A rollout's state contradicts itself. A bug: nothing is decided on it."""

    code = "invariant_broken"


class Policy(Frozen):
    """What the playbook says about order and failure, as numbers.

    ``held``: slots of the total budget that hosts outside of the plan hold from the start to the end.
    """

    max_in_flight: int
    per_site: int | None
    budget_total: int
    held: HeldSlots = HeldSlots()
    soak: Duration
    persist: bool
    on_failure: OnFailure


class HostRun(Frozen):
    """One host. ``key`` and ``action`` are set exactly while an attempt is in flight.

    ``reverts``: what its backend brings can be taken out again. ``may_carry``: our patch may be in memory or in its
    boot configuration through this rollout. ``holds_slot``: it was in trouble and has not ended patched since.
    ``previous``: the state that a retry left. ``to_revert``: its patch is to be taken out. ``not_before``: its lock was
    held elsewhere; try again then. ``level``: what its tool had in force when it was verified as what it was to be;
    None for modules of the catalogue. ``boot_id``: the boot in which it was last seen for an attempt.
    """

    host_id: str
    name: str
    wave: int
    is_canary: bool
    site: str | None
    group: str
    reverts: bool = True
    state: HostStatus = HostStatus.PENDING
    detail: str = ""
    attempts: int = 0
    action: Action | None = None
    key: str | None = None
    previous: HostStatus | None = None
    may_carry: bool = False
    holds_slot: bool = False
    drift_accepted: bool = False
    soaked: bool = False
    persist_tried: bool = False
    persisted: bool = False
    to_revert: bool = False
    not_before: Moment | None = None
    level: str | None = None
    boot_id: str | None = None

    @property
    def in_flight(self) -> bool:
        """Whether an attempt is under way."""
        return self.state in IN_FLIGHT


class WaveRun(Frozen):
    """One wave. ``soak_until`` is set once its hosts are patched, ``soak_asked`` once the check was ordered."""

    index: int
    is_canary: bool
    host_ids: tuple[str, ...]
    budget: int
    state: WaveStatus = WaveStatus.PENDING
    reason: str = ""
    soak_until: Moment | None = None
    soak_asked: bool = False


class Ending(Frozen):
    """How it will end once nothing is in flight."""

    status: RolloutStatus
    reason: str


class RolloutState(Frozen):
    """A rollout between two decisions. ``levels``: by group, what its first canary was verified with; whatever else
    a host of the group ends with is drift.

    Invariants, enforced by `check_invariants`:

    - a host is in flight exactly when it has a key, and a key is one attempt of that host;
    - at most ``max_in_flight`` hosts are in flight, and at most ``per_site`` of one site;
    - a wave is begun only when all before it are done, so hosts of pending waves are untouched;
    - a host that is in trouble holds a slot of the budget;
    - while the hosts outside of the plan hold more slots than the total budget has, none is applied to;
    - outside the canary wave no host is applied to whose kernel build has no canary that succeeded;
    - a final rollout has nothing in flight, every host final, every wave final, and nothing left to revert.
    """

    status: RolloutStatus
    reason: str = ""
    policy: Policy
    started_at: Moment
    deadline: Moment
    hosts: dict[str, HostRun]
    waves: tuple[WaveRun, ...]
    levels: dict[str, str] = Field(default_factory=dict)
    ending: Ending | None = None
    is_rolling_back: bool = False

    @property
    def is_final(self) -> bool:
        """Whether it ended."""
        return self.status in FINAL_ROLLOUT

    @property
    def current(self) -> WaveRun | None:
        """The wave that was begun last, or None before the first."""
        begun = [wave for wave in self.waves if wave.state not in (WaveStatus.PENDING, WaveStatus.NOT_STARTED)]
        return begun[-1] if begun else None

    def of_wave(self, wave: WaveRun) -> list[HostRun]:
        """The hosts of a wave, in the plan's order."""
        return [self.hosts[host_id] for host_id in wave.host_ids]


def good_groups(hosts: dict[str, HostRun]) -> frozenset[str]:
    """The kernel builds of which a canary succeeded and still stands."""
    good = (HostStatus.PATCHED, HostStatus.ALREADY_PATCHED)
    return frozenset(host.group for host in hosts.values() if host.is_canary and host.state in good)


def check_invariants(state: RolloutState) -> None:
    """Raise `InvariantBroken` when the state contradicts itself."""
    flying = [host for host in state.hosts.values() if host.in_flight]
    _require(len(flying) <= state.policy.max_in_flight, "more hosts in flight than max_in_flight")
    if state.policy.per_site is not None:
        sites = Counter(host.site for host in flying if host.site is not None)
        _require(all(count <= state.policy.per_site for count in sites.values()), "more in flight than per_site")
    for host in state.hosts.values():
        _check_host(host)
    _check_waves(state)
    if not (state.is_rolling_back or state.ending):
        good = good_groups(state.hosts)
        ungated = [h for h in flying if not h.is_canary and h.action is Action.APPLY and h.group not in good]
        _require(not ungated, "a build is patched in the waves without a canary that succeeded")
        is_spent = state.policy.held.count > state.policy.budget_total
        _require(not (is_spent and flying), "hosts are patched though the budget was spent before the start")
    if state.is_final:
        _check_final(state)


def _check_host(host: HostRun) -> None:
    _require(
        host.in_flight == (host.key is not None) == (host.action is not None), f"{host.name}: key and state differ"
    )
    _require(host.key is None or host.key.startswith(f"{host.host_id}:"), f"{host.name}: the key of another host")
    _require(host.holds_slot or host.state not in TROUBLED, f"{host.name}: in trouble without a slot of the budget")


def _check_waves(state: RolloutState) -> None:
    untouched = (HostStatus.PENDING, HostStatus.QUEUED, HostStatus.SKIPPED, HostStatus.NOT_ATTEMPTED)
    active = (WaveStatus.RUNNING, WaveStatus.SOAKING, WaveStatus.HELD)
    all_done = True
    for wave in state.waves:
        hosts = state.of_wave(wave)
        if wave.state in (WaveStatus.PENDING, WaveStatus.NOT_STARTED):
            _require(all(host.state in untouched for host in hosts), f"wave {wave.index} was touched before its turn")
        _require(wave.state not in active or all_done, f"wave {wave.index} was begun before those before it were done")
        all_done = all_done and wave.state is WaveStatus.DONE


def _check_final(state: RolloutState) -> None:
    _require(all(host.state in FINAL_HOST for host in state.hosts.values()), "ended with a host that is not final")
    _require(all(wave.state in FINAL_WAVE for wave in state.waves), "ended with a wave that is not final")
    _require(not any(host.to_revert for host in state.hosts.values()), "ended with a patch that is to be taken out")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantBroken(what)
