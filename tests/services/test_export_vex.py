"""OpenVEX of what checks saw and feeds told: scanners are corrected where a live patch is in force, nowhere else."""

from typing import Any

import pytest

from orchestrator.core.advisories import Entry, FeedImport
from orchestrator.errors import InvalidInput, NotFound
from tests.core.advisory_builders import CVE, LIBSSL, OTHER, applied, debian, package, statement
from tests.services.fleets import Checked, record
from tests.services.reports import vexes

KERNEL = "CVE-2099-2000"
IMAGE = package("linux-image-6.1.0-40-amd64", "6.1.153-1", "linux-signed-amd64", "6.1.153+1")
PACKAGES = (LIBSSL, IMAGE)
HOUR = 3_600.0


def fleet() -> Checked:
    """``a`` and ``b`` have the same kernel with a flaw and the same openssl with another; ``a`` has a live patch of the
    kernel's. A third flaw is fixed on both."""
    known = Checked("a", "b")
    known.eyes.takes = 0.0
    entry = Entry(
        id="tracker",
        statements=(
            statement(KERNEL, "linux", fixed="6.1.159-1"),
            statement(CVE, "openssl", fixed="3.0.11-1~deb12u3"),
            statement(OTHER, "openssl", fixed="3.0.11-1~deb12u1"),
        ),
    )
    about = FeedImport(feed="debian", source="tracker.json", at=known.clock.now())
    known.store.feeds.import_entries(about, [entry])
    live = (applied("livepatch_9", KERNEL),)
    known.eyes.shows = {"a": seen(live=live), "b": seen()}
    known.check_hosts(known.members)
    return known


def seen(**more: Any) -> Any:
    """What a check sees, with the package list."""
    facts = debian(*PACKAGES, **more)
    assert facts.packages is not None
    return facts.model_copy(update={"packages": facts.packages.model_copy(update={"items": PACKAGES})})


def said(document: Any) -> dict[tuple[str, str], list[str]]:
    """CVE and status to the purls of the products."""
    return {
        (one["vulnerability"]["name"], one["status"]): [product["identifiers"]["purl"] for product in one["products"]]
        for one in document["statements"]
    }


def test_what_is_live_patched_is_not_affected_though_its_version_is_old() -> None:
    """The scanner sees the version; the statement names the package that it would report, and the live patch."""
    document = vexes(fleet()).of_host("a")

    found = said(document)
    assert {(CVE, "affected"), (KERNEL, "not_affected")} == found.keys()
    assert f"pkg:deb/debian/{IMAGE.name}@6.1.153-1" in found[KERNEL, "not_affected"]
    assert f"pkg:deb/debian/{LIBSSL.name}@3.0.11-1~deb12u2" in found[CVE, "affected"]
    impact = document["statements"][1]["impact_statement"]
    assert ["canonical", "livepatch_9", "boot-0"] == [
        word for word in ("canonical", "livepatch_9", "boot-0") if word in impact
    ]


def test_the_same_package_without_the_live_patch_is_affected() -> None:
    """What is in force on one host excuses no other."""
    assert (KERNEL, "affected") in said(vexes(fleet()).of_host("b"))


def test_a_document_of_the_fleet_names_hosts() -> None:
    """Those of which the same is said share a statement."""
    assert {
        (CVE, "affected"): ["pkg:generic/a", "pkg:generic/b"],
        (KERNEL, "not_affected"): ["pkg:generic/a"],
        (KERNEL, "affected"): ["pkg:generic/b"],
    } == said(vexes(fleet()).of_fleet())


def test_only_what_is_asked_for() -> None:
    """One CVE, some hosts; what is fixed only on request."""
    service = vexes(fleet())

    assert {(KERNEL, "not_affected")} == said(service.of_host("a", cve=KERNEL)).keys()
    assert {(KERNEL, "affected"): ["pkg:generic/b"]} == said(service.of_fleet(host_ids=["id-b"], cve=KERNEL))
    assert {} == said(service.of_host("a", cve=OTHER))
    assert {(OTHER, "fixed")} == said(service.of_host("a", cve=OTHER, states_fixed=True)).keys()


def test_nobody_is_excused_by_what_nobody_looks_at_any_more() -> None:
    """Three hours without a check: all of it is under investigation."""
    known = fleet()
    known.clock.advance(3 * HOUR + 1)
    assert {"under_investigation"} == {status for _, status in said(vexes(known).of_host("a"))}


def test_another_machine_under_the_same_name_is_not_excused() -> None:
    """What the former one showed does not speak for it."""
    known = fleet()
    known.store.hosts.save([record("a", incarnation=2)])
    assert [] == vexes(known).of_host("a")["statements"]


def test_a_host_that_was_never_checked_is_stated_nothing_of() -> None:
    """The document is there, and empty."""
    known = Checked("new")
    assert [] == vexes(known).of_host("new")["statements"]


def test_a_host_that_nobody_lists_is_refused() -> None:
    """A retired one as well: its packages say nothing of what is there now."""
    known = fleet()
    known.store.hosts.save([record("b", retired_at=known.clock.now())])
    for name in ("nobody", "b"):
        with pytest.raises(NotFound, match="patchwave hosts list"):
            vexes(known).of_host(name)
    assert {"pkg:generic/a"} == {purl for purls in said(vexes(known).of_fleet()).values() for purl in purls}


def test_a_document_that_would_be_too_large_is_refused() -> None:
    """With what to do about it."""
    with pytest.raises(InvalidInput, match=r"more than 3 pairs.*--limit"):
        vexes(fleet(), most=3).of_fleet()


def test_who_states_it() -> None:
    """By default this installation."""
    service = vexes(fleet())
    assert ("Example Ops", "Someone") == (service.of_host("a")["author"], service.of_host("a", "Someone")["author"])
