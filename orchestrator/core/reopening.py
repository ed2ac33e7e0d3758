"""Which exposure windows reopen when a patch is taken out: `plan` and `rollback` print them."""

from collections.abc import Mapping, Sequence

from orchestrator.core.facts import Facts, PatchState
from orchestrator.core.patches import Patch


def in_force(facts: Facts, catalogue: Sequence[Patch]) -> tuple[Patch, ...]:
    """The catalogue's patches that are applied on the host, recognised by their modules' build ids."""
    applied = {live.build_id for live in facts.live_patches if live.state is PatchState.APPLIED and live.build_id}
    return tuple(patch for patch in catalogue if any(build.module_build_id in applied for build in patch.builds))


def reopening(in_force_on: Mapping[str, Sequence[Patch]], patch: Patch) -> tuple[tuple[str, str], ...]:
    """(host, CVE) that only this patch covers, sorted: hosts where it is in force, CVEs that nothing else there fixes.

    ``in_force_on``: the patches in force, by host. Whether a disabled patch comes back is not hoped for.
    """
    fixed = {fix.cve for fix in patch.fixes}
    return tuple(
        sorted(
            (host, cve)
            for host, patches in in_force_on.items()
            if any(other.id == patch.id for other in patches)
            for cve in fixed - {fix.cve for other in patches if other.id != patch.id for fix in other.fixes}
        )
    )
