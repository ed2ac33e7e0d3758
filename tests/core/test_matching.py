"""Findings: which rule decides what a host is to a CVE, and what the rule says."""

import pytest

from orchestrator.core.catalogue import check_replacement, in_force, lost_by_replacement
from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Facts, Kernel, LivePatch, PatchState
from orchestrator.core.findings import Finding
from orchestrator.core.matching import find
from orchestrator.core.patches import Patch, Severity
from orchestrator.core.views import view_key
from orchestrator.errors import CatalogueInvalid
from tests.core.exposure_builders import ADDED, DISCLOSED, FIRST, KERNELS, LAB_1, LAB_2, SECOND, at, facts, item, live


def one(seen: Facts, *patches: Patch, cve: str = FIRST) -> Finding:
    """The finding for one CVE."""
    return next(finding for finding in find(seen, patches) if finding.cve == cve)


def test_without_the_patch_a_host_is_exposed() -> None:
    """The rule names the item, the kernel build and that nothing is loaded."""
    found = one(facts(), LAB_1)
    assert (ExposureState.EXPOSED, None, Remedy.LIVE_PATCH) == (found.state, found.reason, found.remedy)
    assert (
        f"LAB-0001 fixes it on {KERNELS['a'][0]} ({KERNELS['a'][1]}) and is not in force: "
        "no module that fixes it is loaded"
    ) == found.rule


def test_with_the_patch_applied_it_is_covered() -> None:
    """The rule names the item, the module and its build id."""
    found = one(facts(live("LAB-0001")), LAB_1)
    assert (ExposureState.COVERED, CoveredBy.LIVE_PATCHED, Remedy.NONE, "LAB-0001") == (
        found.state,
        found.reason,
        found.remedy,
        found.covered_by,
    )
    assert "LAB-0001 fixes it and is in force: module lab_0001 with build id 4c4142" in found.rule


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (PatchState.APPLIED, ExposureState.COVERED),
        (PatchState.TRANSITIONING, ExposureState.EXPOSED),
        (PatchState.STALLED, ExposureState.EXPOSED),
        (PatchState.REVERTING, ExposureState.EXPOSED),
        (PatchState.DISABLED, ExposureState.EXPOSED),
        (PatchState.FAILED, ExposureState.UNKNOWN),
    ],
)
def test_only_an_applied_patch_is_in_force(state: PatchState, expected: ExposureState) -> None:
    """enabled=1 with transition=1 is not patched; a state that cannot be told is unknown."""
    found = one(facts(live("LAB-0001", state)), LAB_1)
    assert expected is found.state
    if expected is not ExposureState.COVERED:
        assert "module lab_0001 is" in found.rule or "cannot be told" in found.rule


def test_a_module_is_known_by_its_build_id_not_by_its_name() -> None:
    """Another module of the same name covers nothing; the right one under another name does."""
    impostor = LivePatch(tool="klp", name="lab_0001", state=PatchState.APPLIED, build_id="ee" * 20)
    renamed = live("LAB-0001").model_copy(update={"name": "other"})
    assert ExposureState.EXPOSED is one(facts(impostor), LAB_1).state
    assert ExposureState.COVERED is one(facts(renamed), LAB_1).state


def test_a_module_for_another_kernel_is_not_in_force() -> None:
    """Even if it was forced in: it was not built for the kernel that runs."""
    assert () == in_force(facts(live("LAB-0001", kernel="b")), [LAB_1])


def test_two_tools_that_disagree_on_a_module_leave_it_out_of_force() -> None:
    """It counts only where all say that it is applied."""
    seen = facts(live("LAB-0001"), live("LAB-0001", PatchState.TRANSITIONING))
    assert () == in_force(seen, [LAB_1])


@pytest.mark.parametrize(
    ("unknown", "expected"),
    [
        ({"live_patches": "needs_root"}, ExposureState.UNKNOWN),
        ({"live_patches.lab_0001.transition": "error"}, ExposureState.UNKNOWN),
        ({"kernel.build_id": "error"}, ExposureState.UNKNOWN),
        ({"boot_id": "error"}, ExposureState.UNKNOWN),
        ({"live_patches.lab_0001.blocking": "needs_root"}, ExposureState.COVERED),
        ({"lockdown": "needs_root"}, ExposureState.COVERED),
    ],
)
def test_what_could_not_be_read_is_unknown_where_it_matters(unknown: dict[str, str], expected: ExposureState) -> None:
    """Never covered; and what does not matter does not blind."""
    found = one(facts(live("LAB-0001"), unknown=unknown), LAB_1)
    assert expected is found.state
    if expected is ExposureState.UNKNOWN:
        assert [f"{name} could not be read: {why}" for name, why in unknown.items()] == [found.rule]


def test_without_the_kernels_build_id_every_cve_of_its_release_is_unknown() -> None:
    """Which build it is cannot be told, so no module can be said to fit."""
    seen = Facts(kernel=Kernel(running=KERNELS["a"][0]), live_patches=(live("LAB-0001"),))
    found = one(seen, LAB_1)
    assert (ExposureState.UNKNOWN, Remedy.NONE, None) == (found.state, found.remedy, found.fix_available)
    assert () == find(seen, [item(kernels="b")])


def test_without_a_kernel_every_cve_is_unknown() -> None:
    """Each may concern it."""
    found = find(Facts(), [LAB_2])
    assert [(FIRST, ExposureState.UNKNOWN), (SECOND, ExposureState.UNKNOWN)] == [(one.cve, one.state) for one in found]


def test_an_applied_patch_whose_build_id_is_unreadable_may_be_any() -> None:
    """Not exposed, not covered: cannot tell."""
    nameless = live("LAB-0001").model_copy(update={"build_id": None})
    assert ExposureState.UNKNOWN is one(facts(nameless), LAB_1).state
    assert ExposureState.COVERED is one(facts(nameless, live("LAB-0001")), LAB_1).state


def test_no_finding_without_a_module_for_exactly_this_kernel() -> None:
    """Release and build id: the same release built again is another kernel."""
    release, _ = KERNELS["a"]
    rebuilt = Facts(kernel=Kernel(running=release, build_id="ff" * 20))
    assert () == find(rebuilt, [LAB_1])
    assert () == find(facts(kernel="b"), [item(kernels="a")])


def test_a_finding_takes_the_worst_severity_the_earliest_disclosure_and_the_first_fix() -> None:
    """Over the items for this kernel alone."""
    items = [
        item("A", severity=Severity.LOW, added_at=at(9), disclosed=None),
        item("B", severity=Severity.CRITICAL, added_at=at(5), disclosed=DISCLOSED),
        item("C", severity=Severity.HIGH, added_at=at(7), disclosed=at(1)),
        item("D", added_at=ADDED, kernels="b"),
    ]
    found = one(facts(), *items)
    assert (Severity.CRITICAL, DISCLOSED, at(5)) == (found.severity, found.disclosed, found.fix_available)


def test_a_removed_item_covers_what_it_fixes_and_exposes_nobody() -> None:
    """Its module in memory works as before."""
    (found,) = find(facts(live("LAB-0001")), [item("LAB-0005")], removed=[LAB_1])
    assert (ExposureState.COVERED, "LAB-0001") == (found.state, found.covered_by)
    assert () == find(facts(), [], removed=[LAB_1])


def test_equal_signatures_mean_equal_findings() -> None:
    """What findings do not look at is not in it; what they do is."""
    assert view_key(facts(boot="boot-0")) == view_key(facts(boot="boot-1"))
    assert view_key(facts()) != view_key(facts(live("LAB-0001")))
    assert view_key(facts()) != view_key(facts(unknown={"live_patches": "error"}))


def test_a_replacement_must_fix_what_it_replaces() -> None:
    """All of it, by id or all; replacing nothing needs nothing."""
    check_replacement(LAB_2, [LAB_1, LAB_2])
    check_replacement(item("LAB-0003", ()), [LAB_1])
    narrow = LAB_1.model_copy(update={"id": "LAB-0003", "replaces": ("LAB-0002",)})
    assert {"LAB-0002": (SECOND,)} == lost_by_replacement(narrow, [LAB_1, LAB_2])
    with pytest.raises(CatalogueInvalid, match="LAB-0002 fixes CVE-2099-0002"):
        check_replacement(narrow, [LAB_1, LAB_2])
