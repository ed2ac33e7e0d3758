"""The catalogue applied: which items are in force on a host, what it held at an instant, what a replacement loses."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.core.facts import Facts, LivePatch, PatchState
from orchestrator.core.model import Frozen
from orchestrator.core.patches import Build, Cve, Patch
from orchestrator.errors import CatalogueInvalid


class InForce(Frozen):
    """An item of the catalogue that is in force on a host, by which build, seen as which live patch."""

    patch: Patch
    build: Build
    live_patch: LivePatch


def in_force(facts: Facts, patches: Sequence[Patch]) -> tuple[InForce, ...]:
    """The items in force by these facts: loaded, applied, and built for exactly the kernel that runs.

    A module is recognised by its GNU build id, never by its name. One in transition is not in force. The live patches
    of facts are those of the boot that the facts were read in: never pass facts put together from two checks.
    """
    found = (_in_force(facts, patch) for patch in patches)
    return tuple(one for one in found if one is not None)


def _in_force(facts: Facts, patch: Patch) -> InForce | None:
    build = fitting_build(facts, patch)
    if build is None:
        return None
    # Two tools may tell of the same module: it counts only where all of them say that it is applied.
    seen = [live for live in facts.live_patches if live.build_id == build.module_build_id]
    if not seen or any(live.state is not PatchState.APPLIED for live in seen):
        return None
    return InForce(patch=patch, build=build, live_patch=seen[0])


def fitting_build(facts: Facts, patch: Patch) -> Build | None:
    """The build of this item for exactly the running kernel, release and build id; None also when either is unread."""
    kernel = facts.kernel
    if kernel is None or kernel.build_id is None:
        return None
    return patch.build_for(kernel.running, kernel.build_id)


def replaced_by(new: Patch, others: Iterable[Patch]) -> tuple[Patch, ...]:
    """Those of the others whose place the new item takes, itself left out."""
    rest = tuple(other for other in others if other.id != new.id)
    if new.replaces == "all":
        return rest
    return tuple(other for other in rest if other.id in new.replaces) if new.replaces != "none" else ()


def lost_by_replacement(new: Patch, others: Iterable[Patch]) -> Mapping[str, tuple[Cve, ...]]:
    """By id of each replaced item, the CVEs it fixes that the new item does not; empty when nothing is lost."""
    kept = {fix.cve for fix in new.fixes}
    lost = {old.id: tuple(fix.cve for fix in old.fixes if fix.cve not in kept) for old in replaced_by(new, others)}
    return {patch_id: cves for patch_id, cves in lost.items() if cves}


def check_replacement(new: Patch, others: Iterable[Patch]) -> None:
    """Raise `CatalogueInvalid` when the new item replaces one of the others without fixing all that it fixes."""
    lost = lost_by_replacement(new, others)
    if lost:
        named = "; ".join(f"{patch_id} fixes {', '.join(cves)}" for patch_id, cves in lost.items())
        raise CatalogueInvalid(
            f"{new.id} replaces items without fixing what they fix: {named}. Add those fixes or do not replace them",
            field="replaces",
        )


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The catalogue over time. ``patches`` holds removed items too; ``removed_at`` says, by id, since when.

    A removed item makes nobody exposed any more, but a module of it that is still loaded is still recognised.
    """

    patches: tuple[Patch, ...]
    removed_at: Mapping[str, datetime] = field(default_factory=dict)

    def changes(self) -> tuple[datetime, ...]:
        """Every instant at which it changed, in order."""
        removals = (at for patch_id, at in self.removed_at.items() if any(p.id == patch_id for p in self.patches))
        return tuple(sorted({patch.added_at for patch in self.patches}.union(removals)))

    def listed(self, at: datetime) -> tuple[Patch, ...]:
        """The items in it at that instant."""
        return tuple(patch for patch in self.known(at) if not self._removed(patch, at))

    def known(self, at: datetime) -> tuple[Patch, ...]:
        """The items that had been added by then, removed ones included."""
        return tuple(patch for patch in self.patches if patch.added_at <= at)

    def _removed(self, patch: Patch, at: datetime) -> bool:
        removed = self.removed_at.get(patch.id)
        return removed is not None and removed <= at


def epoch(changes: Sequence[datetime], at: datetime) -> int:
    """The number of changes up to that instant: two instants of one epoch see the same catalogue."""
    return bisect_right(changes, at)
