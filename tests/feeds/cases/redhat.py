"""An archive of Red Hat's documents."""

from datetime import UTC, datetime
from typing import Any

from orchestrator.core.advisories import Entry, Grade, Statement
from orchestrator.core.patches import Severity
from tests.feeds.feed_case import FeedCase
from tests.feeds.redhat.archives import tar_of, zstd

MEMBER = "2099/cve-2099-0004.json"
_BASEOS, _KERNEL, _PATCH = "BaseOS-9.4.0.Z.MAIN", "kernel-0:5.14.0-427.18.1.el9_4.src", "kpatch-patch-5_14_0-427_13_1"


def as_archive(document: Any) -> bytes:
    """One member, under the name of the good document."""
    return zstd(tar_of({MEMBER: document}))


def _relation(component: str, product: str) -> dict[str, Any]:
    return {
        "category": "default_component_of",
        "full_product_name": {"name": component, "product_id": f"{product}:{component}"},
        "product_reference": component,
        "relates_to_product_reference": product,
    }


def _product(product_id: str, helper: str, value: str) -> dict[str, Any]:
    product = {"name": product_id, "product_id": product_id, "product_identification_helper": {helper: value}}
    return {
        "category": "product_name" if helper == "cpe" else "product_version",
        "name": product_id,
        "product": product,
    }


DOCUMENT: dict[str, Any] = {
    "document": {
        "aggregate_severity": {"text": "Important"},
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {"category": "vendor", "namespace": "https://www.redhat.com"},
        "title": "kernel: made up",
        "tracking": {
            "current_release_date": "2099-03-02T00:00:00+00:00",
            "id": "CVE-2099-0004",
            "initial_release_date": "2099-03-01T00:00:00+00:00",
            "status": "final",
        },
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "Red Hat",
                "branches": [
                    _product(_BASEOS, "cpe", "cpe:/o:redhat:enterprise_linux:9::baseos"),
                    _product(_KERNEL, "purl", "pkg:rpm/redhat/kernel@5.14.0-427.18.1.el9_4?arch=src"),
                    _product(_PATCH, "purl", f"pkg:rpm/redhat/{_PATCH}@1-3.el9_4?arch=x86_64"),
                ],
            }
        ],
        "relationships": [_relation(_KERNEL, _BASEOS), _relation(_PATCH, _BASEOS)],
    },
    "vulnerabilities": [
        {
            "cve": "CVE-2099-0004",
            "product_status": {"fixed": [f"{_BASEOS}:{_KERNEL}", f"{_BASEOS}:{_PATCH}"]},
            "release_date": "2099-02-27T00:00:00+00:00",
            "remediations": [
                {
                    "category": "vendor_fix",
                    "date": "2099-03-20T00:00:00+00:00",
                    "product_ids": [f"{_BASEOS}:{_KERNEL}"],
                    "url": "https://access.redhat.com/errata/RHSA-2099:2001",
                }
            ],
        }
    ],
}

_DISCLOSED = datetime(2099, 2, 27, tzinfo=UTC)
_TRACKING = ("document", "tracking")

CASE = FeedCase(
    feed="redhat",
    part="redhat",
    name="csaf_vex_2099-03-05.tar.zst",
    content=as_archive(DOCUMENT),
    says=(
        Entry(
            id="CVE-2099-0004",
            title="kernel: made up",
            url="https://access.redhat.com/security/cve/CVE-2099-0004",
            published=datetime(2099, 3, 1, tzinfo=UTC),
            modified=datetime(2099, 3, 2, tzinfo=UTC),
            statements=(
                Statement(
                    cve="CVE-2099-0004",
                    distribution="rhel:9",
                    package="kernel",
                    fixed="5.14.0-427.18.1.el9_4",
                    severity=Severity.HIGH,
                    disclosed=_DISCLOSED,
                    published=datetime(2099, 3, 20, tzinfo=UTC),
                    note="RHSA-2099:2001",
                    where=f"{MEMBER}#/vulnerabilities/0/product_status/fixed/0",
                ),
                Statement(
                    cve="CVE-2099-0004",
                    distribution="rhel:9",
                    package=_PATCH,
                    is_source=False,
                    fixed="1-3.el9_4",
                    severity=Severity.HIGH,
                    disclosed=_DISCLOSED,
                    where=f"{MEMBER}#/vulnerabilities/0/product_status/fixed/1",
                ),
            ),
            grades=(
                Grade(
                    cve="CVE-2099-0004",
                    severity=Severity.HIGH,
                    disclosed=_DISCLOSED,
                    where=f"{MEMBER}#/vulnerabilities/0",
                ),
            ),
        ),
    ),
    twice=zstd(tar_of({MEMBER: DOCUMENT, f"./{MEMBER}": DOCUMENT})),
    document=DOCUMENT,
    write=as_archive,
    needed=((), ("document",), _TRACKING, (*_TRACKING, "id")),
    dates=(
        (*_TRACKING, "current_release_date"),
        (*_TRACKING, "initial_release_date"),
        ("vulnerabilities", 0, "release_date"),
        ("vulnerabilities", 0, "remediations", 0, "date"),
    ),
)
