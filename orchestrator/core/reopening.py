"""Which exposure windows reopen when a patch is taken out: `plan` and `rollback` print them."""

from collections.abc import Mapping, Sequence

from orchestrator.core.patches import Patch


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
