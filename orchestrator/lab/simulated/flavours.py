"""Which systems a simulated fleet has, and which live-patch tools hosts of each have."""

from dataclasses import dataclass

from orchestrator.lab.simulated import kernels
from orchestrator.lab.simulated.kernels import SimulatedKernel

ToolSet = tuple[str, ...]
"""Live-patch tools of one host, beside the kernel's own."""


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """A system: the kernels and the sets of tools that its hosts have in turn."""

    kernels: tuple[SimulatedKernel, ...]
    tool_sets: tuple[ToolSet, ...]

    @property
    def key(self) -> str:
        """How a script names it: ``rocky-9``."""
        return self.kernels[0].system.key

    def variant(self, number: int) -> tuple[SimulatedKernel, ToolSet]:
        """The kernel and the tools of its host of that number."""
        return self.kernels[number % len(self.kernels)], self.tool_sets[number % len(self.tool_sets)]


def _flavour(*of: SimulatedKernel, tools: tuple[ToolSet, ...]) -> Flavour:
    return Flavour(kernels=of, tool_sets=tools)


NONE: ToolSet = ()
_DEBIAN = (NONE, ("kpatch",), ("libcare",), ("kernelcare",))
_UBUNTU = (("canonical",), ("canonical", "libcare"), ("ksplice",), ("kernelcare",))
_REBUILT = (("dnf",), ("kernelcare",), ("dnf",), ("kernelcare", "libcare"))
_SUSE = (("suse",), ("suse", "libpulp"))

MIXED = (
    _flavour(kernels.BOOKWORM, kernels.BOOKWORM, kernels.OLDER_BOOKWORM, tools=_DEBIAN),
    _flavour(kernels.JAMMY, tools=_UBUNTU),
    _flavour(kernels.RHEL_9, tools=(("dnf",),)),
    _flavour(kernels.SLES_15_SP6, tools=_SUSE),
    _flavour(kernels.ORACLE_9, tools=(("ksplice",),)),
    _flavour(kernels.AMAZON_2023, tools=(("dnf",),)),
    _flavour(kernels.ROCKY_9, tools=(("kernelcare",), *_REBUILT)),
    _flavour(kernels.TRIXIE, tools=(("kpatch",), *_DEBIAN)),
    _flavour(kernels.NOBLE, tools=_UBUNTU),
    _flavour(kernels.ALPINE, tools=(NONE,)),
    _flavour(kernels.ALMA_9, tools=_REBUILT),
    _flavour(kernels.SLES_15_SP3, tools=_SUSE),
    _flavour(kernels.AMAZON_2, tools=(("dnf",),)),
    _flavour(kernels.FOCAL, tools=_UBUNTU),
    _flavour(kernels.RHEL_8, tools=(("dnf",),)),
    _flavour(kernels.ORACLE_8, tools=(("ksplice",),)),
    _flavour(kernels.ROCKY_8, tools=_REBUILT),
    _flavour(kernels.ALMA_8, tools=(("kernelcare", "libcare"), *_REBUILT)),
)
"""All systems; few hosts have one of each before the first has two."""

DEMO = tuple(
    _flavour(kernel, tools=(NONE,))
    for kernel in (kernels.BOOKWORM, kernels.TRIXIE, kernels.BOOKWORM, kernels.TRIXIE, kernels.OLDER_BOOKWORM)
)
"""Three kernel builds with the kernel's own live patching."""

BY_KEY = {flavour.key: flavour for flavour in MIXED}
