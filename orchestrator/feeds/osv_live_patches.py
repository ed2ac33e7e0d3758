"""Ubuntu's live patch notices (LSN) in OSV form: which module, from which version on, fixes which CVEs.

Format, from the notices themselves (canonical/ubuntu-security-notices, osv/lsn): for each kernel's source package,
``ecosystem_specific`` has ``module_name_regex`` (``lkp_Ubuntu_5_15_0[_|\\d]+_aws_(\\d+)``, whose first group is the
module's version) and ``module_version`` (``"112"``); ``upstream`` has the CVEs, ``aliases`` nothing. Notices of 2020
have no ``module_version``: they say nothing that can be checked, and are left out. Ids are ``LSN-0112-1``, and once
``LSN-120-1``; numbers are skipped.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.core.advisories import ModuleFix
from orchestrator.core.bounded_regex import compile_bounded
from orchestrator.errors import PatternInvalid
from orchestrator.feeds.skipped import Skipped
from orchestrator.feeds.values import Node

if TYPE_CHECKING:
    from orchestrator.feeds.osv_record import Affected

MOST_PATTERN = 300
MOST_REPEATS = 3
"""Quantifiers in one pattern; the notices have two. Module names have 55 characters at most: 200,000 steps."""
MOST_FIXES = 50_000

_NOTICE = re.compile(r"LSN-\d{1,6}-\d{1,4}")
_REPEAT = re.compile(r"[*+?{]")
_NUMBER = re.compile(r"\d{1,9}")


def is_live_patch_notice(name: str) -> bool:
    """Whether that id is one of a live patch notice."""
    return _NOTICE.fullmatch(name) is not None


def module_fixes(
    cves: Iterable[str], published: datetime | None, affected: Iterable["Affected"], skipped: Skipped
) -> tuple[ModuleFix, ...]:
    """What modules fix: every CVE of the notice, in every kernel that it lists."""
    cves = tuple(cves)
    found: dict[tuple[object, ...], ModuleFix] = {}
    for one in affected:
        module = _module(one.node.child("ecosystem_specific"), skipped)
        if module is None:
            continue
        for distribution in one.release.distributions:
            for cve in cves:
                fix = _fix(one, cve, distribution, module, published)
                found.setdefault((cve, distribution, fix.package, fix.pattern, fix.version), fix)
        if len(found) > MOST_FIXES:
            raise one.node.invalid(f"is one of a notice that says more than {MOST_FIXES} things")
    return tuple(found.values())


def _fix(
    one: "Affected", cve: str, distribution: str, module: tuple[str, int], published: datetime | None
) -> ModuleFix:
    pattern, version = module
    return one.node.make(
        ModuleFix,
        cve=cve,
        distribution=distribution,
        package=one.package,
        pattern=pattern,
        version=version,
        published=published,
        where=one.node.where,
    )


def _module(specific: Node, skipped: Skipped) -> tuple[str, int] | None:
    if specific.is_missing:
        skipped.add("live patch without a module")
        return None
    pattern = specific.maybe_text("module_name_regex", 10_000)
    version = specific.child("module_version").value
    if pattern is None or not is_safe(pattern):
        skipped.add("live patch whose module pattern cannot be used")
        return None
    if isinstance(version, bool) or _NUMBER.fullmatch(str(version)) is None:
        skipped.add("live patch without a module version")
        return None
    return pattern, int(version)


def is_safe(pattern: str) -> bool:
    """Whether matching it against the name of a module ends soon, and gives the module's version."""
    if len(pattern) > MOST_PATTERN or sum(1 for _ in _repeats(pattern)) > MOST_REPEATS:
        return False
    try:
        return compile_bounded(pattern).groups >= 1
    except PatternInvalid:
        return False


def _repeats(pattern: str) -> Iterator[re.Match[str]]:
    """Characters that repeat what is before them, those of ``(?:…)`` and of classes included: rather too many."""
    return _REPEAT.finditer(pattern.replace("(?:", "("))
