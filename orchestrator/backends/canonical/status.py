"""The answers of ``canonical-livepatch status``, in whatever format a client of 2016 to today gives them.

JSON since 10.x, YAML (``--verbose``, ``--format yaml``) since 7.x, lines for a person otherwise; before each of them
may stand lines of the dynamic linker, of snap, or the client's own warning about a cut-off date.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from orchestrator.core.model import Frozen

LONGEST = 500_000
"""Characters of an answer that are looked at: a check brings no more."""

STATES = frozenset(
    {"applied", "applied-with-bug", "apply-failed", "unapplied", "needs-check", "nothing-to-apply", "check-failed",
     "kernel-upgrade-required", "applying", "crashed", "unknown"}
)  # fmt: skip
"""The client's states of a patch; ``applying`` and ``crashed`` are told in lines for a person alone."""

SUPPORT = frozenset({"supported", "kernel-upgrade-required", "kernel-end-of-life", "unsupported", "unknown"})
"""Values of ``Supported`` (ubuntu-pro-client, uaclient/livepatch.py)."""

_VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,5}")
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_KERNEL = re.compile(r"[0-9][A-Za-z0-9.+~_-]{0,99}")


class Status(Frozen):
    """What the client tells of the running kernel.

    ``kernel``: as ``/proc/version_signature`` names it (``5.15.0-100.110-generic``). ``state``: one of `STATES`;
    ``check``: ``checked``, ``needs-check`` or ``check-failed``, None where it is not told. ``version``: of the patch,
    ``104.1``. ``cves``: those that it calls patched. ``support``: one of `SUPPORT`. ``until``: the last day of
    coverage.
    """

    client: str | None = None
    kernel: str | None = None
    state: str
    check: str | None = None
    version: str | None = None
    cves: tuple[str, ...] = ()
    support: str | None = None
    until: date | None = None


class NotUnderstood(Frozen):
    """Why an answer tells nothing that may be believed."""

    why: str


class Running(Frozen):
    """The running kernel, by its own words: the second of ``/proc/version_signature``, and ``uname -r``."""

    kernel: str | None = None
    release: str | None = None

    def fits(self, kernel: str | None) -> bool:
        """Whether it is the one that the client calls so: 5.15.0-100.110-generic is 5.15.0-100-generic."""
        if self.kernel is not None:
            return kernel == self.kernel
        named = re.fullmatch(r"([0-9.]+-[0-9]+)\.[^-]+-(.+)", kernel or "")
        return self.release is None or (named is not None and f"{named[1]}-{named[2]}" == self.release)


Entry = Mapping[str, Any]
"""One kernel of an answer, its keys folded: kernel, running, state, checkstate, version, fixes, supported,
upgraderequireddate. ``fixes``: pairs of a name and whether it is patched."""


def fold(key: str) -> str:
    """``Client-Version``, ``CheckState`` and ``checkState`` are called differently in every format."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def folded(value: object) -> dict[str, Any]:
    """A mapping with folded keys; an empty one for anything else."""
    return {fold(str(key)): item for key, item in value.items()} if isinstance(value, dict) else {}


def documents(text: str) -> Iterator[object]:
    """Every whole JSON object that begins a line. Numbers stay text: 104.10 is not 104.1."""
    decoder = json.JSONDecoder(parse_float=str, parse_int=str)
    for _, start in zip(range(20), re.finditer(r"^\ufeff?(?=\{)", text[:LONGEST], re.MULTILINE), strict=False):
        try:
            yield decoder.raw_decode(text[:LONGEST], start.end())[0]
        except (ValueError, RecursionError):
            continue


def has_json(text: str) -> bool:
    """Whether it begins to be JSON, whole or not."""
    return re.search(r"^\ufeff?\{", text[:LONGEST], re.MULTILINE) is not None


def read_json(text: str, running: Running) -> Status | NotUnderstood:
    """The entry of the running kernel in an answer in JSON."""
    answer = next((found for document in documents(text) if "status" in (found := folded(document))), None)
    if answer is None:
        return NotUnderstood(why="its JSON is cut off or has no Status")
    if not isinstance(answer["status"], list):
        return NotUnderstood(why="its Status is no list")
    entries = [_flat(folded(entry)) for entry in answer["status"][:1000]]
    return choose([entry for entry in entries if entry.get("running") is True], running, answer.get("clientversion"))


def _flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    patch = folded(entry.get("livepatch"))
    patch["state"] = patch.get("state", patch.get("patchstate"))
    fixes = patch.get("fixes")
    pairs = [folded(fix) for fix in fixes[:10_000]] if isinstance(fixes, list) else []
    patch["fixes"] = [(fix.get("name"), fix.get("patched") is True) for fix in pairs]
    return {**entry, **patch}


def choose(entries: Sequence[Entry], running: Running, client: object) -> Status | NotUnderstood:
    """The status of the running kernel. ``entries``: those that are said to run."""
    if not entries:
        return NotUnderstood(why="it tells nothing of the running kernel")
    fitting = [entry for entry in entries if running.fits(_word(_KERNEL, entry.get("kernel")))]
    if not fitting:
        told = _word(_KERNEL, entries[0].get("kernel")) or "no kernel"
        return NotUnderstood(why=f"it tells of {told}, and {running.kernel or running.release} runs")
    if any(entry != fitting[0] for entry in fitting):
        return NotUnderstood(why="it tells two things of the running kernel")
    return _status(fitting[0], client)


def _status(entry: Entry, client: object) -> Status | NotUnderstood:
    state, version = entry.get("state"), _word(_VERSION, entry.get("version"))
    if not isinstance(state, str) or state not in STATES:
        return NotUnderstood(why=f"its patch state is {str(state)[:60]!r}")
    if state == "applied" and version is None:
        return NotUnderstood(why="it calls a patch applied and tells no version of it")
    support, check = entry.get("supported"), entry.get("checkstate")
    return Status(
        client=_word(re.compile(r"[0-9][A-Za-z0-9.+~-]{0,63}"), client),
        kernel=_word(_KERNEL, entry.get("kernel")),
        state=state,
        check=check if isinstance(check, str) and check else None,
        version=version,
        cves=_cves(entry.get("fixes") or ()),
        support=None if support in (None, "") else support if support in SUPPORT else "unknown",
        until=_day(entry.get("upgraderequireddate")),
    )


def _word(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _cves(fixes: Sequence[tuple[object, bool]]) -> tuple[str, ...]:
    names = {name.upper() for name, patched in fixes if patched and isinstance(name, str)}
    return tuple(sorted(name for name in names if _CVE.fullmatch(name)))


def _day(value: object) -> date | None:
    """``2025-03-07``, with or without a time; Go's zero time stands for none."""
    try:
        day = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
    return day if day is not None and day.year > 2000 else None
