"""The backend ``ksplice``: Oracle's Ksplice, by ``uptrack-*`` or by the newer command ``ksplice``.

Ksplice does not use the kernel's own live patching: its updates never show in /sys/kernel/livepatch. Each is a kernel
module ``ksplice_ID``, and that is what the tool's word is checked against.
"""

import re
from collections.abc import Iterable

from orchestrator.backends.base import Capabilities, Seen
from orchestrator.backends.ksplice.answers import (
    Installed,
    KspliceUpdate,
    level_of,
    parse_installed,
    parse_plan,
    parse_user,
)
from orchestrator.backends.ksplice.settings import Settings, pin_of, read_settings
from orchestrator.backends.pieces import probe_function
from orchestrator.backends.vendor import VendorTool
from orchestrator.core.facts import Deep, PatchState, Tool, ToolState, Update, Virtualization
from orchestrator.core.model import Frozen
from orchestrator.core.tools import Told, ToolReport
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart
from orchestrator.probe.text import clean

NAME = "ksplice"

_LONGEST_DETAIL = 300
_PROGRAMS = "has_tool uptrack-show ksplice"
_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")
_NO_LIST = "Unable to read the package list"
"""uptrack-show before the client ever had this kernel's list: nothing of it can have been installed."""

_BY_EXIT = {
    13: ToolState.UNSUPPORTED_KERNEL,
    14: ToolState.UNLICENSED,
    17: ToolState.UNLICENSED,
    19: ToolState.UNLICENSED,
    20: ToolState.UNLICENSED,
}
"""The client's own exit codes (Uptrack.py, ERROR_…): kernel not supported; key invalid, subscription expired, machine
not activated, key missing."""

_PASSING = frozenset({10, 18})
"""No network, server error: nothing against the tool. Neither is another process at work, exit code 1."""

_IS_LOCKED = re.compile(r"another Uptrack process is currently running")
_IS_DISABLED = re.compile(r"disabled by system administrator")


def _part(name: str, *, needs_root: bool = True, when: str = _PROGRAMS) -> ProbePart:
    return ProbePart(name=name, script=probe_function("ksplice/probe", name), when=when, needs_root=needs_root)


class Ksplice(VendorTool):
    """Updates of the running kernel, all of them or none."""

    name = NAME
    actions = "ksplice/actions"
    capabilities = Capabilities(
        applies=True,
        reverts=True,
        persists=False,
        pins=True,
        needs_module=False,
        tells_updates=True,
        tells_cves=True,
    )
    parts: tuple[ProbePart, ...] = (
        _part("ksplice_uname", needs_root=False),
        _part("ksplice_kernel"),
        _part("ksplice_settings"),
        _part("ksplice_user", when="has_tool ksplice"),
    )
    deep_parts: tuple[ProbePart, ...] = (_part("ksplice_plan"),)

    def read(self, seen: Seen) -> ToolReport:
        """What is in force is what the tool lists and the kernel has a module for."""
        state, detail = _nowhere(seen)
        if state is not None:
            return ToolReport(tool=Tool(name=NAME, state=state, detail=detail))
        settings = read_settings(seen.sections.get("ksplice_settings"))
        shown = _shown(seen, settings)
        if settings.disabled and shown.state is ToolState.READY:
            shown = shown.model_copy(update={"state": ToolState.DISABLED, "detail": "/etc/uptrack/disable is there"})
        return _report(seen, shown, settings)

    def read_deep(self, seen: Seen) -> Deep | None:
        """What an upgrade would install, each update on its own; they come together or not at all."""
        section = seen.sections.get("ksplice_plan")
        if section is None or section.absent or _nowhere(seen)[0] is not None:
            return None
        if section.exit_status is None:
            return Deep(state=ToolState.ERROR, detail="the answer of uptrack-upgrade -n is too large")
        if section.exit_status != 0:
            return _failed_plan(section)
        plan = parse_plan(section.text)
        if plan is None:
            return Deep(state=ToolState.ERROR, detail=_said(section))
        return Deep(updates=tuple(Update(name=update.id, cves=update.cves) for update in plan.installs))


class _Shown(Frozen):
    """What the tool says of its updates."""

    state: ToolState = ToolState.READY
    detail: str | None = None
    updates: tuple[KspliceUpdate, ...] = ()
    effective: str | None = None


def _nowhere(seen: Seen) -> tuple[ToolState | None, str | None]:
    uname = seen.sections.get("ksplice_uname")
    if uname is not None and uname.absent:
        return ToolState.ABSENT, None
    if seen.facts.virtualization is Virtualization.CONTAINER:
        return ToolState.CONTAINER, "the kernel belongs to the machine that this container runs on"
    if uname is None:
        return ToolState.ERROR, "answer incomplete"
    return None, None


def _shown(seen: Seen, settings: Settings) -> _Shown:
    section = seen.sections.get("ksplice_kernel")
    if section is None:
        lacks = seen.root_lacks
        return _Shown(state=ToolState.ERROR, detail=f"needs root: {lacks}" if lacks else "answer incomplete")
    if section.exit_status is None:
        return _Shown(state=ToolState.ERROR, detail="the answer of uptrack-show is too large")
    if section.exit_status != 0:
        return _failed(section, settings)
    installed = parse_installed(section.text)
    if installed is None or not _is_finished(installed, settings):
        return _Shown(state=ToolState.ERROR, detail=_said(section))
    return _Shown(updates=installed.updates, effective=installed.effective)


def _is_finished(installed: Installed, settings: Settings) -> bool:
    """The client closes its list with the effective kernel, where it knows that; else the kernel's modules tell."""
    return installed.effective is not None or frozenset(update.id for update in installed.updates) == settings.loaded


def _failed(section: Section, settings: Settings) -> _Shown:
    if section.exit_status == 1 and settings.loaded == frozenset() and _NO_LIST in section.text:
        return _Shown()
    return _Shown(state=_BY_EXIT.get(section.exit_status or 0, ToolState.ERROR), detail=_said(section))


def _failed_plan(section: Section) -> Deep:
    code = section.exit_status or 0
    if code in _PASSING or _IS_LOCKED.search(" ".join(section.text.split())):
        return Deep(detail=_said(section))
    if _IS_DISABLED.search(section.text):
        return Deep(state=ToolState.DISABLED, detail=_said(section))
    return Deep(state=_BY_EXIT.get(code, ToolState.ERROR), detail=_said(section))


def _said(section: Section) -> str:
    words = clean(section.text, _LONGEST_DETAIL) or clean(section.stderr, _LONGEST_DETAIL) or "it said nothing"
    return clean(f"exit status {section.exit_status}: {words}", _LONGEST_DETAIL)


def _report(seen: Seen, shown: _Shown, settings: Settings) -> ToolReport:
    level = level_of(update.id for update in shown.updates)
    tool = Tool(
        name=NAME,
        state=shown.state,
        detail=shown.detail,
        level=level,
        effective_kernel=_effective(seen.sections["ksplice_uname"], shown),
        pin=pin_of(settings),
        disagrees=_unconfirmed(shown.updates, settings),
    )
    user = seen.sections.get("ksplice_user")
    return ToolReport(
        tool=tool,
        told=(_told(level, shown.updates, settings),) if level else (),
        is_in_use=bool(settings.loaded) or (settings.is_automatic and shown.state is ToolState.READY),
        userspace_patches=parse_user(user.text) if user is not None and user.exit_status == 0 else (),
    )


def _told(level: str, updates: Iterable[KspliceUpdate], settings: Settings) -> Told:
    """One for all: some kernels have hundreds of updates, and they come and go together."""
    confirmed = [update for update in updates if update.id in (settings.loaded or ())]
    return Told(
        name=NAME,
        version=level,
        state=PatchState.APPLIED if confirmed else PatchState.FAILED,
        cves=tuple(sorted({cve for update in confirmed for cve in update.cves})),
        in_sysfs=False,
    )


def _unconfirmed(updates: Iterable[KspliceUpdate], settings: Settings) -> tuple[str, ...]:
    if settings.loaded is None:
        return ()
    missing = sorted({update.id for update in updates} - settings.loaded)
    if not missing:
        return ()
    named = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
    return (f"says that {len(missing)} updates are installed whose modules the kernel does not have: {named}",)


def _effective(uname: Section, shown: _Shown) -> str | None:
    """The one with the architecture, as ``uname -r`` has it, goes first."""
    word = uname.text.strip()
    if uname.exit_status == 0 and uname.body.endswith(b"\n") and _RELEASE.fullmatch(word):
        return word
    return shown.effective
