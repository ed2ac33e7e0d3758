"""Candidates of a rollout: each is fit for a module of the patch, or unfit for a named reason."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import Field

from orchestrator.core.catalogue import replaced_by
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.facts import Facts, PatchState, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.offering import NoOffer
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Build, Patch
from orchestrator.core.plans import LeftOut, LeftOutReason, group_of
from orchestrator.core.playbooks import ExposedTo, Playbook, Targets
from orchestrator.core.windows import Exposure

DEFAULT_TOOL = "klp"
"""What loads a module of the catalogue where nothing else is named: it needs nothing on the host."""


class Candidate(Frozen):
    """A host that the playbook's host pattern matches, and what is known of it.

    ``facts`` None: not known, and ``error_code``, ``error`` say why (the last check's error). ``is_reachable`` False:
    the last check could not reach it, whatever is remembered. ``duplicate_of``: the first name of this machine, which
    may be no target; None where this is the first. ``backend``: which one would act; ``reverts``: it could take out
    again what it brings. ``offer``: what the host's own tool offers, or why nothing; None where a patch of the
    catalogue is planned. ``refusal``: the error code with which the backend would refuse this now, None where it would
    not.
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
    duplicate_of: str | None = None
    quarantine_reason: str | None = None
    error_code: str | None = None
    error: str | None = None
    exposures: tuple[Exposure, ...] = ()
    offer: Offer | NoOffer | None = None
    reverts: bool = True
    refusal: str | None = None
    refusal_detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A candidate with what it would get."""

    candidate: Candidate
    backend: str
    payload: Payload
    boot_id: str

    @property
    def group(self) -> str:
        """What its canary speaks for."""
        return group_of(self.backend, self.payload)


_BY_REFUSAL = {
    "needs_root": LeftOutReason.NEEDS_ROOT,
    "foreign_patch": LeftOutReason.FOREIGN_PATCH,
    "livepatch_unsupported": LeftOutReason.UNSUPPORTED,
    "signature_required": LeftOutReason.SIGNATURE_REQUIRED,
    "wrong_build": LeftOutReason.NO_BUILD,
    "build_unreadable": LeftOutReason.UNKNOWN_FACTS,
    "downgrade": LeftOutReason.SUPERSEDED,
    "tool_missing": LeftOutReason.NO_TOOL,
    "tool_conflict": LeftOutReason.TOOL_CONFLICT,
}


def labelled(candidates: Iterable[Candidate], targets: Targets) -> list[Candidate]:
    """Those that carry the labels of the targets."""
    return [candidate for candidate in candidates if has_labels(candidate.labels, targets.labels)]


def has_labels(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether all the wanted labels are there."""
    return all(labels.get(name) == value for name, value in wanted.items())


def sort_out(
    playbook: Playbook, targets: Sequence[Candidate], patch: Patch | None, catalogue: Sequence[Patch]
) -> tuple[list[Fit], list[LeftOut]]:
    """Each target exactly once: with what it would get, or left out. ``patch`` None: what its own tool offers."""
    fits: list[Fit] = []
    left_out: list[LeftOut] = []
    for candidate in targets:
        result = (
            _unfit_host(candidate)
            or _unfit_exposure(candidate, playbook.targets)
            or (_fit_offer(candidate) if patch is None else _fit_module(candidate, patch, catalogue))
        )
        if isinstance(result, Fit):
            fits.append(result)
        else:
            reason, detail = result
            left_out.append(LeftOut(host_id=candidate.host_id, name=candidate.name, reason=reason, detail=detail))
    return fits, left_out


_Reason = tuple[LeftOutReason, str]


def _is_container(facts: Facts) -> bool:
    return facts.virtualization is Virtualization.CONTAINER


def _unfit_host(candidate: Candidate) -> _Reason | None:  # noqa: PLR0911 - one per named reason
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
    if candidate.duplicate_of is not None:
        return LeftOutReason.DUPLICATE, f"of {candidate.duplicate_of}"
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


def _fit_offer(candidate: Candidate) -> Fit | _Reason:
    """What its own tool offers, or why there is nothing for it."""
    facts, offer = candidate.facts, candidate.offer
    if facts is None or facts.kernel is None or facts.boot_id is None or offer is None:
        return LeftOutReason.UNKNOWN_FACTS, "the kernel or the boot id could not be read"
    if isinstance(offer, NoOffer):
        return offer.reason, offer.detail
    if candidate.refusal is not None:
        return _refused(candidate)
    return Fit(candidate=candidate, backend=offer.tool, payload=offer, boot_id=facts.boot_id)


def _refused(candidate: Candidate) -> _Reason:
    code = candidate.refusal or ""
    return _BY_REFUSAL.get(code, LeftOutReason.REFUSED), candidate.refusal_detail or code


def _fit_module(  # noqa: PLR0911 - one per named reason
    candidate: Candidate, patch: Patch, catalogue: Sequence[Patch]
) -> Fit | _Reason:
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
        return _refused(candidate)
    return Fit(candidate=candidate, backend=candidate.backend or DEFAULT_TOOL, payload=build, boot_id=facts.boot_id)


def _in_force(facts: Facts, build: Build) -> bool:
    live = facts.patch_with_build(build.module_build_id)
    return live is not None and live.state is PatchState.APPLIED


def _superseding(facts: Facts, patch: Patch, catalogue: Sequence[Patch]) -> Patch | None:
    """The patch in force that replaces this one: it names it, or it replaces all and fixes all that this one fixes."""
    in_force = (other for other in catalogue if any(_in_force(facts, build) for build in other.builds))
    return next((other for other in in_force if _replaces(other, patch)), None)


def _replaces(other: Patch, patch: Patch) -> bool:
    if other.id == patch.id:
        return False
    if isinstance(other.replaces, tuple):
        return patch.id in other.replaces
    kept, wanted = {fix.cve for fix in other.fixes}, {fix.cve for fix in patch.fixes}
    return other.replaces == "all" and (kept > wanted or (kept == wanted and not _rebuilds(patch, other)))


def _rebuilds(patch: Patch, other: Patch) -> bool:
    """Whether this one was made to take the other's place, fixing the same: no downgrade."""
    return patch.added_at > other.added_at and bool(replaced_by(patch, [other]))
