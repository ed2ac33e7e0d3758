"""What SUSE's ``klp`` and ``zypper`` print, read without believing more than stands there. Pure.

Sources: klp(8), zypper(8), SUSE's administration guides on kernel live patching.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cmp_to_key

from univers.versions import RpmVersion

from orchestrator.core.model import Frozen

MOST_TEXT = 600_000
"""Characters: a check brings at most 500,000 bytes of one section."""

MOST_LINES = 20_000

_MODULE = re.compile(r"(?:livepatch|kgraft_patch)_[0-9][0-9A-Za-z_]{0,42}")
_FIELD = re.compile(r"\s+([A-Za-z][A-Za-z ]{0,40}):\s*(.*)")
_PACKAGE = re.compile(
    r"((?:kernel-livepatch|kgraft-patch)-[0-9][0-9A-Za-z_-]{0,120}?)-([0-9][^-\s]*-[^-\s]+)\.[a-z0-9_]+"
)
_EVR = re.compile(r"(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9._+~]{0,60}-[A-Za-z0-9._+~]{1,60}")
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_NOTHING = re.compile(
    r"^(?:No updates found|No matching (?:issues|items) found|No (?:issue|patch).* found)\.?\s*$", re.MULTILINE
)
_SEED = "1"
"""The version of the initial live patch, which comes with each kernel and fixes nothing."""


class LoadedPatch(Frozen):
    """One block of ``klp -v patches``. ``package`` and ``evr``: what it came with; None for a patch that klp knows no
    package of."""

    module: str
    is_active: bool
    package: str | None = None
    evr: str | None = None
    cves: tuple[str, ...] = ()

    @property
    def is_seed(self) -> bool:
        """Whether it is the initial live patch."""
        return self.evr is not None and is_seed(self.evr)


class NeededPatch(Frozen):
    """A patch of a repository that this host needs. ``needs_reboot``: it is a new kernel."""

    name: str
    cves: tuple[str, ...] = ()
    needs_reboot: bool = False


class Registration(Frozen):
    """What the registration server says: whether a subscription ended, or the module of live patches is missing."""

    is_expired: bool = False
    lacks_module: bool = False


def package_of(release: str) -> str:
    """The live-patch package of a kernel: ``5.14.21-150400.24.46-default`` is ``…-5_14_21-150400_24_46-default``."""
    return f"kernel-livepatch-{release.replace('.', '_')}"


def is_seed(evr: str) -> bool:
    """Whether that version is the initial, empty live patch."""
    return evr.rpartition(":")[2].partition("-")[0] == _SEED


def oldest_first(evrs: Iterable[str]) -> list[str]:
    """In rpm's order, each once."""
    return sorted(set(evrs), key=cmp_to_key(_compare))


def is_newer(evr: str, other: str) -> bool:
    """By rpm's order."""
    return _compare(evr, other) > 0


def _compare(one: str, other: str) -> int:
    left, right = RpmVersion(one), RpmVersion(other)
    return int(left > right) - int(left < right)


def whole_lines(text: str) -> list[str] | None:
    """The lines that came with their end; None for more text than any answer has."""
    if len(text) > MOST_TEXT:
        return None
    return text[: text.rfind("\n") + 1].splitlines()[:MOST_LINES]


def parse_patches(text: str) -> tuple[LoadedPatch, ...] | None:
    """``klp -v patches``; None where anything but noise before it is not understood. Nothing at all: nothing loaded."""
    lines = whole_lines(text)
    if lines is None or (text and not text.endswith("\n")):
        return None
    blocks: list[tuple[str, dict[str, str]]] = []
    is_noisy = False
    for line in lines:
        field = _FIELD.fullmatch(line.rstrip())
        if field is not None and blocks:
            blocks[-1][1][field[1]] = field[2]
        elif re.fullmatch(r"[A-Za-z0-9_-]{1,55}", line.rstrip()):
            blocks.append((line.rstrip(), {}))
        elif line.strip():
            is_noisy = True
            if blocks:
                return None
    if (is_noisy and not blocks) or any(fields.get("active") not in ("0", "1") for _, fields in blocks):
        return None
    return tuple(_loaded(module, fields) for module, fields in blocks)


def _loaded(module: str, fields: Mapping[str, str]) -> LoadedPatch:
    found = _PACKAGE.fullmatch(fields.get("RPM", ""))
    words = fields.get("CVE", "").split()
    return LoadedPatch(
        module=module,
        is_active=fields.get("active") == "1",
        package=found[1] if found is not None else None,
        evr=found[2] if found is not None else None,
        cves=tuple(sorted({word for word in words if _CVE.fullmatch(word)})),
    )


def is_of_suse(patch: LoadedPatch) -> bool:
    """Whether SUSE built it; klp lists whatever is in sysfs."""
    return patch.package is not None or is_module_of_suse(patch.module)


def is_module_of_suse(module: str) -> bool:
    """``livepatch_6_150400_2_2``: the version and release of its package. SLES 12: ``kgraft_patch_3_2_1``."""
    return _MODULE.fullmatch(module.replace("-", "_")) is not None


def parse_installed(text: str) -> str | None:
    """The version of one package, as the check asks rpm for it; an epoch of 0 is none."""
    for line in whole_lines(text) or ():
        name, _, evr = line.strip().rpartition(" ")
        if name.startswith("kernel-livepatch-") and _EVR.fullmatch(evr):
            return without_zero_epoch(evr)
    return None


def without_zero_epoch(evr: str) -> str:
    """Epoch 0 is none."""
    return evr.removeprefix("0:")


# --- zypper ----------------------------------------------------------------------------------------------------------


def says_nothing_found(text: str) -> bool:
    """zypper's words for an empty table."""
    return _NOTHING.search(text[:MOST_TEXT]) is not None


def parse_table(text: str, wanted: tuple[str, ...]) -> list[Mapping[str, str]] | None:
    """The rows of zypper's table, by the headings of its columns; None where no table has all those wanted.

    Columns may be padded or not, and come in any order and number; the line below the headings shows that it is one.
    """
    lines = whole_lines(text) or []
    for at, line in enumerate(lines[:-1]):
        headings = _cells(line)
        if set(wanted) <= set(headings) and re.fullmatch(r"-+(?:\+-+)+", lines[at + 1].strip()):
            return list(_rows(lines[at + 2 :], headings))
    return None


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


def _rows(lines: Iterable[str], headings: list[str]) -> Iterator[Mapping[str, str]]:
    """Up to the first line that is none; the last column may hold the separator."""
    for line in lines:
        if "|" not in line:
            return
        cells = [cell.strip() for cell in line.split("|", len(headings) - 1)]
        if len(cells) == len(headings):
            yield dict(zip(headings, cells, strict=True))


def parse_offered(text: str, package: str) -> list[str] | None:
    """Its versions in the repositories, oldest first, from ``zypper search --details``; None: not understood."""
    rows = parse_table(text, ("Name", "Version", "Repository"))
    if rows is None:
        return [] if says_nothing_found(text) else None
    mine = [row for row in rows if row["Name"] == package and row["Repository"] != "(System Packages)"]
    return oldest_first(without_zero_epoch(row["Version"]) for row in mine if _EVR.fullmatch(row["Version"]))


def parse_needed(text: str) -> list[NeededPatch] | None:
    """What of the kernel is needed, from ``zypper list-patches --cve``; None: not understood.

    Live patches are told by the module's name in the patch's name; new kernels by a summary that names the kernel, and
    by a column that says that they need a reboot.
    """
    rows = parse_table(text, ("No.", "Patch", "Status"))
    if rows is None:
        return [] if says_nothing_found(text) else None
    needed: dict[str, NeededPatch] = {}
    for row in rows:
        is_live = "Live-Patching" in row["Patch"] or "Live Patch" in row.get("Summary", "")
        is_kernel = "reboot" in row.get("Interactive", "") and "Linux Kernel" in row.get("Summary", "")
        if row["Status"] != "needed" or not (is_live or is_kernel) or not _CVE.fullmatch(row["No."]):
            continue
        old = needed.get(row["Patch"], NeededPatch(name=row["Patch"], needs_reboot=not is_live))
        needed[row["Patch"]] = old.model_copy(update={"cves": tuple(sorted({*old.cves, row["No."]}))})
    return list(needed.values())


# --- registration, lifecycle -----------------------------------------------------------------------------------------


def parse_registration(text: str) -> Registration:
    """``SUSEConnect --status``. What cannot be read says nothing against the host: SUSE Manager's do without."""
    try:
        products = json.loads(text[text.index("[") : MOST_TEXT])
    except (ValueError, RecursionError):
        return Registration()
    known = [product for product in products if isinstance(product, dict)] if isinstance(products, list) else []
    modules = [product for product in known if "live-patching" in str(product.get("identifier", ""))]
    return Registration(
        is_expired=any(str(product.get("subscription_status", "")).upper() == "EXPIRED" for product in known),
        lacks_module=bool(known) and not any(product.get("status") == "Registered" for product in modules),
    )


def parse_lifecycle(text: str, package: str) -> date | None:
    """The day until which live patches are made for that kernel: ``PACKAGE, VERSION or *, DATE``, the latest one."""
    days = []
    for line in whole_lines(text) or ():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 3 and cells[0] == package and re.fullmatch(r"\d{4}-\d{2}-\d{2}", cells[2]):
            days.append(_day(cells[2]))
    return max((day for day in days if day is not None), default=None)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
