"""The backend ``kernelcare``: KernelCare of TuxCare, by its client `kcarectl` and what its module tells in /proc/kcare.

Its patches never show in /sys/kernel/livepatch: the kernel's own word about them is that the module ``kcare`` is loaded
and, with clients since about 2020, ``/proc/kcare/effective_version``.
"""

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.kernelcare.answers import (
    InForce,
    Refusal,
    Settings,
    read_against,
    read_available,
    read_cve_list,
    read_effective,
    read_info,
    read_patch_info,
    read_settings,
    release_of,
)
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, PatchState, Pin, Tool, ToolState, Update, Virtualization
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import INCOMPLETE
from orchestrator.probe.fields import Fields, fields_of
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "kernelcare"

MODULE = "kcare"
"""Its module in the kernel, and the name of the one patch that it has in force."""

INCOMPLETE_DETAIL = "answer incomplete"

_THERE = "has_tool kcarectl"
_LOADED = f'{_THERE} && [ -d "$root/sys/module/{MODULE}" ]'


def _part(name: str, when: str = _THERE, *, needs_root: bool = True) -> ProbePart:
    script = probe_function("kernelcare/probe", name)
    return ProbePart(name=name, script=script, when=when, needs_root=needs_root)


class KernelCare(VendorTool):
    """KernelCare. It brings its patches back after a boot by itself, so that there is nothing to persist."""

    name = NAME
    capabilities = Capabilities(
        applies=True,
        reverts=True,
        persists=False,
        pins=True,
        needs_module=False,
        tells_updates=True,
        tells_cves=True,
    )
    actions = "kernelcare/actions"
    parts = (
        _part("kernelcare_kernel", needs_root=False),
        _part("kernelcare_cves", f'{_THERE} && [ -e "$root/proc/kcare/cvelist" ]', needs_root=False),
        _part("kernelcare_uname", f'{_LOADED} && [ ! -e "$root/proc/kcare/effective_version" ]', needs_root=False),
        _part("kernelcare_info"),
        _part("kernelcare_patch_info", f'{_LOADED} && [ ! -e "$root/proc/kcare/cvelist" ]'),
        _part("kernelcare_settings"),
    )
    deep_parts = (_part("kernelcare_check"), _part("kernelcare_status"), _part("kernelcare_licence"))

    def read(self, seen: Seen) -> ToolReport:
        """From ``--info``, settled against what the kernel's module tells. Without root, from the latter alone."""
        kernel = seen.sections.get("kernelcare_kernel")
        if kernel is None:
            return _report(ToolState.ERROR, INCOMPLETE_DETAIL)
        if kernel.absent:
            return _report(ToolState.ABSENT)
        if seen.facts.virtualization is Virtualization.CONTAINER:
            return _report(ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on")
        return _Reading(seen, fields_of(kernel.body)).report()

    def read_deep(self, seen: Seen) -> Deep | None:
        """Whether something newer is offered, and the licence, both as TuxCare's servers tell."""
        check, status, licence = (seen.sections.get(part.name) for part in self.deep_parts)
        if check is not None and check.absent:
            return None
        available, against = read_available(check, status), read_against(status, licence)
        updates = {True: (Update(name=NAME),), False: (), None: None}[available]
        if against is None:
            return Deep(updates=updates)
        return Deep(updates=updates, state=against.state, detail=against.detail)


class _Reading:
    """One host's sections, each read once."""

    def __init__(self, seen: Seen, kernel: Fields) -> None:
        self.seen, self.kernel = seen, kernel
        self.info = self._info()
        self.cves = self._cves()
        self.settings = self._settings()
        self.version = release_of(kernel.get("effective") or "")

    def report(self) -> ToolReport:
        """The tool's state, and the one patch that it may have in force."""
        if isinstance(self.info, Refusal):
            return self._refused(self.info)
        info, disagrees = self.info, tuple(self._disagreements(self.info))
        state = PatchState.FAILED if disagrees else PatchState.APPLIED
        told = (Told(name=MODULE, version=info.level, state=state, cves=self.cves, in_sysfs=False),)
        effective = None if disagrees else self.version or info.effective or self._uname()
        tool = Tool(
            name=NAME,
            state=ToolState.READY,
            detail=self._scanner(),
            level=info.level,
            effective_kernel=effective if info.level else None,
            pin=self._pin(),
            disagrees=disagrees,
        )
        return ToolReport(tool=tool, told=told if info.level else (), is_in_use=bool(info.level) or self._is_agent_on())

    def _refused(self, why: Refusal) -> ToolReport:
        """Nothing is known but what the kernel's module tells; that counts only where kcarectl could not be asked."""
        is_patched = self.kernel.get("module") == "yes" and self.version is not None and bool(self.cves)
        is_believed = is_patched and self._lacks_root()
        told = Told(
            name=MODULE,
            state=PatchState.APPLIED if is_believed else PatchState.FAILED,
            cves=self.cves if is_believed else (),
            in_sysfs=False,
        )
        detail = clean("; ".join(filter(None, (why.detail, self._scanner()))), 500)
        tool = Tool(
            name=NAME,
            state=why.state,
            detail=detail,
            effective_kernel=self.version if is_believed else None,
            pin=self._pin(),
        )
        return ToolReport(tool=tool, told=(told,) if is_patched else (), is_in_use=is_patched)

    def _info(self) -> InForce | Refusal:
        section = self.seen.sections.get("kernelcare_info")
        if section is not None and not section.absent:
            return read_info(section)
        if self._lacks_root():
            return Refusal(state=ToolState.ERROR, detail=f"kcarectl needs root ({self.seen.root_lacks})")
        return Refusal(state=ToolState.ERROR, detail=INCOMPLETE_DETAIL)

    def _lacks_root(self) -> bool:
        return self.seen.root_lacks not in (None, INCOMPLETE)

    def _cves(self) -> tuple[str, ...]:
        listed, info = (self.seen.sections.get(name) for name in ("kernelcare_cves", "kernelcare_patch_info"))
        if listed is not None and not listed.absent:
            return read_cve_list(listed)
        if info is None or info.absent or info.exit_status != 0:
            return ()
        return read_patch_info(info)

    def _uname(self) -> str | None:
        return read_effective(self.seen.sections.get("kernelcare_uname"))

    def _settings(self) -> Settings | None:
        section = self.seen.sections.get("kernelcare_settings")
        if section is None or section.absent:
            return None
        return read_settings(fields_of(section.body).all("setting"))

    def _is_agent_on(self) -> bool:
        return self.settings is None or self.settings.auto_update

    def _pin(self) -> Pin | None:
        settings, section = self.settings, self.seen.sections.get("kernelcare_settings")
        if settings is None or section is None or not settings.held_by:
            return None
        is_marked = fields_of(section.body).get("pinned") == "yes"
        return Pin(setting=" ".join(settings.held_by), by_us=is_marked and not settings.auto_update)

    def _scanner(self) -> str | None:
        """What the login sees is not the host's own word where KernelCare's library stands before the system's."""
        running = self.seen.facts.kernel.running if self.seen.facts.kernel is not None else None
        uname = self.kernel.get("uname")
        behind = "the login is behind KernelCare's scanner interface"
        if uname is not None and running is not None and uname != running:
            return f"{behind}: uname -r answers {clean(uname, 100)}, the running kernel is {running}"
        if self.kernel.get("preload") == "yes":
            return f"{behind}: uname, rpm and dpkg answer it with the effective kernel"
        return None

    def _disagreements(self, info: InForce) -> list[str]:
        """Where kcarectl says more than the kernel. Old modules have no /proc/kcare, and say nothing there."""
        if info.level is None:
            return []
        says, found = f"says that patch level {info.level} is applied, and", list[str]()
        running = self.seen.facts.kernel.running if self.seen.facts.kernel is not None else None
        if self.kernel.get("module") != "yes":
            found.append(f"{says} the kernel has no module {MODULE} loaded")
        elif self.version is None and (info.is_new or self.kernel.get("proc") == "yes"):
            found.append(f"{says} the kernel tells no /proc/kcare/effective_version")
        elif self.version not in (None, info.effective):
            found.append(f"{says} /proc/kcare/effective_version is {self.version}")
        if info.built_for is not None and running is not None and info.built_for != running:
            found.append(f"{says} it is for the kernel {clean(info.built_for, 100)}, where {running} runs")
        return found


def _report(state: ToolState, detail: str | None = None) -> ToolReport:
    return ToolReport(tool=Tool(name=NAME, state=state, detail=detail))
