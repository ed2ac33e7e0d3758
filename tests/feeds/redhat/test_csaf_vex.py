"""What one of Red Hat's documents says."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.advisories import Claim, Entry
from orchestrator.core.distributions import Ordering
from orchestrator.core.versions import compare
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.csaf_vex import entry_of
from orchestrator.feeds.json_stream import document
from orchestrator.feeds.redhat import RedHat
from orchestrator.feeds.skipped import Skipped
from tests.feeds.golden import cases, expected, golden, read, said
from tests.feeds.redhat.archives import vex

HERE = Path(__file__).parent
CVE = "CVE-2099-1234"


@pytest.mark.parametrize("name", cases(HERE))
def test_a_document_says_what_red_hat_says(name: str) -> None:
    """Golden cases: fixes in several minor releases, live patches, modules, epochs, both forms of documents, products
    that are none of ours, and those that lead to nothing."""
    assert expected(HERE, name) == said(read(RedHat(), golden(HERE, name)))


def entry(value: Any) -> Entry:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return entry_of(document(data, "cve.json"), Skipped())


def affected(name: str, distribution: str, package: str, version: str) -> bool:
    """Whether a golden document says that this version of a source package has the flaw."""
    (found,) = read(RedHat(), golden(HERE, name))
    return any(
        said.claim is Claim.AFFECTED
        and (said.introduced is None or (compare(Ordering.RPM, version, said.introduced) or 0) >= 0)
        and (said.fixed is None or (compare(Ordering.RPM, version, said.fixed) or 0) < 0)
        and (said.last_affected is None or (compare(Ordering.RPM, version, said.last_affected) or 0) <= 0)
        for said in found.statements
        if (said.distribution, said.package, said.is_source) == (distribution, package, True)
    )


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [
        ("5.14.0-70.13.1.el9_0", True),
        ("5.14.0-284.69.1.el9_2", True),
        ("5.14.0-284.70.1.el9_2", False),
        ("5.14.0-284.99.1.el9_2", False),
        ("5.14.0-362.8.1.el9_3", True),
        ("5.14.0-427.13.1.el9_4", True),
        ("5.14.0-427.18.1.el9_4", False),
        ("5.14.0-427.50.1.el9_4", False),
        ("5.14.0-500.el9", True),
        ("5.14.0-503.11.1.el9_5", False),
        ("5.14.0-570.12.1.el9_6", False),
    ],
)
def test_a_kernel_is_held_against_the_fix_of_its_own_minor_release(version: str, is_affected: bool) -> None:
    """Newer than the fix of an older minor release is not fixed; the fix of an extended stream counts where it is."""
    assert is_affected == affected("kernel", "rhel:9", "kernel", version)


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [
        ("1:16.20.2-3.module+el8.9.0+19519+e25b965a", True),
        ("1:18.19.8-1.module+el8.9.0+21000+aaaaaaaa", True),
        ("1:18.20.2-1.module+el8.10.0+22000+bbbbbbbb", False),
        ("1:20.11.1-1.module+el8.9.0+21380+12032667", True),
        ("1:20.12.2-2.module+el8.10.0+22000+cccccccc", False),
        ("1:22.2.0-1.module+el8.10.0+22000+dddddddd", False),
    ],
)
def test_streams_of_a_module_are_held_apart_by_their_versions(version: str, is_affected: bool) -> None:
    """What nodejs:20 is fixed in says nothing of nodejs:18, and nodejs:16 without a fix says nothing of either."""
    assert is_affected == affected("modules", "rhel:8", "nodejs", version)


def test_live_patch_packages_keep_their_names() -> None:
    """Each as it is installed, with the version that has the fix; symbols and source packages of them are left out."""
    (found,) = read(RedHat(), golden(HERE, "kernel"))
    patches = {
        (said.package, said.is_source, said.fixed) for said in found.statements if said.package.startswith("kpatch")
    }
    assert {
        ("kpatch-patch-5_14_0-427_13_1", False, "1-3.el9_4"),
        ("kpatch-patch-5_14_0-427_16_1", False, "1-1.el9_4"),
    } == patches


def test_every_document_grades_its_cve() -> None:
    """Also one without a package of ours: other distributions take the severity and the date from it."""
    (grade,) = entry(vex(CVE)).grades
    assert (CVE, "medium", "2099-03-01") == (grade.cve, grade.severity, f"{grade.disclosed:%Y-%m-%d}")


@pytest.mark.parametrize(
    ("text", "severity"),
    [("Critical", "critical"), ("important", "high"), ("MODERATE", "medium"), ("Low", "low"), ("odd", "unknown")],
)
def test_severities_are_red_hats_own(text: str, severity: str) -> None:
    """Impact, not CVSS; in whatever case. What we do not know is unknown."""
    made = vex(CVE)
    made["document"]["aggregate_severity"]["text"] = text
    assert severity == entry(made).grades[0].severity


def branch(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"category": "vendor", "name": "x"}
    for _level in range(depth):
        made = {"category": "vendor", "name": "x", "branches": [made]}
    return made


def related(**relationship: Any) -> dict[str, Any]:
    good = {
        "full_product_name": {"product_id": "a:b"},
        "product_reference": "b",
        "relates_to_product_reference": "a",
    }
    return {"product_tree": {"branches": [], "relationships": [good | relationship]}}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"document": {"tracking": {"id": "RHSA-2099:1234"}}}, "/document/tracking/id"),
        ({"document": {"category": "csaf_security_advisory", "tracking": {"id": CVE}}}, "/document/category"),
        ({"product_tree": []}, "/product_tree"),
        ({"product_tree": {"branches": [branch(16)]}}, "is nested deeper than 16 branches"),
        ({"product_tree": {"branches": [{"product": {"product_id": 7}}]}}, "/product_tree/branches/0/product"),
        (related(product_reference=7), "/product_tree/relationships/0"),
        (related(full_product_name=[]), "/product_tree/relationships/0"),
        ({"product_tree": {"relationships": ["x"]}}, "/product_tree/relationships/0"),
        ({"product_tree": {"relationships": {}}}, "/product_tree/relationships"),
        ({"vulnerabilities": {}}, "/vulnerabilities"),
        (
            {"vulnerabilities": [{"cve": CVE, "product_status": {"fixed": "x"}}]},
            "/vulnerabilities/0/product_status/fixed",
        ),
        ({"vulnerabilities": [{"cve": CVE, "product_status": {"fixed": [1]}}]}, "/product_status/fixed/0"),
        ({"vulnerabilities": [{"cve": CVE, "remediations": ["x"]}]}, "/vulnerabilities/0/remediations/0"),
        (
            {"vulnerabilities": [{"cve": CVE, "remediations": [{"category": "vendor_fix", "product_ids": [None]}]}]},
            "/vulnerabilities/0/remediations/0/product_ids/0",
        ),
        ({"vulnerabilities": [{"cve": CVE, "release_date": "soon"}]}, "/vulnerabilities/0/release_date"),
    ],
)
def test_what_is_no_such_document_is_refused_with_its_place(more: Any, place: str) -> None:
    """The JSON pointer of what is wrong."""
    with pytest.raises(FeedInvalid) as caught:
        entry(vex(CVE, **more))
    assert place in str(caught.value)


def test_a_text_of_ten_megabytes_is_refused() -> None:
    """Wherever it stands."""
    made = vex(CVE)
    made["document"]["notes"] = [{"text": "x" * 10_000_000}]
    with pytest.raises(FeedInvalid, match=r"/document/notes/0/text: is a text of 10000000 characters"):
        entry(made)


def test_a_tree_as_deep_as_it_may_be_is_read() -> None:
    """Sixteen branches, four times as many as there are."""
    assert () == entry(vex(CVE, product_tree={"branches": [branch(15)]})).statements


def test_nesting_that_python_cannot_follow_is_refused() -> None:
    """A file of brackets."""
    with pytest.raises(FeedInvalid, match="nested too deep"):
        entry(b'{"document": ' + b"[" * 200_000)


def test_many_products_are_read_in_no_more_than_proportional_time() -> None:
    """Tens of thousands of binary and source packages, none of which is held against each other."""
    count = 20_000
    versions = [
        {"product": {"product_id": f"p{n}", "product_identification_helper": {"purl": f"pkg:rpm/redhat/p{n}{arch}"}}}
        for n, arch in ((n, "?arch=src" if n % 2 else "") for n in range(count))
    ]
    rhel = {
        "product": {"product_id": "r", "product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9"}}
    }
    relations = [
        {
            "full_product_name": {"product_id": f"r:p{n}"},
            "product_reference": f"p{n}",
            "relates_to_product_reference": "r",
        }
        for n in range(count)
    ]
    made = vex(CVE, product_tree={"branches": [rhel, *versions], "relationships": relations})
    made["vulnerabilities"][0]["product_status"] = {"known_affected": [f"r:p{n}" for n in range(count)]}
    assert count == len(entry(made).statements)
