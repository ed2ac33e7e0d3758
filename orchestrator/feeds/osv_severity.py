"""How bad a vulnerability is, from what OSV records say of it: the distribution's own word, else a CVSS vector."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from orchestrator.core.patches import Severity

_WORDS: Mapping[str, Severity] = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
    "negligible": Severity.LOW,
}
"""Ubuntu's priorities, Red Hat's severities (which AlmaLinux and Rocky keep), the CVSS bands."""

_LONGEST_VECTOR = 300


def word(text: object) -> Severity:
    """The severity that a distribution's word means; unknown for ``untriaged``, ``not yet assigned`` and the like."""
    return _WORDS.get(text.lower(), Severity.UNKNOWN) if isinstance(text, str) else Severity.UNKNOWN


def heading(summary: str | None) -> Severity:
    """From ``Important: kernel security update``, as AlmaLinux and Rocky Linux head their advisories."""
    before, colon, _ = (summary or "").partition(":")
    return word(before) if colon else Severity.UNKNOWN


def score(items: Iterable[tuple[str, str]]) -> Severity:
    """From ``severity: [{type, score}]``: the distribution's own scale (``Ubuntu``), else the newest CVSS."""
    best: dict[str, Severity] = {}
    for kind, text in items:
        best.setdefault(kind, word(text) if kind == "Ubuntu" else vector(kind, text))
    told = (best.get(kind, Severity.UNKNOWN) for kind in ("Ubuntu", "CVSS_V4", "CVSS_V3", "CVSS_V2"))
    return next((one for one in told if one is not Severity.UNKNOWN), Severity.UNKNOWN)


@lru_cache(maxsize=50_000)
def vector(kind: str, text: str) -> Severity:
    """The band of a vector's base score; unknown for a vector that is none. A score of 0 counts as low: the
    distribution published it all the same."""
    if kind not in _VECTORS or len(text) > _LONGEST_VECTOR:
        return Severity.UNKNOWN
    try:
        band = _VECTORS[kind](text).severities()[0]
    except (CVSSError, ValueError, KeyError, ArithmeticError):
        return Severity.UNKNOWN
    return Severity.LOW if band == "None" else word(band)


_VECTORS = {"CVSS_V2": CVSS2, "CVSS_V3": CVSS3, "CVSS_V4": CVSS4}
