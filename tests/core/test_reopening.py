"""`core.reopening`: what taking a patch out would expose again."""

from orchestrator.core.patches import Fix, Patch
from orchestrator.core.reopening import reopening
from tests.core.rollout_world import patch


def fixing(patch_id: str, *cves: str) -> Patch:
    """A patch that fixes those."""
    return patch(1, patch_id, fixes=tuple(Fix(cve=cve) for cve in cves))


ONE, TWO = fixing("LAB-0001", "CVE-2099-0001"), fixing("LAB-0002", "CVE-2099-0001", "CVE-2099-0002")


def test_only_what_nothing_else_in_force_fixes_reopens() -> None:
    """On a, LAB-0001 still covers the first; b has LAB-0002 alone; c does not have it."""
    found = reopening({"b": [TWO], "a": [ONE, TWO], "c": [ONE]}, TWO)
    assert (("a", "CVE-2099-0002"), ("b", "CVE-2099-0001"), ("b", "CVE-2099-0002")) == found


def test_nothing_reopens_where_the_patch_is_not_in_force() -> None:
    """Nor where nothing is known to be."""
    assert () == reopening({"a": [], "b": [ONE]}, TWO)
