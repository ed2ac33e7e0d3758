"""The backend ``dnf``: live-patch packages from repositories, of Red Hat, its kin, and Amazon.

RHEL, AlmaLinux, Rocky Linux and Oracle Linux with Red Hat's kernel: ``kpatch-patch-KERNEL``; Amazon Linux:
``kernel-livepatch-KERNEL``. rpm knows what is installed, sysfs alone what is in force.
"""

from collections.abc import Mapping

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.dnf.offers import read_offers
from orchestrator.backends.dnf.packages import (
    InstalledPatch,
    Wanted,
    cves_of_module,
    is_of_the_family,
    module_of,
    newest,
    read_records,
    version_of_module,
    wanted,
)
from orchestrator.backends.pieces import probe_files
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, LivePatch, PatchState, Tool, ToolState, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "dnf"
MOST_DETAIL = 300
_WHEN = "has_tool dnf dnf5 yum"


class Dnf(VendorTool):
    """Packages that bring modules; kpatch, which they need, loads them as they are installed and at every boot."""

    name = NAME
    actions = "dnf/actions"
    capabilities = Capabilities(
        applies=True,
        reverts=False,
        persists=False,
        pins=False,
        needs_module=False,
        tells_updates=True,
        tells_cves=True,
        tells_coverage=True,
    )
    parts = (ProbePart(name="dnf_installed", script=probe_files("dnf/package", "dnf/installed"), when=_WHEN),)
    deep_parts = (
        ProbePart(name="dnf_offered", script=probe_files("dnf/package", "dnf/offered"), when=_WHEN, needs_root=True),
    )

    def read(self, seen: Seen) -> ToolReport:
        """Its state, and the modules of the installed package: sysfs tells which of them are in force."""
        section, kernel = seen.sections.get("dnf_installed"), seen.facts.kernel
        if section is not None and section.absent:
            return _report(ToolState.ABSENT, "neither dnf nor yum is on this host")
        if section is None:
            return _report(ToolState.ERROR, "answer incomplete")
        if kernel is None:
            return _report(ToolState.ERROR, "which kernel runs could not be read")
        want = wanted(kernel.running)
        if want is None:
            return _report(*_without(kernel.running))
        hindrance = _hindrance(seen)
        return _report(*hindrance) if hindrance is not None else _read(section, want, seen)

    def read_deep(self, seen: Seen) -> Deep | None:
        """What the repositories offer for the running kernel, and until when they will."""
        ordinary, section = seen.sections.get("dnf_installed"), seen.sections.get("dnf_offered")
        kernel = seen.facts.kernel
        want = wanted(kernel.running) if kernel is not None else None
        if want is None or (ordinary is not None and ordinary.absent) or (section is not None and section.absent):
            return None
        if section is None:
            lacks = f"needs root: {seen.root_lacks}" if seen.root_lacks else "answer incomplete"
            return Deep(detail=f"what the repositories offer could not be asked ({lacks})")
        installed = _taken_apart(ordinary, want).installed if ordinary is not None else None
        return read_offers(section, want, is_installed=None if installed is None else bool(installed))


class _Listed(Frozen):
    """The section, taken apart. ``installed`` None: what rpm said could not be understood."""

    installed: tuple[InstalledPatch, ...] | None
    agents: tuple[str, ...]
    modules: tuple[str, ...]
    comes_back: bool
    has_repository: bool


def _report(state: ToolState, detail: str | None) -> ToolReport:
    return ToolReport(tool=Tool(name=NAME, state=state, detail=detail))


def _without(release: str) -> tuple[ToolState, str]:
    if is_of_the_family(release):
        return ToolState.UNSUPPORTED_KERNEL, f"no repository has live patches for the kernel {clean(release, 100)}"
    return ToolState.ABSENT, "there are no live-patch packages for this system's kernels"


def _hindrance(seen: Seen) -> tuple[ToolState, str] | None:
    if seen.facts.virtualization is Virtualization.CONTAINER:
        return ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on"
    if seen.facts.livepatch_supported is False:
        return ToolState.UNSUPPORTED_KERNEL, "the kernel was built without CONFIG_LIVEPATCH"
    return None


def _read(section: Section, want: Wanted, seen: Seen) -> ToolReport:
    listed = _taken_apart(section, want)
    told = _left_behind(want, seen)
    if listed.installed is None:
        report = _report(ToolState.ERROR, _not_understood(section))
        return report.model_copy(update={"told": told})
    live = {_kernels(patch.name): patch for patch in seen.facts.live_patches}
    patches = [_with_modules(patch, want, listed.modules) for patch in listed.installed]
    told = (*(one for patch in patches for one in _told(patch, want)), *told)
    tool = Tool(
        name=NAME,
        state=ToolState.READY if _is_switched_on(want, listed) else ToolState.DISABLED,
        detail=_detail(want, listed, patches),
        level=newest(patch.evr for patch in patches if _is_in_force(patch, live)),
        disagrees=tuple(line for patch in patches for line in _not_loaded(want, patch, live, seen)),
    )
    is_in_use = any(not patch.is_seed for patch in patches) or "kpatch autoupdate" in listed.agents
    return ToolReport(tool=tool, told=_once(told), is_in_use=is_in_use)


def _taken_apart(section: Section, want: Wanted) -> _Listed:
    text = section.text.replace("\r\n", "\n")
    head, found, rest = text.partition(f"rpm\t{want.package}\n")
    values: dict[str, list[str]] = {}
    for line in head.split("\n"):
        key, _, value = line.partition("\t")
        values.setdefault(key, []).append(clean(value, 100))
    return _Listed(
        installed=_installed(rest, section, want) if found else None,
        agents=tuple(sorted(set(values.get("agent", ()))))[:5],
        modules=tuple(sorted({one.removesuffix(".ko").replace("-", "_") for one in values.get("module", ())})),
        comes_back="boot" in values,
        has_repository="repository" in values,
    )


def _installed(text: str, section: Section, want: Wanted) -> tuple[InstalledPatch, ...] | None:
    """rpm exits 1 both for "not installed" and for a database that it cannot read: its words decide."""
    if section.exit_status == 1 and f"package {want.package} is not installed" in text.splitlines():
        return ()
    return (read_records(text, want) or None) if section.exit_status == 0 else None


def _not_understood(section: Section) -> str:
    if section.exit_status is None:
        return "what rpm told of the live-patch package is too large"
    said = clean(section.stderr, MOST_DETAIL) or clean(section.text[-2 * MOST_DETAIL :], MOST_DETAIL) or "nothing"
    return f"rpm (exit status {section.exit_status}) said: {said}"[:MOST_DETAIL]


def _with_modules(patch: InstalledPatch, want: Wanted, installed: tuple[str, ...]) -> InstalledPatch:
    """With what its modules are called, where the package does not own their files. Others may be installed there."""
    if patch.modules or patch.is_seed:
        return patch
    name = module_of(want, patch.evr)
    amazons = tuple(module for module in installed if module.startswith("livepatch"))
    return patch.model_copy(update={"modules": amazons if name is None else (name,)})


def _told(patch: InstalledPatch, want: Wanted) -> tuple[Told, ...]:
    """Red Hat's package has one module, with all that its changelog names; Amazon's are called after what they fix."""
    if patch.is_seed:
        return tuple(Told(name=module, version=patch.evr) for module in patch.modules)
    by_changelog = patch.cves if len(patch.modules) == 1 and not want.is_amazon else ()
    return tuple(
        Told(name=module, version=patch.evr, cves=by_changelog or cves_of_module(module)) for module in patch.modules
    )


def _left_behind(want: Wanted, seen: Seen) -> tuple[Told, ...]:
    """Modules of earlier versions of the package that are still loaded: the vendor's too, though rpm forgot them."""
    versions = ((patch.name, version_of_module(want, patch.name)) for patch in seen.facts.live_patches)
    return tuple(Told(name=name, version=version) for name, version in versions if version is not None)


def _once(told: tuple[Told, ...]) -> tuple[Told, ...]:
    """The first that tells of a module counts."""
    first: dict[str, Told] = {}
    for one in told:
        first.setdefault(_kernels(one.name), one)
    return tuple(first.values())


def _kernels(name: str) -> str:
    return name.replace("-", "_")


def _is_in_force(patch: InstalledPatch, live: Mapping[str, LivePatch]) -> bool:
    if patch.is_seed or not patch.modules:
        return False
    states = [live[name].state if name in live else None for name in patch.modules]
    return all(state is PatchState.APPLIED for state in states)


def _not_loaded(want: Wanted, patch: InstalledPatch, live: Mapping[str, LivePatch], seen: Seen) -> tuple[str, ...]:
    """What is installed and not loaded at all: a transition under way is sysfs's to tell."""
    if "live_patches" in seen.facts.unknown or patch.is_seed:
        return ()
    missing = [name for name in patch.modules if name not in live]
    if not missing:
        return ()
    return (
        f"has {want.package} {patch.evr} installed, and the kernel lists no {', '.join(missing[:5])}"[:MOST_DETAIL],
    )


def _is_switched_on(want: Wanted, listed: _Listed) -> bool:
    return not want.is_amazon or listed.has_repository or bool(listed.installed)


def _detail(want: Wanted, listed: _Listed, patches: list[InstalledPatch]) -> str | None:
    notes = []
    if not _is_switched_on(want, listed):
        notes.append("no repository of live patches is switched on")
    notes += [
        f"{want.package} {patch.evr} is installed, which fixes nothing by itself" for patch in patches if patch.is_seed
    ]
    notes += [
        f"which modules {want.package} {patch.evr} brings could not be told"
        for patch in patches
        if not patch.is_seed and not patch.modules
    ]
    if patches and not listed.comes_back:
        notes.append("kpatch.service is off: no patch comes back at the next boot")
    notes += [f"{agent} may update it by itself" for agent in listed.agents]
    return "; ".join(notes)[:MOST_DETAIL] or None
