"""``patchwave hosts show``: all that is known of one host, for a person."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from orchestrator.backends.registry import backend
from orchestrator.cli.output import Styled, coloured, counted, out, print_table, safe

Json = dict[str, Any]

UNKNOWN = "unknown"
TOOL_COLUMNS = ("TOOL", "STATE", "IN FORCE", "OFFERS", "COVERED UNTIL", "ROLLS BACK", "DETAIL")


def print_host(view: Json) -> None:
    """The whole HOST, what is empty left out. What cannot be told is called unknown."""
    seen = view if view["reachable"] else (view.get("last_known") or view)
    _print_head(view, seen)
    _print_kernel(seen)
    _print_section("Live patches", ("PATCH", "TOOL", "VERSION", "STATE", "FIXES"), _patches(seen))
    _print_section("Tools", TOOL_COLUMNS, _tools(seen))
    absent = [tool["name"] for tool in seen["tools"] or () if _is_missing(tool)]
    if absent:
        out.print(f"not on this host: {safe(', '.join(absent))}")
    for tool in seen["tools"] or ():
        if tool["state"] == "error" and tool["detail"]:
            out.print(f"[red]{safe(tool['name'])}: {safe(tool['detail'])}[/]")
        for line in tool["disagrees"]:
            out.print(f"[red]{safe(tool['name'])} {safe(line)}[/]")
    _print_section("Updates", ("TOOL", "UPDATE", "VERSION", "NEEDS REBOOT", "FIXES"), _updates(seen))
    _print_section("Patched in processes", ("TARGET", "TOOL", "VERSION", "STATE", "FIXES"), _userspace(seen))
    _print_section("Processes to restart", ("PROCESS", "COUNT", "DELETED LIBRARIES"), _outdated(seen))
    _print_section("Could not be read", ("WHAT", "WHY"), (seen.get("unknown") or {}).items())


def _print_head(view: Json, seen: Json) -> None:
    state = "never checked" if view["reachable"] is None else "ok" if view["reachable"] else view["error"]["code"]
    out.print(f"[bold]{safe(view['name'])}[/] ({safe(view['address'])}) {coloured(state)}")
    if view["error"] is not None:
        out.print(safe(view["error"]["message"]))
    labels = ", ".join(f"{name}={value}" for name, value in view["labels"].items())
    _print_lines(
        ("id", view["id"]),
        ("customer", view["customer"]),
        ("labels", labels),
        ("checked", _second(seen.get("observed_at")) or UNKNOWN),
        ("deep check", _second(seen.get("deep_observed_at")) or "none in this boot: `patchwave scan --deep`"),
    )


def _print_kernel(seen: Json) -> None:
    os, kernel = seen["os"] or {}, seen["kernel"] or {}
    running = kernel.get("running") or UNKNOWN
    effective = kernel.get("effective")
    _print_lines(
        ("os", " ".join(filter(None, (os.get("id"), os.get("version")))) or UNKNOWN),
        ("architecture", seen["arch"]),
        ("running kernel", " ".join(filter(None, (running, kernel.get("package_version"))))),
        ("build id", kernel.get("build_id") or UNKNOWN),
        ("effective kernel", effective if effective != running else None),
        ("installed kernels", ", ".join(kernel.get("installed", ()))),
        ("virtualization", seen["virtualization"]),
        ("boot id", seen["boot_id"] or UNKNOWN),
        ("booted", _second(seen.get("booted_at")) or UNKNOWN),
        ("reboot", _reboot(seen)),
    )


def _second(moment: str | None) -> str | None:
    """A moment without its fractions of a second."""
    return None if moment is None else re.sub(r"\.[0-9]+(?=Z$)", "", moment)


def _reboot(seen: Json) -> str:
    needed = {True: "needed", False: "not needed", None: UNKNOWN}[seen["reboot_required"]]
    return ": ".join(filter(None, (needed, ", ".join(seen["reboot_reasons"] or ()))))


def _patches(seen: Json) -> Iterable[Sequence[object]]:
    for patch in seen["live_patches"] or ():
        blocked = ", ".join(f"{task['command']} ({task['pid']})" for task in patch["blocking"])
        state = coloured(patch["state"])
        yield (
            patch["patch"] or patch["name"],
            patch["tool"],
            patch["version"],
            Styled(f"{state}: blocked by {safe(blocked)}") if blocked else state,
            ", ".join(patch["cves"]),
        )


def _tools(seen: Json) -> Iterable[Sequence[object]]:
    for tool in seen["tools"] or ():
        if _is_missing(tool):
            continue
        pin = tool["pin"]
        pinned = "" if pin is None else f"pinned{' by us' if pin['by_us'] else ''}: {pin['setting']}"
        yield (
            tool["name"],
            coloured(tool["state"]),
            tool["level"] or "",
            _offers(tool),
            tool["coverage_until"],
            "yes" if tool["rolls_back"] else "no",
            "; ".join(filter(None, ("" if tool["state"] == "error" else tool["detail"], pinned))),
        )


def _is_missing(tool: Json) -> bool:
    """Not there, and nothing is to be said of it."""
    return bool(tool["state"] == "absent" and tool["name"] != "klp")


def _offers(tool: Json) -> str:
    """Nothing of tools that never tell."""
    if tool["state"] == "absent" or not backend(tool["name"]).capabilities.tells_updates:
        return ""
    if tool["updates"] is None:
        return UNKNOWN
    live = sum(not update["needs_reboot"] for update in tool["updates"])
    return counted(live, "update") if live else "nothing newer"


def _updates(seen: Json) -> Iterable[Sequence[object]]:
    for tool in seen["tools"] or ():
        for update in tool["updates"] or ():
            needs = "yes" if update["needs_reboot"] else "no"
            yield (tool["name"], update["name"], update["version"], needs, ", ".join(update["cves"]))


def _userspace(seen: Json) -> Iterable[Sequence[object]]:
    for patch in seen["userspace_patches"] or ():
        yield (patch["target"], patch["tool"], patch["version"], coloured(patch["state"]), ", ".join(patch["cves"]))


def _outdated(seen: Json) -> Iterable[Sequence[object]]:
    for process in seen["outdated_processes"] or ():
        yield (process["command"], process["count"], ", ".join(process["libraries"]))


def _print_lines(*lines: tuple[str, str | None]) -> None:
    for name, value in lines:
        if value:
            out.print(f"  {name}: {safe(value)}")


def _print_section(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table under its title; nothing where there is nothing to show."""
    shown = list(rows)
    if shown:
        out.print(f"\n[bold]{title}[/]")
        print_table(columns, shown, empty="")
