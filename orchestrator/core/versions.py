"""Package versions in their distribution's own order. Never compare them as strings, nor across distributions."""

from functools import lru_cache

from univers.versions import AlpineLinuxVersion, DebianVersion, InvalidVersion, RpmVersion
from univers.versions import Version as UniversVersion

from orchestrator.core.distributions import Ordering

_KINDS: dict[Ordering, type[UniversVersion]] = {
    Ordering.DEB: DebianVersion,
    Ordering.RPM: RpmVersion,
    Ordering.APK: AlpineLinuxVersion,
}

_LONGEST = 200


def compare(ordering: Ordering, one: str, other: str) -> int | None:
    """Below 0 where ``one`` is the older, above 0 where ``other`` is, 0 where they are equal; None where one of them is
    no version there."""
    first, second = parsed(ordering, one), parsed(ordering, other)
    if first is None or second is None:
        return None
    return 0 if first == second else -1 if first < second else 1


@lru_cache(maxsize=200_000)
def parsed(ordering: Ordering, text: str) -> UniversVersion | None:
    """The version, read once; None for what is none."""
    if not 0 < len(text) <= _LONGEST:
        return None
    try:
        return _KINDS[ordering](text)
    except (InvalidVersion, ValueError, TypeError, AttributeError, IndexError):
        # univers documents InvalidVersion alone, but its parsers stumble over odd text in other ways too.
        return None
