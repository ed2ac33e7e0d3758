"""OpenVEX documents hold to the specification, and excuse nobody who is not known to be covered."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.exposure_states import CoveredBy, ExposureState, Remedy
from orchestrator.core.facts import Os
from orchestrator.core.openvex import Status, VexAuthor, VexFinding, vex_document
from orchestrator.core.purls import host_purl, package_components

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEEN = NOW - timedelta(hours=1)
AUTHOR = VexAuthor(name="Example Ops", tooling="patchwave 9")
DEBIAN, ALMA = Os(id="debian", version="12"), Os(id="almalinux", version="9.4")
IMAGE = ("linux-image-6.1.0-99-cloud-amd64", "6.1.999-1")


def finding(host: str = "web1", **changes: Any) -> VexFinding:
    """A kernel CVE that a live patch covers."""
    values: dict[str, Any] = {
        "host": host, "os": DEBIAN, "arch": "x86_64", "cve": "CVE-2099-0001", "state": ExposureState.COVERED,
        "reason": CoveredBy.LIVE_PATCHED, "rule": "LAB-0001 is applied", "tool": "klp", "live_patch": "lab_0001",
        "packages": (IMAGE,), "observed_at": SEEN, "expected_by": SEEN + timedelta(hours=3), "boot_id": "boot-1",
    }  # fmt: skip
    return VexFinding.model_validate(values | changes)


def exposed(host: str = "web1", **changes: Any) -> VexFinding:
    """The same, without the live patch."""
    bare = {
        "state": ExposureState.EXPOSED,
        "reason": None,
        "tool": None,
        "live_patch": None,
        "rule": "older than fixed",
    }
    return finding(host, **(bare | changes))


def document(*findings: VexFinding, one: bool = True, now: datetime = NOW, **changes: Any) -> Any:
    """Of these findings."""
    return vex_document(findings, AUTHOR, now, is_of_one_host=one, **changes)


def only(*findings: VexFinding, **changes: Any) -> Any:
    """The one statement of that document."""
    (statement,) = document(*findings, **changes)["statements"]
    return statement


def test_a_live_patched_cve_is_not_affected_and_says_why() -> None:
    """By which live patch of which tool, in which boot, and when that was seen."""
    statement = only(finding())

    assert ("not_affected", "vulnerable_code_not_in_execute_path", "2026-03-01T11:00:00Z") == (
        statement["status"], statement["justification"], statement["timestamp"]
    )  # fmt: skip
    assert {"name": "CVE-2099-0001"} == statement["vulnerability"]
    assert (
        "Calls of the vulnerable code are redirected to fixed code by the live patch lab_0001 of klp, in force in"
        " memory. Last seen in boot boot-1 at 2026-03-01T11:00:00Z."
    ) == statement["impact_statement"]
    assert "LAB-0001 is applied" == statement["status_notes"]


def test_products_are_the_packages_and_the_host() -> None:
    """A package exactly, and with no more than what every scanner says of it; the host with it as its part."""
    part = {
        "@id": f"pkg:deb/debian/{IMAGE[0]}@6.1.999-1?arch=amd64&distro=debian-12",
        "identifiers": {"purl": f"pkg:deb/debian/{IMAGE[0]}@6.1.999-1"},
    }
    host = {
        "@id": "pkg:generic/web1?boot_id=boot-1",
        "identifiers": {"purl": "pkg:generic/web1"},
        "subcomponents": [part],
    }

    assert [part, host] == only(finding())["products"]
    assert [host] == only(finding(), one=False)["products"]


def test_an_exposed_cve_is_affected_and_says_what_to_do() -> None:
    """Whatever its remedy, there is an action statement: the specification wants one."""
    found = {remedy: only(exposed(remedy=remedy)) for remedy in Remedy}

    assert {Status.AFFECTED.value} == {one["status"] for one in found.values()}
    assert "Reboot: only that brings the fix into force." == found[Remedy.REBOOT]["action_statement"]
    assert len(Remedy) == len({one["action_statement"] for one in found.values()})
    assert "older than fixed. Last seen in boot boot-1 at 2026-03-01T11:00:00Z." == found[Remedy.NONE]["status_notes"]


def test_nobody_is_excused_once_the_next_check_is_overdue() -> None:
    """What a live patch covered is under investigation since then, and says so."""
    late = only(finding(), now=SEEN + timedelta(hours=3, seconds=1))

    assert ("under_investigation", "2026-03-01T14:00:00Z") == (late["status"], late["timestamp"])
    assert "No check saw the host in time. Last seen in boot boot-1 at 2026-03-01T11:00:00Z." == late["status_notes"]
    assert not {"justification", "impact_statement", "action_statement"} & late.keys()


def test_what_cannot_be_told_is_under_investigation() -> None:
    """With what kept us from telling."""
    statement = only(finding(state=ExposureState.UNKNOWN, reason=None, rule="the build id could not be read"))
    assert "under_investigation" == statement["status"]
    assert statement["status_notes"].startswith("the build id could not be read")


def test_what_is_fixed_is_stated_on_request() -> None:
    """A package that has the fix is fixed; one that never had the flaw lacks the vulnerable code."""
    fixed, never = finding(reason=CoveredBy.FIXED), finding(reason=CoveredBy.NOT_AFFECTED, cve="CVE-2099-0002")

    stated = document(fixed, never, states_fixed=True)["statements"]

    assert [] == document(fixed, never)["statements"]
    assert [("fixed", None), ("not_affected", "vulnerable_code_not_present")] == [
        (one["status"], one.get("justification")) for one in stated
    ]


def test_hosts_of_which_the_same_is_said_share_a_statement() -> None:
    """Its time is that of the oldest observation, and each host's product names its boot."""
    other = finding("web2", boot_id="boot-2", observed_at=SEEN - timedelta(minutes=5))

    statement = only(finding(), other, one=False)

    assert ["pkg:generic/web1?boot_id=boot-1", "pkg:generic/web2?boot_id=boot-2"] == [
        product["@id"] for product in statement["products"]
    ]
    assert "2026-03-01T10:55:00Z" == statement["timestamp"]
    assert statement["impact_statement"].endswith("Last seen between 2026-03-01T10:55:00Z and 2026-03-01T11:00:00Z.")


def test_a_package_is_no_product_of_its_own_in_a_document_of_several_hosts() -> None:
    """Or the live patch of one host would excuse another that has the same package without it."""
    statements = document(finding(), exposed("web2"), one=False)["statements"]

    assert {("affected", "pkg:generic/web2"), ("not_affected", "pkg:generic/web1")} == {
        (one["status"], product["identifiers"]["purl"]) for one in statements for product in one["products"]
    }


def test_several_hosts_in_a_document_of_one_are_refused() -> None:
    """It would excuse each by the other's live patch."""
    with pytest.raises(ValueError, match="several hosts"):
        document(finding(), finding("web2"))


def test_the_document_names_itself_by_what_it_says() -> None:
    """The same findings in any order, at another time: the same id. Anything else: another."""
    ones = (finding(), exposed(cve="CVE-2099-0002"))

    first, again, later, other = (
        document(*ones),
        document(*reversed(ones)),
        document(*ones, now=NOW + timedelta(minutes=1)),
        document(finding()),
    )

    assert first == again
    assert first["@id"] == later["@id"]
    assert first["@id"] != other["@id"]
    assert ("https://openvex.dev/ns/v0.2.0", "Example Ops", "patchwave 9", 1, "2026-03-01T12:01:00Z") == (
        later["@context"], later["author"], later["tooling"], later["version"], later["timestamp"]
    )  # fmt: skip


def test_a_host_of_an_unknown_distribution_is_named_without_packages() -> None:
    """Nobody knows how scanners would call them."""
    assert [{"@id": "pkg:generic/web1?boot_id=boot-1", "identifiers": {"purl": "pkg:generic/web1"}}] == (
        only(finding(os=Os(id="plan9", version="4")))["products"]
    )


@pytest.mark.parametrize(
    ("os", "arch", "package", "purls"),
    [
        (DEBIAN, "amd64", ("login", "1:4.13+dfsg1-1"),
         ["pkg:deb/debian/login@1%3A4.13%2Bdfsg1-1", "pkg:deb/debian/login@4.13%2Bdfsg1-1?epoch=1"]),
        (ALMA, "x86_64", ("bind", "32:9.16-1.el9"),
         ["pkg:rpm/almalinux/bind@9.16-1.el9?epoch=32", "pkg:rpm/alma/bind@9.16-1.el9?epoch=32"]),
        (Os(id="rhel", version="9.4"), "x86_64", ("kernel-core", "0:5.14.0-427.el9"),
         ["pkg:rpm/redhat/kernel-core@5.14.0-427.el9"]),
        (Os(id="alpine", version="3.20.1"), "x86_64", ("linux-lts", "6.6.1-r0"),
         ["pkg:apk/alpine/linux-lts@6.6.1-r0"]),
        (None, None, ("bash", "5"), []),
    ],
)  # fmt: skip
def test_packages_in_the_spellings_of_scanners(
    os: Os | None, arch: str | None, package: tuple[str, str], purls: list[str]
) -> None:
    """Trivy's and Syft's namespaces, and their two places for the epoch of a Debian version."""
    assert purls == [part.purl for part in package_components(os, arch, *package)]


def test_hostile_names_stay_inside_their_purl() -> None:
    """Nothing that a host says becomes another package, qualifier or line."""
    (part,) = package_components(DEBIAN, "x86_64", "a@1?arch=all#x/../b\n", "1 2\udc80")
    assert "pkg:deb/debian/a%401%3Farch%3Dall%23x%2F..%2Fb%0A@1%202%3F" == part.purl
    assert "pkg:generic/w%2Fb%20%22?boot_id=x%26y" == host_purl('w/b "', "x&y")


states = st.sampled_from(
    [
        (ExposureState.EXPOSED, None),
        (ExposureState.UNKNOWN, None),
        *((ExposureState.COVERED, reason) for reason in CoveredBy),
    ]
)
findings_of_hosts = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["CVE-2099-0001", "CVE-2099-0002"])),
    st.tuples(states, st.integers(min_value=0, max_value=400), st.sampled_from(Remedy)),
)


@given(findings_of_hosts, st.booleans())
def test_every_statement_is_complete_and_only_the_covered_are_excused(
    known: dict[tuple[str, str], tuple[tuple[ExposureState, CoveredBy | None], int, Remedy]], states_fixed: bool
) -> None:
    """What the schema asks of each status is there, and no more; each host and CVE is in one statement at most."""
    findings = [
        finding(
            host, cve=cve, state=state, reason=reason, remedy=remedy,
            observed_at=NOW - timedelta(minutes=age), expected_by=NOW - timedelta(minutes=age - 180),
        )
        for (host, cve), ((state, reason), age, remedy) in known.items()
    ]  # fmt: skip
    covered = {
        (one.host, one.cve) for one in findings if one.state is ExposureState.COVERED and not one.is_overdue(NOW)
    }

    statements = document(*findings, one=False, states_fixed=states_fixed)["statements"]

    pairs = [
        (product["identifiers"]["purl"].rpartition("/")[2], one["vulnerability"]["name"], one["status"])
        for one in statements
        for product in one["products"]
    ]
    assert len(pairs) == len({pair[:2] for pair in pairs})
    assert {pair[:2] for pair in pairs if pair[2] in {"fixed", "not_affected"}} <= covered
    for one in statements:
        assert (one["status"] == "not_affected") is ("justification" in one) is ("impact_statement" in one)
        assert (one["status"] == "affected") is ("action_statement" in one)
