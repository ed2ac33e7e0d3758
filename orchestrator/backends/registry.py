"""The backends by name, and what they read together."""

from collections.abc import Mapping

from orchestrator.backends.base import Backend, Seen
from orchestrator.backends.canonical import Canonical
from orchestrator.backends.dnf import Dnf
from orchestrator.backends.kernelcare import KernelCare
from orchestrator.backends.klp import Klp
from orchestrator.backends.kpatch import Kpatch
from orchestrator.backends.ksplice import Ksplice
from orchestrator.backends.libcare import LibCare
from orchestrator.backends.libpulp import Libpulp
from orchestrator.backends.suse import Suse
from orchestrator.backends.userspace import Userspace
from orchestrator.core.facts import Facts, Tool, ToolState
from orchestrator.core.model import Moment
from orchestrator.core.tools import ToolReport, settle_tools, with_deep
from orchestrator.errors import NotFound
from orchestrator.probe.answer import Answer
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

BACKENDS: Mapping[str, Backend] = {
    backend.name: backend
    for backend in (
        Dnf(),
        Canonical(),
        Suse(),
        KernelCare(),
        Ksplice(),
        LibCare(),
        Libpulp(),
        Userspace(),
        Kpatch(),
        Klp(),
    )
}
"""In the order in which they may claim a live patch: who installs patches before who merely loads them."""


def backend(name: str) -> Backend:
    """The backend of that name. Raises `NotFound` naming those there are."""
    try:
        return BACKENDS[name]
    except KeyError:
        raise NotFound(f"no live-patch tool is called {name!r}; there are: {', '.join(sorted(BACKENDS))}") from None


def probe_parts(*, deep: bool) -> tuple[ProbePart, ...]:
    """The sections that all backends want in a check."""
    parts = [part for one in BACKENDS.values() for part in one.parts]
    return (*parts, *(part for one in BACKENDS.values() for part in one.deep_parts if deep))


def with_tools(facts: Facts, answer: Answer, *, at: Moment, deep: bool, before: Facts | None = None) -> Facts:
    """The facts with what every backend read from the same answer. ``deep``: the deep parts were asked for; else what
    the last deep check found, which ``before`` has, stands."""
    seen = Seen(sections=answer.sections, facts=facts, root_lacks=facts.unknown.get("root"), at=at)
    settled = settle_tools(facts, [_report(one, seen, deep=deep) for one in BACKENDS.values()])
    return with_deep(before, settled, at=at, is_deep=deep)


def _report(one: Backend, seen: Seen, *, deep: bool) -> ToolReport:
    """A reader that fails makes its tool one that cannot be understood: an answer that nobody thought of must not end
    the check of every other host."""
    try:
        report = one.read(seen)
        found = one.read_deep(seen) if deep else None
    except Exception as exc:
        detail = f"its answer could not be read: {type(exc).__name__}: {clean(str(exc))}"
        return ToolReport(tool=Tool(name=one.name, state=ToolState.ERROR, detail=detail))
    return report.model_copy(update={"tool": report.tool.model_copy(update={"deep": found})}) if deep else report
