"""What dnf4, dnf5 and yum tell of available live patches, of kernels, and of the end of coverage."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from orchestrator.backends.dnf.packages import Wanted, is_evr, is_seed, oldest_first, plain_evr
from orchestrator.core.facts import Deep, ToolState, Update
from orchestrator.core.model import Frozen
from orchestrator.probe.answer import Section
from orchestrator.probe.text import clean

MOST_DETAIL = 300
_ARCH = r"(?:x86_64|aarch64|ppc64le|s390x|noarch|i[3-6]86)"
_NEVRA = re.compile(rf"(?P<name>[A-Za-z0-9][\w.+-]{{0,200}}?)-(?P<evr>[^\s-]{{1,110}}-[^\s-]{{1,110}})\.{_ARCH}")
_CVE = re.compile(r"CVE-\d{4}-\d{4,9}")
_LIVE_PATCH = re.compile(r"kpatch-|livepatch-|\ufffd")
_KERNEL = re.compile(r"kernel(?:\d[\d.]*)?(?:-core)?")
_UNREGISTERED = re.compile(
    r"not registered (?:with an entitlement server|to red hat)|unable to read consumer identity"
    r"|registered[^.]{0,60}, but is not receiving updates|no valid subscription",
    re.IGNORECASE,
)
_NO_MATCH = re.compile(
    r"no match(?:ing packages|es found| for argument)|no packages? (?:matches|match) ", re.IGNORECASE
)
_NOISE = re.compile(
    r"\s*|.*metadata expiration check.*|loaded plugins:.*|updateinfo list done|security: kernel.*|available packages"
    r"|(?:name|cve)\s+type\s+severity\s+package\s+issued|updating subscription management repositories\.?"
    r"|.*kpatch filter is enabled.*|repositories loaded\.?|updating and loading repositories:.*"
    r"|.*\| +[\d.]+ [kmg]?b\b.*|loading mirror speeds.*|determining fastest mirrors| \* \S+: \S+",
    re.IGNORECASE,
)
"""Lines beside the rows that say nothing."""

_UNTIL = re.compile(r"no longer receive live patches after (\d{4}-\d{2}-\d{2})", re.IGNORECASE)
_NO_MORE = re.compile(r"reboot into the latest kernel version to get", re.IGNORECASE)


class _Told(Frozen):
    """What one command printed, and its exit status."""

    text: str
    status: int


class _Row(Frozen):
    """One row of an update: the package and, where the row is about one, the CVE."""

    name: str
    evr: str
    cve: str | None = None


def read_offers(section: Section, want: Wanted, *, is_installed: bool | None) -> Deep:
    """What is offered. What was not understood is unknown, with the text.

    Rows of other kernels' live patches are nobody's here. Kernels are updates that need a reboot. Where the package is
    not installed and no repository has it, not even an empty first one, the tool has nothing for this kernel.
    """
    if section.exit_status is None:
        return Deep(detail="what the repositories offer is too large")
    text = section.text.replace("\r\n", "\n")
    fixes, newest, coverage = (_told(text, what) for what in ("fixes", "newest", "coverage"))
    until = _until(coverage)
    if fixes is None or newest is None:
        return Deep(coverage_until=until, detail=_words("answer incomplete", section))
    rows = [*_rows(fixes), *_available(newest, want)]
    state, why = _state(coverage, until) or _licence(section, rows) or (None, None)
    if state is ToolState.UNLICENSED:
        return Deep(coverage_until=until, state=state, detail=why)
    if not _is_understood(fixes) or not _says_what_is_newest(newest, want):
        why = _words(f"not understood (exit status {fixes.status or newest.status})", section)
        return Deep(coverage_until=until, state=state, detail=why)
    if state is None and is_installed is False and not any(row.name == want.package for row in rows):
        state, why = ToolState.UNSUPPORTED_KERNEL, f"no repository has {want.package}"
    return Deep(updates=tuple(_updates(rows, want)), coverage_until=until, state=state, detail=why)


def _told(text: str, what: str) -> _Told | None:
    found = re.search(rf"^ask\t{what}\n(.*?)^told\t{what}$", text, re.MULTILINE | re.DOTALL)
    if found is None:
        return None
    failed = re.search(r"^failed\t(\d{1,3})$", found[1], re.MULTILINE)
    return _Told(text=found[1], status=int(failed[1]) if failed else 0)


def _words(why: str, section: Section) -> str:
    said = clean(section.stderr, MOST_DETAIL) or clean(section.text[-2 * MOST_DETAIL :], MOST_DETAIL)
    return f"{why}: {said}"[:MOST_DETAIL]


def _rows(told: _Told) -> Iterator[_Row]:
    """An identifier first, a package somewhere behind it: dnf4 and yum have three columns, dnf5 six. A leading ``i``
    marks what is installed (``--all``)."""
    for line in told.text.split("\n"):
        words = line[:1000].split()
        nevra = next((found for word in words[1:] if (found := _NEVRA.fullmatch(word))), None)
        if nevra is None or words[0] == "i" or not is_evr(plain_evr(nevra["evr"])):
            continue
        cve = words[0] if _CVE.fullmatch(words[0]) else None
        yield _Row(name=nevra["name"], evr=plain_evr(nevra["evr"]), cve=cve)


def _available(told: _Told, want: Wanted) -> Iterator[_Row]:
    """``NAME.ARCH  VERSION  REPOSITORY``; yum breaks the line behind a long name."""
    if told.status != 0:
        return
    for evr in re.findall(rf"^{re.escape(want.package)}\.{_ARCH}\s+(\S{{1,220}})", told.text, re.MULTILINE):
        if is_evr(plain_evr(evr)):
            yield _Row(name=want.package, evr=plain_evr(evr))


def _is_understood(told: _Told) -> bool:
    """Rows, and noise that is known; without any row anything else may have been one."""
    lines = [line for line in told.text.split("\n") if _NOISE.fullmatch(line) is None]
    strange = [line for line in lines if not _has_row(line)]
    is_whole = all(line.isprintable() and not _LIVE_PATCH.search(line) for line in strange)
    return told.status == 0 and is_whole and (not strange or len(lines) > len(strange))


def _has_row(line: str) -> bool:
    return "\ufffd" not in line and any(_NEVRA.fullmatch(word) for word in line[:1000].split()[1:])


def _says_what_is_newest(told: _Told, want: Wanted) -> bool:
    """ "Nothing of that name" is an error to these programs."""
    is_nothing = told.status == 1 and _NO_MATCH.search(told.text) is not None
    return is_nothing or any(_available(told, want)) or (told.status == 0 and not told.text.strip())


def _updates(rows: Iterable[_Row], want: Wanted) -> Iterator[Update]:
    """Each version of the running kernel's live patches, oldest first, then the newest of each kernel."""
    versions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        name = want.package if row.name == want.package else _kernel_named(row.name)
        if name is not None and not (name == want.package and is_seed(row.evr)):
            versions[name][row.evr] |= {row.cve} if row.cve is not None else set()
    for name in sorted(versions, key=lambda one: (one != want.package, one)):
        evrs = oldest_first(versions[name])
        if name == want.package:
            yield from (Update(name=name, version=evr, cves=tuple(sorted(versions[name][evr]))) for evr in evrs)
        else:
            cves = {cve for fixed in versions[name].values() for cve in fixed}
            yield Update(name=name, version=evrs[-1], cves=tuple(sorted(cves)), needs_reboot=True)


def _kernel_named(name: str) -> str | None:
    return name.removesuffix("-core") if _KERNEL.fullmatch(name) else None


def _until(told: _Told | None) -> date | None:
    found = _UNTIL.search(" ".join(told.text.split())) if told is not None else None
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _state(told: _Told | None, until: date | None) -> tuple[ToolState, str] | None:
    """Without a day, where it only says that a newer kernel has to be booted for more."""
    if until is None and told is not None and _NO_MORE.search(" ".join(told.text.split())):
        return ToolState.COVERAGE_EXPIRED, "the running kernel gets no more live patches: a newer one has to be booted"
    return None


def _licence(section: Section, rows: list[_Row]) -> tuple[ToolState, str] | None:
    """Of a host that is not registered "nothing" is no answer; where repositories of another kind answer, it is one."""
    found = _UNREGISTERED.search(f"{section.text}\n{section.stderr}")
    if found is None or rows:
        return None
    return ToolState.UNLICENSED, "the system is not registered, or has no subscription: nothing is offered to it"
