"""The backend ``suse``: SUSE's kernel live patches, as packages, by ``klp`` and ``zypper``; SLES 15 and later.

The packages' modules are the kernel's own live patches: sysfs says which of them are in force, klp what they fix.
"""

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.suse.answers import (
    LoadedPatch,
    NeededPatch,
    Registration,
    is_module_of_suse,
    is_newer,
    is_of_suse,
    is_seed,
    package_of,
    parse_installed,
    parse_lifecycle,
    parse_needed,
    parse_offered,
    parse_patches,
    parse_registration,
    says_nothing_found,
)
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, Facts, PatchState, Tool, ToolState, Update, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "suse"

_LONGEST_DETAIL = 300
_WHEN = "has_tool klp"

_SKIPPED = 106
"""zypper: repositories could not be refreshed and were skipped."""

_FINE = frozenset({0, 100, 101, 102, 103, _SKIPPED})
"""zypper's exit codes that are no failure (zypper(8)): patches or security patches needed, reboot or restart needed."""

_NOT_FOUND = 104
_NO_REPOSITORIES = 6


def _part(name: str, *, needs: str = _WHEN, needs_root: bool = False, uses_name: bool = False) -> ProbePart:
    names = ("suse_name_package", name) if uses_name else (name,)
    script = "\n".join(probe_function("suse/probe", one) for one in names)
    return ProbePart(name=name, script=script, when=needs, needs_root=needs_root)


_ZYPPER = "has_tool klp && has_tool zypper"


class Suse(VendorTool):
    """One package for each kernel; each version of it has all fixes of those before."""

    name = NAME
    actions = "suse/actions"
    capabilities = Capabilities(
        applies=True,
        reverts=True,
        persists=False,
        pins=False,
        needs_module=False,
        tells_updates=True,
        tells_cves=True,
        tells_coverage=True,
    )
    parts: tuple[ProbePart, ...] = (_part("suse_klp"), _part("suse_package", uses_name=True))
    deep_parts: tuple[ProbePart, ...] = (
        _part("suse_needed", needs=_ZYPPER, needs_root=True),
        _part("suse_offered", needs=_ZYPPER, needs_root=True, uses_name=True),
        _part("suse_registration", needs="has_tool klp && has_tool SUSEConnect", needs_root=True),
        _part("suse_lifecycle", uses_name=True),
    )

    def read(self, seen: Seen) -> ToolReport:
        """What klp lists, with the state that sysfs tells."""
        hindrance = _hindrance(seen)
        if hindrance is not None:
            return ToolReport(tool=Tool(name=NAME, state=hindrance[0], detail=hindrance[1]))
        section = seen.sections["suse_klp"]
        loaded = parse_patches(section.text) if section.exit_status == 0 else None
        if loaded is None:
            return ToolReport(tool=Tool(name=NAME, state=ToolState.ERROR, detail=_said("klp -v patches", section)))
        ours = tuple(patch for patch in loaded if is_of_suse(patch))
        told = tuple(map(_told, ours))
        if unlisted := _unlisted(ours, seen.facts):
            detail = f"klp does not list {unlisted}, which the kernel has"
            return ToolReport(tool=Tool(name=NAME, state=ToolState.ERROR, detail=detail), told=told)
        return ToolReport(tool=_tool(ours, seen), told=told)

    def read_deep(self, seen: Seen) -> Deep | None:
        """What the repositories offer for the running kernel, and until when live patches are made for it."""
        needed, offered = seen.sections.get("suse_needed"), seen.sections.get("suse_offered")
        kernel = seen.facts.kernel
        if _hindrance(seen) is not None or kernel is None or (needed is not None and needed.absent):
            return None
        package = package_of(kernel.running)
        lifecycle = seen.sections.get("suse_lifecycle")
        until = parse_lifecycle(lifecycle.text, package) if lifecycle is not None else None
        if needed is None or offered is None:
            lacks = f"needs root: {seen.root_lacks}" if seen.root_lacks else "answer incomplete"
            return Deep(coverage_until=until, detail=f"what the repositories offer could not be asked ({lacks})")
        return _offers(package, needed, offered, seen).model_copy(update={"coverage_until": until})


def _hindrance(seen: Seen) -> tuple[ToolState, str | None] | None:
    section = seen.sections.get("suse_klp")
    if section is not None and section.absent:
        return ToolState.ABSENT, None
    if seen.facts.virtualization is Virtualization.CONTAINER:
        return ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on"
    if section is None:
        return ToolState.ERROR, "answer incomplete"
    if seen.facts.livepatch_supported is False:
        return ToolState.UNSUPPORTED_KERNEL, "the kernel was built without CONFIG_LIVEPATCH"
    return None


def _told(patch: LoadedPatch) -> Told:
    """The initial live patch is loaded, and nothing of it is in force."""
    state = PatchState.APPLIED if patch.is_active and not patch.is_seed else PatchState.DISABLED
    return Told(name=patch.module, version=patch.evr, state=state, cves=patch.cves)


def _unlisted(ours: tuple[LoadedPatch, ...], facts: Facts) -> str | None:
    """A patch of SUSE's that the kernel has in sysfs and klp does not tell of: then klp did not tell everything."""
    listed = {patch.module.replace("-", "_") for patch in ours}
    shown = (patch.name for patch in facts.live_patches if patch.state is not PatchState.DISABLED)
    return next((name for name in shown if is_module_of_suse(name) and name.replace("-", "_") not in listed), None)


def _in_force(ours: tuple[LoadedPatch, ...], facts: Facts) -> LoadedPatch | None:
    """The active one that the kernel has in force, too, for the running kernel's package."""
    live = {patch.name.replace("-", "_"): patch.state for patch in facts.live_patches}
    package = package_of(facts.kernel.running) if facts.kernel is not None else None
    for patch in ours:
        is_live = live.get(patch.module.replace("-", "_")) is PatchState.APPLIED
        if patch.is_active and is_live and patch.package == package:
            return patch
    return None


def _tool(ours: tuple[LoadedPatch, ...], seen: Seen) -> Tool:
    patch = _in_force(ours, seen.facts)
    level = patch.evr if patch is not None and not patch.is_seed else None
    return Tool(name=NAME, state=ToolState.READY, level=level, detail=_detail(patch, _installed(seen)))


def _installed(seen: Seen) -> str | None:
    section = seen.sections.get("suse_package")
    return parse_installed(section.text) if section is not None and section.exit_status == 0 else None


def _detail(patch: LoadedPatch | None, installed: str | None) -> str | None:
    if patch is None:
        return f"live patch {installed} is installed and not in force" if installed else "no live patch is in force"
    if installed is not None and installed != patch.evr:
        return f"live patch {patch.evr} is in force, and {installed} is installed"
    return "only the initial live patch is in force, which fixes nothing" if patch.is_seed else None


class _Asked(Frozen):
    """What zypper was asked, as far as it answered."""

    versions: list[str]
    needed: list[NeededPatch]


def _offers(package: str, needed: Section, offered: Section, seen: Seen) -> Deep:
    registration = _registration(seen)
    if _NO_REPOSITORIES in (needed.exit_status, offered.exit_status):
        return Deep(state=ToolState.UNLICENSED, detail="no repositories are set up: the host is not registered")
    if registration.is_expired:
        return Deep(state=ToolState.UNLICENSED, detail="the subscription has expired")
    asked = _asked(package, needed, offered)
    if isinstance(asked, Deep):
        return asked
    if not asked.versions:
        return _nothing_offered(package, registration, needed, seen)
    return Deep(updates=_updates(package, asked, seen), detail=_skipped(needed))


def _asked(package: str, needed: Section, offered: Section) -> _Asked | Deep:
    """Both answers; or why one of them says nothing."""
    for section, words in ((needed, "zypper list-patches"), (offered, "zypper search")):
        is_empty = section.exit_status == _NOT_FOUND and says_nothing_found(section.text)
        if section.exit_status not in _FINE and not is_empty:
            return Deep(detail=_said(words, section))
    versions, patches = parse_offered(offered.text, package), parse_needed(needed.text)
    if versions is None:
        return Deep(state=ToolState.ERROR, detail=_said("zypper search", offered))
    if patches is None:
        return Deep(state=ToolState.ERROR, detail=_said("zypper list-patches", needed))
    return _Asked(versions=versions, needed=patches)


def _nothing_offered(package: str, registration: Registration, needed: Section, seen: Seen) -> Deep:
    if needed.exit_status == _SKIPPED:
        return Deep(detail=_skipped(needed))
    if registration.lacks_module:
        return Deep(state=ToolState.UNLICENSED, detail="the module sle-module-live-patching is not registered")
    if _installed(seen) is None:
        return Deep(state=ToolState.UNSUPPORTED_KERNEL, detail=f"no repository has {package}")
    return Deep(updates=())


def _updates(package: str, asked: _Asked, seen: Seen) -> tuple[Update, ...]:
    """Versions newer than the one in force, oldest first; the newest of them brings all that is needed. New kernels,
    which need a reboot, by themselves."""
    loaded = parse_patches(seen.sections["suse_klp"].text) or ()
    now = _in_force(loaded, seen.facts)
    newer = [
        evr for evr in asked.versions if not is_seed(evr) and (now is None or now.evr is None or is_newer(evr, now.evr))
    ]
    live = sorted({cve for patch in asked.needed if not patch.needs_reboot for cve in patch.cves})
    kernels = (patch for patch in asked.needed if patch.needs_reboot)
    return (
        *(Update(name=package, version=evr) for evr in newer[:-1]),
        *(Update(name=package, version=evr, cves=tuple(live)) for evr in newer[-1:]),
        *(Update(name=patch.name, cves=patch.cves, needs_reboot=True) for patch in kernels),
    )


def _registration(seen: Seen) -> Registration:
    section = seen.sections.get("suse_registration")
    return parse_registration(section.text) if section is not None else Registration()


def _skipped(section: Section) -> str | None:
    return "zypper skipped repositories that it could not refresh" if section.exit_status == _SKIPPED else None


def _said(program: str, section: Section) -> str:
    if section.exit_status is None:
        return f"the answer of {program} is too large"
    words = clean(section.stderr, _LONGEST_DETAIL) or clean(section.text, _LONGEST_DETAIL) or "it said nothing"
    return clean(f"{program}: exit status {section.exit_status}: {words}", _LONGEST_DETAIL)
