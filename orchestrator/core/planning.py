"""Making a plan: candidates × patch → waves, and everybody who is left out by name and reason."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, zip_longest

from pydantic import Field

from orchestrator.core.amounts import rounded_down, rounded_up
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.facts import Facts, PatchState, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.patches import Build, Patch
from orchestrator.core.plans import LeftOut, LeftOutReason, Plan, PlannedHost, PlannedWave, SpelledOut, group_of
from orchestrator.core.playbooks import Canary, ExposedTo, Playbook, Targets, settings
from orchestrator.core.windows import Exposure
from orchestrator.errors import PlaybookInvalid


class Candidate(Frozen):
    """A host that the playbook's host pattern matches, and what is known of it.

    ``facts`` None: not known, and ``error_code``, ``error`` say why (the last check's error). ``is_reachable`` False:
    the last check could not reach it, whatever is remembered. ``refusal``: the error code with which its backend
    would refuse this patch now, None where it would not.
    """

    host_id: str
    name: str
    site: str | None = None
    customer: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    backend: str | None = None
    facts: Facts | None = None
    is_reachable: bool = True
    is_retired: bool = False
    quarantine_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    exposures: tuple[Exposure, ...] = ()
    refusal: str | None = None
    refusal_detail: str = ""


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """A candidate with the module it would get."""

    candidate: Candidate
    backend: str
    build: Build
    boot_id: str

    @property
    def group(self) -> str:
        return group_of(self.backend, self.build)


_BY_REFUSAL = {
    "needs_root": LeftOutReason.NEEDS_ROOT,
    "foreign_patch": LeftOutReason.FOREIGN_PATCH,
    "livepatch_unsupported": LeftOutReason.UNSUPPORTED,
    "signature_required": LeftOutReason.SIGNATURE_REQUIRED,
    "wrong_build": LeftOutReason.NO_BUILD,
    "build_unreadable": LeftOutReason.UNKNOWN_FACTS,
}


def plan(
    playbook: Playbook,
    candidates: Sequence[Candidate],
    patch: Patch,
    *,
    now: datetime,
    catalogue: Sequence[Patch] = (),
) -> Plan:
    """Plan a rollout of `patch` to those of the candidates that need it.

    ``catalogue`` is every patch we know: it tells which one in force replaces this one. Raises `PlaybookInvalid` when
    the playbook names no patch, or another one.
    """
    _agree(playbook, patch)
    targets = sorted(_labelled(candidates, playbook.targets), key=lambda candidate: (candidate.name, candidate.host_id))
    fits, left_out = _sort_out(playbook, targets, patch, catalogue)
    canaries = _canaries(playbook.strategy.canary, fits)
    covered = {fit.group for fit in fits if fit.candidate.host_id in canaries}
    left_out += [_left_out(fit, LeftOutReason.NO_CANARY, fit.build.kernel) for fit in fits if fit.group not in covered]
    fits = [fit for fit in fits if fit.group in covered]
    waves = _waves(playbook, fits, canaries)
    return Plan(
        playbook=playbook,
        patch_id=patch.id,
        planned_at=now,
        hosts=_hosts(fits, waves),
        waves=waves,
        left_out=tuple(sorted(left_out, key=lambda left: left.name)),
        budget_total=rounded_down(playbook.budget.total, len(fits)),
        settings=tuple(SpelledOut(**setting._asdict()) for setting in settings(playbook)),
        warnings=_warnings(fits, left_out),
    )


def _agree(playbook: Playbook, patch: Patch) -> None:
    if playbook.apply.patch is None:
        raise PlaybookInvalid("klp offers no patch by itself: name one, or give --patch ID", field="apply.patch")
    if playbook.apply.patch != patch.id:
        raise PlaybookInvalid(f"names {playbook.apply.patch}, not {patch.id}", field="apply.patch")


def _labelled(candidates: Iterable[Candidate], targets: Targets) -> list[Candidate]:
    return [candidate for candidate in candidates if _has(candidate.labels, targets.labels)]


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _sort_out(
    playbook: Playbook, targets: Sequence[Candidate], patch: Patch, catalogue: Sequence[Patch]
) -> tuple[list[_Fit], list[LeftOut]]:
    """Each target exactly once: with its module, or left out."""
    twins = _twins(targets)
    fits: list[_Fit] = []
    left_out: list[LeftOut] = []
    for candidate in targets:
        result = (
            _unfit_host(candidate, twins)
            or _unfit_exposure(candidate, playbook.targets)
            or _fit(candidate, playbook, patch, catalogue)
        )
        if isinstance(result, _Fit):
            fits.append(result)
        else:
            reason, detail = result
            left_out.append(LeftOut(host_id=candidate.host_id, name=candidate.name, reason=reason, detail=detail))
    return fits, left_out


_Reason = tuple[LeftOutReason, str]


def _twins(targets: Sequence[Candidate]) -> dict[str, str]:
    """Host id to the name of the other host that has the same boot id and comes first. Containers and retired
    names are no twins."""
    first: dict[str, str] = {}
    twins: dict[str, str] = {}
    for candidate in targets:
        if candidate.facts is None or candidate.is_retired or _is_container(candidate.facts):
            continue
        boot_id = candidate.facts.boot_id
        if boot_id and first.setdefault(boot_id, candidate.name) != candidate.name:
            twins[candidate.host_id] = first[boot_id]
    return twins


def _is_container(facts: Facts) -> bool:
    return facts.virtualization is Virtualization.CONTAINER


def _unfit_host(candidate: Candidate, twins: Mapping[str, str]) -> _Reason | None:  # noqa: PLR0911 - one per named reason
    """Why no patch at all could be applied to it."""
    if candidate.is_retired:
        return LeftOutReason.RETIRED, ""
    if candidate.quarantine_reason is not None:
        return LeftOutReason.QUARANTINED, candidate.quarantine_reason
    if not candidate.is_reachable:
        return LeftOutReason.UNREACHABLE, candidate.error or candidate.error_code or ""
    if candidate.facts is None:
        return LeftOutReason.UNKNOWN_FACTS, candidate.error or candidate.error_code or "never checked"
    if _is_container(candidate.facts):
        return LeftOutReason.CONTAINER, ""
    if candidate.host_id in twins:
        return LeftOutReason.DUPLICATE, f"of {twins[candidate.host_id]}"
    return None


def _unfit_exposure(candidate: Candidate, targets: Targets) -> _Reason | None:
    """Why it is not among the exposed that the playbook asks for."""
    wanted = targets.exposed_to
    if wanted is None:
        return None
    asked = [exposure for exposure in candidate.exposures if _is_asked(exposure, wanted)]
    if any(exposure.state is ExposureState.EXPOSED for exposure in asked):
        return None
    unknown = [exposure.cve for exposure in asked if exposure.state is ExposureState.UNKNOWN]
    if unknown:
        return LeftOutReason.UNKNOWN_EXPOSURE, ", ".join(unknown)
    return LeftOutReason.NOT_EXPOSED, ""


def _is_asked(exposure: Exposure, wanted: ExposedTo | tuple[str, ...]) -> bool:
    return exposure.severity in wanted.severity if isinstance(wanted, ExposedTo) else exposure.cve in wanted


def _fit(  # noqa: PLR0911 - one per named reason
    candidate: Candidate, playbook: Playbook, patch: Patch, catalogue: Sequence[Patch]
) -> _Fit | _Reason:
    """The module for this host's kernel, or why there is none for it."""
    facts = candidate.facts
    if facts is None or facts.kernel is None or facts.kernel.build_id is None or facts.boot_id is None:
        return LeftOutReason.UNKNOWN_FACTS, "the kernel, its build id or the boot id could not be read"
    if "live_patches" in facts.unknown:
        return LeftOutReason.UNKNOWN_FACTS, f"live patches: {facts.unknown['live_patches']}"
    build = patch.build_for(facts.kernel.running, facts.kernel.build_id)
    if build is None:
        return LeftOutReason.NO_BUILD, facts.kernel.running
    if _in_force(facts, build):
        return LeftOutReason.ALREADY_PATCHED, ""
    if (newer := _superseding(facts, patch, catalogue)) is not None:
        return LeftOutReason.SUPERSEDED, newer.id
    if candidate.refusal is not None:
        return _BY_REFUSAL.get(candidate.refusal, LeftOutReason.REFUSED), candidate.refusal_detail or candidate.refusal
    backend = (candidate.backend or "klp") if playbook.apply.tool == "auto" else playbook.apply.tool
    return _Fit(candidate=candidate, backend=backend, build=build, boot_id=facts.boot_id)


def _in_force(facts: Facts, build: Build) -> bool:
    live = facts.patch_with_build(build.module_build_id)
    return live is not None and live.state is PatchState.APPLIED


def _superseding(facts: Facts, patch: Patch, catalogue: Sequence[Patch]) -> Patch | None:
    """The patch in force that names this one among those it replaces."""
    return next(
        (
            other
            for other in catalogue
            if isinstance(other.replaces, tuple) and patch.id in other.replaces
            if any(_in_force(facts, build) for build in other.builds)
        ),
        None,
    )


def _left_out(fit: _Fit, reason: LeftOutReason, detail: str) -> LeftOut:
    return LeftOut(host_id=fit.candidate.host_id, name=fit.candidate.name, reason=reason, detail=detail)


def _canaries(way: Canary, fits: Sequence[_Fit]) -> frozenset[str]:
    """The host ids of the first wave: by name, every build in turn."""
    if way.labels is not None:
        return frozenset(fit.candidate.host_id for fit in fits if _has(fit.candidate.labels, way.labels))
    groups: dict[str, list[str]] = defaultdict(list)
    for fit in fits:
        groups[fit.group].append(fit.candidate.host_id)
    if way.per_kernel is not None:
        return frozenset(chain.from_iterable(ids[: way.per_kernel] for ids in groups.values()))
    size = way.count if way.count is not None else rounded_up(way.percent or 0, len(fits))
    in_turn = chain.from_iterable(zip_longest(*groups.values()))
    return frozenset([host_id for host_id in in_turn if host_id is not None][:size])


def _waves(playbook: Playbook, fits: Sequence[_Fit], canaries: frozenset[str]) -> tuple[PlannedWave, ...]:
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


def _hosts(fits: Sequence[_Fit], waves: Sequence[PlannedWave]) -> tuple[PlannedHost, ...]:
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
            build=fit.build,
            boot_id=fit.boot_id,
        )
        for fit in fits
    )
    return tuple(sorted(hosts, key=lambda host: (host.wave, host.name)))


_WARNED = (
    LeftOutReason.UNREACHABLE,
    LeftOutReason.UNKNOWN_FACTS,
    LeftOutReason.UNKNOWN_EXPOSURE,
    LeftOutReason.DUPLICATE,
    LeftOutReason.NO_BUILD,
    LeftOutReason.NO_CANARY,
)
"""Reasons that leave a host as exposed as it was, without anybody having decided so."""


def _warnings(fits: Sequence[_Fit], left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    counts = {reason: sum(left.reason is reason for left in left_out) for reason in _WARNED}
    lines = [f"{count} left out as {reason}: {reason.meaning}" for reason, count in counts.items() if count]
    return (*lines, *(() if fits else ("no host needs this patch: nothing would be done",)))
