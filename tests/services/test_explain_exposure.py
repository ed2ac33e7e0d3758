"""One CVE on one host, explained: the fact, the rule, the source."""

from orchestrator.core.exposure_states import ExposureState
from orchestrator.services.explain_exposure import ExplainExposure
from tests.core.advisory_builders import CVE, LIBSSL, OTHER, applied, package, statement
from tests.services.fleets import Checked
from tests.services.test_advisory_windows import FIXED, FLAW, fleet, seen, tell


def explained(known: Checked, cve: str = CVE) -> dict[str, object]:
    """What is told of host a."""
    (record,) = known.store.hosts.some(["id-a"])
    return ExplainExposure(store=known.store, clock=known.clock)(record, cve)


def test_an_exposure_names_its_fact_its_rule_and_its_source() -> None:
    """And what the source says, since when we know it."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW)
    found = explained(known)
    assert (ExposureState.EXPOSED, [{"name": "libssl3", "version": LIBSSL.version}]) == (
        found["state"],
        found["packages"],
    )
    assert f"openssl {LIBSSL.version}" in str(found["rule"])
    assert f"is older than {FIXED.version}, which has the fix, says debian (entry, /openssl/{CVE})" in str(
        found["rule"]
    )
    assert [("debian", FIXED.version)] == [(one["feed"], one["fixed"]) for one in found["told"]]  # type: ignore[attr-defined]


def test_what_never_was_more_than_fixed_is_explained_too() -> None:
    """It has no window and is not stored."""
    known = fleet(a=seen(FIXED))
    tell(known, FLAW)
    found = explained(known)
    assert (ExposureState.COVERED, "fixed", []) == (found["state"], found["reason"], found["windows"])
    assert f"has the fix of {FIXED.version}" in str(found["rule"])


def test_a_cve_that_nobody_tells_of_is_unknown() -> None:
    """And never "not affected"."""
    found = explained(fleet(a=seen(LIBSSL)), OTHER)
    assert (ExposureState.UNKNOWN, "no source tells of it for anything on this host") == (found["state"], found["rule"])


def test_a_host_that_was_never_checked_is_unknown() -> None:
    """Nothing was seen."""
    found = explained(Checked("a"))
    assert (ExposureState.UNKNOWN, "the host was never checked") == (found["state"], found["rule"])


def test_what_is_listed_is_what_is_explained() -> None:
    """Also where only the host's past explains it: a live patch that was in force, and is not any more."""
    patched = seen(LIBSSL).model_copy(update={"live_patches": (applied("kpatch_1", OTHER, tool="kernelcare"),)})
    known = fleet(a=patched)
    known.eyes.shows["a"] = seen(LIBSSL, package("bash", "5.2-1"))
    known.check_hosts(known.members)
    found = explained(known, OTHER)
    assert ExposureState.EXPOSED == found["state"]
    assert "a live patch of kernelcare fixed it on this kernel before" in str(found["rule"])


def test_a_package_that_is_gone_is_explained_by_what_was_there() -> None:
    """Covered, and not unknown to everybody."""
    known = fleet(a=seen(LIBSSL))
    tell(known, FLAW, statement(OTHER, package="linux", fixed="6.1.160-1"))
    known.eyes.shows["a"] = seen(package("bash", "5.2-1"))
    known.check_hosts(known.members)
    found = explained(known)
    assert (ExposureState.COVERED, "not_affected") == (found["state"], found["reason"])
    assert "nothing is installed that it is told of as a vulnerability" == found["rule"]
