"""What is in force of a live-patch tool, as a check says it and as the simulation has it, in terms that compare."""

from dataclasses import dataclass

from orchestrator.backends.libcare.backend import ANY_LIBRARY
from orchestrator.core.facts import Facts, LivePatch, PatchState, UserspacePatch
from orchestrator.lab.simulated.truth import Truth

LOADERS = ("klp", "kpatch")
"""Tools that load modules of the catalogue: of those the kernel alone tells."""

OF_LIBRARIES = ("libcare", "libpulp")
"""Tools that patch programs in memory and never the kernel."""


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What somebody says is in force of one tool: its level, and the names of its patches, or of patched libraries."""

    level: str | None = None
    patches: frozenset[str] = frozenset()

    def is_no_more_than(self, other: "InForce") -> bool:
        """Whether it claims nothing that the other one does not."""
        return self.level in (None, other.level) and self.patches <= other.patches


NOTHING = InForce()


def said_of(facts: Facts, name: str) -> InForce:
    """What a check says. The level of a tool that the kernel contradicts is nobody's word."""
    tool = facts.tool(name)
    if name in OF_LIBRARIES:
        targets = {one.target for one in facts.userspace_patches if _is_applied(one, name)}
        return InForce(patches=frozenset(targets - {ANY_LIBRARY}))
    return InForce(
        level=None if tool is None or tool.disagrees else tool.level,
        patches=frozenset(patch.name for patch in facts.live_patches if _is_applied(patch, name)),
    )


def _is_applied(patch: LivePatch | UserspacePatch, tool: str) -> bool:
    return (patch.tool, patch.state) == (tool, PatchState.APPLIED)


def truth_of(truth: Truth, name: str) -> InForce:
    """What is so."""
    if name in LOADERS:
        level = "+".join(sorted(truth.in_force)) or None
        return InForce(level=level if name == "kpatch" else None, patches=frozenset(truth.in_force))
    told = truth.tools.get(name)
    if told is None or not told.patches:
        return NOTHING
    return InForce(level=told.level, patches=frozenset(patch for patch, _ in told.patches))
