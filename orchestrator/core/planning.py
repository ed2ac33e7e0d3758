"""Making a plan: candidates × patch → waves, and everybody who is left out by name and reason."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, zip_longest

from orchestrator.core.amounts import rounded_down, rounded_up
from orchestrator.core.candidates import DEFAULT_TOOL, Candidate, Fit, has_labels, labelled, sort_out
from orchestrator.core.offers import Offer
from orchestrator.core.patches import Build, Patch
from orchestrator.core.plans import (
    HeldSlots,
    LeftOut,
    LeftOutReason,
    Plan,
    PlannedHost,
    PlannedWave,
    SpelledOut,
    held_slots,
)
from orchestrator.core.playbooks import Canary, Playbook, settings
from orchestrator.core.verdict import level_of
from orchestrator.errors import PlaybookInvalid

__all__ = ["DEFAULT_TOOL", "Candidate", "plan"]


def plan(
    playbook: Playbook,
    candidates: Sequence[Candidate],
    patch: Patch | None,
    *,
    now: datetime,
    catalogue: Sequence[Patch] = (),
) -> Plan:
    """Plan a rollout of `patch` to those of the candidates that need it; None: of what each host's own tool offers.

    ``catalogue`` is every patch we know: it tells which one in force replaces this one. Raises `PlaybookInvalid` when
    the playbook names another patch.
    """
    _agree(playbook, patch)
    targets = sorted(labelled(candidates, playbook.targets), key=lambda candidate: (candidate.name, candidate.host_id))
    fits, left_out = sort_out(playbook, targets, patch, catalogue)
    canaries = _canaries(playbook.strategy.canary, fits)
    covered = {fit.group for fit in fits if fit.candidate.host_id in canaries}
    uncovered = [fit for fit in fits if fit.group not in covered]
    left_out += [_left_out(fit, LeftOutReason.NO_CANARY, fit.payload.kernel) for fit in uncovered]
    fits = [fit for fit in fits if fit.group in covered]
    waves = _waves(playbook, fits, canaries)
    budget, held = rounded_down(playbook.budget.total, len(fits)), held_slots(left_out)
    return Plan(
        playbook=playbook,
        patch_id=patch.id if patch is not None else None,
        planned_at=now,
        hosts=_hosts(fits, waves),
        waves=waves,
        left_out=tuple(sorted(left_out, key=lambda left: left.name)),
        budget_total=budget,
        budget_held=held.count,
        settings=tuple(SpelledOut(**setting._asdict()) for setting in settings(playbook)),
        warnings=(*_warnings(fits, left_out, held), *_budget_warnings(held, budget)),
    )


def _agree(playbook: Playbook, patch: Patch | None) -> None:
    if playbook.apply.patch != (patch.id if patch is not None else None):
        planned = patch.id if patch is not None else "what the hosts' tools offer"
        raise PlaybookInvalid(f"names {playbook.apply.patch}, not {planned}", field="apply.patch")


def _left_out(fit: Fit, reason: LeftOutReason, detail: str) -> LeftOut:
    return LeftOut(host_id=fit.candidate.host_id, name=fit.candidate.name, reason=reason, detail=detail)


def _canaries(way: Canary, fits: Sequence[Fit]) -> frozenset[str]:
    """The host ids of the first wave: by name, every build in turn."""
    if way.labels is not None:
        return frozenset(fit.candidate.host_id for fit in fits if has_labels(fit.candidate.labels, way.labels))
    groups: dict[str, list[str]] = defaultdict(list)
    for fit in fits:
        groups[fit.group].append(fit.candidate.host_id)
    if way.per_kernel is not None:
        return frozenset(chain.from_iterable(ids[: way.per_kernel] for ids in groups.values()))
    size = way.count if way.count is not None else rounded_up(way.percent or 0, len(fits))
    in_turn = chain.from_iterable(zip_longest(*groups.values()))
    return frozenset([host_id for host_id in in_turn if host_id is not None][:size])


def _waves(playbook: Playbook, fits: Sequence[Fit], canaries: frozenset[str]) -> tuple[PlannedWave, ...]:
    """Canaries first, then cumulative slices of the rest by name. A slice that the earlier ones filled is left out."""
    rest = [fit.candidate.host_id for fit in fits if fit.candidate.host_id not in canaries]
    slices = [tuple(fit.candidate.host_id for fit in fits if fit.candidate.host_id in canaries)]
    done = 0
    for amount in playbook.strategy.waves:
        upto = max(done, rounded_up(amount, len(fits)) - len(canaries))
        slices.append(tuple(rest[done:upto]))
        done = upto
    return tuple(
        PlannedWave(
            index=index,
            is_canary=index == 0,
            host_ids=host_ids,
            budget=0 if index == 0 else rounded_down(playbook.budget.per_wave, len(host_ids)),
        )
        for index, host_ids in enumerate(filter(None, slices))
    )


def _hosts(fits: Sequence[Fit], waves: Sequence[PlannedWave]) -> tuple[PlannedHost, ...]:
    wave_of = {host_id: wave for wave in waves for host_id in wave.host_ids}
    hosts = (
        PlannedHost(
            host_id=fit.candidate.host_id,
            name=fit.candidate.name,
            site=fit.candidate.site,
            customer=fit.candidate.customer,
            wave=wave_of[fit.candidate.host_id].index,
            is_canary=wave_of[fit.candidate.host_id].is_canary,
            backend=fit.backend,
            build=fit.payload if isinstance(fit.payload, Build) else None,
            offer=fit.payload if isinstance(fit.payload, Offer) else None,
            level_before=_level_before(fit),
            reverts=fit.candidate.reverts,
            boot_id=fit.boot_id,
        )
        for fit in fits
    )
    return tuple(sorted(hosts, key=lambda host: (host.wave, host.name)))


def _level_before(fit: Fit) -> str | None:
    facts = fit.candidate.facts
    return level_of(facts, fit.payload) if facts is not None else None


_WARNED = (
    LeftOutReason.UNREACHABLE,
    LeftOutReason.UNKNOWN_FACTS,
    LeftOutReason.UNKNOWN_EXPOSURE,
    LeftOutReason.DUPLICATE,
    LeftOutReason.NO_BUILD,
    LeftOutReason.NO_CANARY,
    LeftOutReason.NO_TOOL,
    LeftOutReason.UNLICENSED,
    LeftOutReason.TOOL_DISABLED,
    LeftOutReason.COVERAGE_EXPIRED,
    LeftOutReason.TOOL_LOCKED,
    LeftOutReason.TOOL_CONFLICT,
    LeftOutReason.TOOL_ERROR,
    LeftOutReason.UNKNOWN_UPDATES,
    LeftOutReason.REBOOT_ONLY,
    LeftOutReason.REFUSED,
)
"""Reasons that leave a host as exposed as it was, without anybody having decided so."""


def _warnings(fits: Sequence[Fit], left_out: Sequence[LeftOut], held: HeldSlots) -> tuple[str, ...]:
    counts = {reason: sum(left.reason is reason for left in left_out) for reason in _WARNED}
    lines = [f"{count} left out as {reason}: {reason.meaning}" for reason, count in counts.items() if count]
    if not fits:
        lines.append(
            "nothing would be done: no host is known to need this patch"
            if held.count
            else "no host needs this patch: nothing would be done"
        )
    return tuple(lines)


def _budget_warnings(held: HeldSlots, budget: int) -> tuple[str, ...]:
    """What the left out take of the budget."""
    if not held.count:
        return ()
    if held.count > budget:
        return (f"a rollout would fail before anything is sent: {held.overspent(budget)}",)
    return (f"{held.described}: {budget - held.count} of the budget of {budget} are left for the rollout",)
