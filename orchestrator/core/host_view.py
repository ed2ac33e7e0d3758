"""The HOST of ``scan --json`` and of the API, from a record and its last check. Pure; JSON-ready dicts."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from orchestrator.core.facts import Facts, LivePatch, Observation, Tool
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Patch
from orchestrator.core.sightings import CheckRecord, Sighting

Json = dict[str, Any]


def host_view(
    record: HostRecord,
    check: CheckRecord | None,
    last: Sighting | None,
    patches: Mapping[str, Patch],
    rolling_back: Collection[str] = (),
) -> Json:
    """One host. ``patches`` maps module build ids to catalogue items; ``last`` is the latest sighting; ``rolling_back``
    are the tools that take a patch out again without a reboot.

    A host that its last check did not reach has nulls, and ``last_known`` with what was seen before.
    """
    observation = check.observation if check is not None else None
    view: Json = {
        "id": record.id,
        "name": record.name,
        "address": record.address,
        "customer": record.customer,
        "labels": record.labels,
        "reachable": None if check is None else observation is not None,
        "error": _error(check),
    }
    if observation is not None:
        return view | facts_view(observation.facts, patches, rolling_back) | _times(observation)
    nothing = dict.fromkeys([*facts_view(Facts(), {}), "booted_at", "observed_at", "deep_observed_at"])
    return view | nothing | {"last_known": None if last is None else _last_known(last, patches, rolling_back)}


def facts_view(facts: Facts, patches: Mapping[str, Patch], rolling_back: Collection[str] = ()) -> Json:
    """What a check saw, in the shape of HOST."""
    kernel = facts.kernel
    return {
        "os": facts.os and {"id": facts.os.id, "version": facts.os.version},
        "arch": facts.arch,
        "kernel": kernel
        and {
            "running": kernel.running,
            "package_version": kernel.package_version,
            "build_id": kernel.build_id,
            "effective": kernel.effective or kernel.running,
            "installed": [installed.release for installed in kernel.installed],
        },
        "boot_id": facts.boot_id,
        "virtualization": facts.virtualization,
        "live_patches": [_live_patch(patch, patches) for patch in facts.live_patches],
        "tools": [_tool(tool, rolling_back) for tool in facts.tools],
        "userspace_patches": [patch.model_dump(mode="json") for patch in facts.userspace_patches],
        "outdated_processes": _outdated(facts),
        "reboot_required": facts.reboot_required,
        "reboot_reasons": list(facts.reboot_reasons),
        "taints": facts.taints,
        "unknown": facts.unknown,
    }


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, or None."""
    return None if value is None else value.isoformat().replace("+00:00", "Z")


def _error(check: CheckRecord | None) -> Json | None:
    if check is None or check.error_code is None:
        return None
    return {"code": check.error_code, "message": check.error}


def _live_patch(patch: LivePatch, patches: Mapping[str, Patch]) -> Json:
    item = patches.get(patch.build_id or "")
    return {
        "tool": patch.tool,
        "name": patch.name,
        "version": patch.version,
        "state": patch.state,
        "cves": sorted({*patch.cves, *(fix.cve for fix in (item.fixes if item else ()))}),
        "patch": item.id if item else None,
        "build_id": patch.build_id,
        "blocking": [task.model_dump(mode="json") for task in patch.blocking],
    }


def _tool(tool: Tool, rolling_back: Collection[str]) -> Json:
    """``updates`` and ``coverage_until`` are the deep check's: null before there was one."""
    deep = tool.deep
    return {
        "name": tool.name,
        "state": tool.state,
        "detail": tool.detail,
        "version": tool.version,
        "level": tool.level,
        "effective_kernel": tool.effective_kernel,
        "pin": tool.pin and tool.pin.model_dump(mode="json"),
        "disagrees": list(tool.disagrees),
        "rolls_back": tool.name in rolling_back,
        "coverage_until": deep and deep.coverage_until and deep.coverage_until.isoformat(),
        "updates": None
        if deep is None or deep.updates is None
        else [update.model_dump(mode="json") for update in deep.updates],
    }


def _outdated(facts: Facts) -> list[Json] | None:
    """Null where no deep check looked for them."""
    found = [tool.deep.outdated for tool in facts.tools if tool.deep is not None and tool.deep.outdated is not None]
    return [process.model_dump(mode="json") for process in found[0]] if found else None


def _times(observation: Observation) -> Json:
    skew = observation.facts.volatile.clock_skew
    return {
        "booted_at": moment(observation.booted_at),
        "observed_at": moment(observation.observed_at),
        "deep_observed_at": moment(observation.facts.volatile.deep_observed_at),
        "clock_skew_seconds": None if skew is None else skew.total_seconds(),
    }


def _last_known(last: Sighting, patches: Mapping[str, Patch], rolling_back: Collection[str]) -> Json:
    times = {
        "booted_at": moment(last.booted_at),
        "observed_at": moment(last.last_seen),
        "deep_observed_at": moment(last.deep_seen),
    }
    return facts_view(last.facts, patches, rolling_back) | times
