"""What the answers of Canonical's client mean: states, remarks, what waits to be applied, what holds the client."""

import re
from datetime import date

from orchestrator.backends.canonical.status import Status
from orchestrator.core.facts import Pin, ToolState, Update
from orchestrator.probe.answer import Section
from orchestrator.probe.text import clean

_EXPIRED = {
    "kernel-end-of-life": "Livepatch no longer covers the running kernel",
    "kernel-upgrade-required": "the coverage of the running kernel has ended: upgrade it and reboot",
}
_LOCKING = {
    "applied-with-bug": "the kernel reported a bug after the patch was inserted",
    "crashed": "the host crashed when the patch was inserted last",
}
_OFFERING = ("unapplied", "applying", "apply-failed")
_UNFINISHED = {
    "unapplied": "a patch is downloaded and not applied yet",
    "applying": "a patch is being applied",
    "apply-failed": "the patch could not be applied",
    "needs-check": "it has not asked its server yet",
}
_STALE = {
    "needs-check": "it has not asked its server since it was started",
    "check-failed": "it could not reach its server: what it knows may be old",
}
_REFUSED = (
    (ToolState.LOCKED, r"crash"),
    (
        ToolState.UNLICENSED,
        r"(token|contract|subscription).{0,60}(expired|invalid)|invalid.{0,30}token|unauthori[sz]ed|no subscription",
    ),
)
"""What the client refuses with, by its words. The words of an expired certificate are not among them."""


def kept(text: str) -> str:
    """An answer as a detail keeps it: without its tokens and ids, and without what is different at every look."""
    text = re.sub(r"\b[0-9a-fA-F]{24,}\b", "…", text)
    text = re.sub(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[0-9.:+Z-]*", "…", text)
    volatile = r"(?i)(\b(?:last.check|boot.time|uptime)\b\"?\s*:\s*)(\"[^\"]*\"|[^\n,]*)"
    return clean(re.sub(volatile, r"\1…", text), 300)


def said(section: Section) -> str:
    """What the client printed, without the lines before it, which are ours."""
    return f"{section.text[:20_000].partition('attached=')[2].partition(chr(10))[2]} {section.stderr}"


def failed(section: Section, pin: Pin | None) -> tuple[ToolState, str]:
    """Not enabled is exit status 1 with words on stderr (ubuntu-pro-client, features/livepatch.feature)."""
    if section.exit_status is None:
        return ToolState.ERROR, "its answer is too large"
    words = said(section)
    if re.search(r"not enabled", words, re.IGNORECASE):
        if "\nattached=no\n" in section.text:
            return ToolState.UNLICENSED, "not enabled, and the host is not attached to Ubuntu Pro"
        return ToolState.DISABLED, "not enabled on this host"
    if pin is not None and pin.setting.endswith("mode=stop"):
        return ToolState.DISABLED, f"stopped by {pin.setting}"
    state = next((state for state, pattern in _REFUSED if re.search(pattern, words, re.IGNORECASE)), ToolState.ERROR)
    return state, kept(f"exit status {section.exit_status}: {words}")


def state_of(status: Status, today: date) -> tuple[ToolState, str | None]:
    """The state of the tool, and why. ``today`` counts where the client has not asked its server of late."""
    if status.state in _LOCKING:
        return ToolState.LOCKED, f"{_LOCKING[status.state]}: it inserts that patch no more"
    if status.state == "unknown":
        return ToolState.ERROR, "it calls the state of its patch unknown"
    expired = _EXPIRED.get(status.support or "") or _EXPIRED.get(status.state)
    if expired is not None:
        return ToolState.COVERAGE_EXPIRED, expired
    if status.support == "unsupported":
        return ToolState.UNSUPPORTED_KERNEL, "Livepatch does not cover the running kernel"
    if status.check != "checked" and status.until is not None and status.until < today:
        return ToolState.COVERAGE_EXPIRED, f"the coverage of the running kernel ended on {status.until}"
    return ToolState.READY, "; ".join(_remarks(status)) or None


def _remarks(status: Status) -> list[str]:
    """What a person should know of a client that is ready."""
    stale = _STALE.get(status.check or "") or _STALE.get(status.state)
    remarks = [_UNFINISHED.get(status.state), stale]
    if status.state == "nothing-to-apply" and status.support != "supported":
        remarks.append("nothing to apply, and it does not say whether it covers this kernel")
    return list(dict.fromkeys(remark for remark in remarks if remark))


def updates_of(status: Status, pin: Pin | None) -> tuple[Update, ...] | None:
    """What waits to be applied. The client never says which version comes next; what it was told of stays what it
    knows, and where it is held so that it asks its server no more, nobody can tell."""
    if status.state == "kernel-upgrade-required" or status.support == "kernel-upgrade-required":
        return (Update(name="kernel", needs_reboot=True),)
    if status.state in _OFFERING:
        return (Update(name="livepatch"),)
    is_asking = pin is None or not re.search(r"check-interval=0|mode=(no-refresh|stop)", pin.setting)
    is_current = status.check == "checked" and status.state in ("applied", "nothing-to-apply") and is_asking
    return () if is_current else None


def pin_of(section: Section | None) -> Pin | None:
    """What holds the client: an interval of 0, a cut-off date, a mode other than normal. Where we saved its settings
    and nothing holds it, it was about to be pinned or set free when somebody was interrupted."""
    if section is None or section.exit_status != 0:
        return None
    values = [tuple(part.strip() for part in re.split("[:=]", line, maxsplit=1)) for line in section.text.splitlines()]
    told = {value[0]: clean(re.sub(r"\s*#.*|[\"']", "", value[1]), 100) for value in values if len(value) == 2}
    held = [f"{key}={told[key]}" for key in ("check-interval", "cutoff-date") if told.get(key)]
    held = [setting for setting in held if not re.fullmatch(r"check-interval=0*[1-9]\d*", setting)]
    if told.get("mode", "normal") not in ("", "normal"):
        held.append(f"canonical_livepatch_mode={told['mode']}")
    is_ours = told.get("ours") == "yes"
    return Pin(setting=" ".join(held) or "saved", by_us=is_ours) if held or is_ours else None
