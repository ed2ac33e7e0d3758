"""An archive of osv.dev."""

import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

from orchestrator.core.advisories import Entry, ModuleFix, Statement
from orchestrator.core.patches import Severity
from tests.feeds.feed_case import FeedCase


def as_zip(document: Any) -> bytes:
    """One member per record, by name; anything else becomes a single member."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, record in document.items() if isinstance(document, dict) else (("odd.json", document),):
            archive.writestr(zipfile.ZipInfo(name or "none"), json.dumps(record, ensure_ascii=False).encode())
    return made.getvalue()


_FIXED = {
    "package": {"ecosystem": "Ubuntu:22.04:LTS", "name": "frob", "purl": "pkg:deb/ubuntu/frob@1.0-1?arch=source"},
    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0-1ubuntu0.1"}]}],
    "versions": ["1.0-1"],
    "ecosystem_specific": {"availability": "No subscription required"},
}

CVE = {
    "schema_version": "1.7.0",
    "id": "UBUNTU-CVE-2099-0003",
    "details": "A made-up flaw.",
    "aliases": [],
    "upstream": ["CVE-2099-0003"],
    "severity": [{"type": "Ubuntu", "score": "high"}],
    "published": "2099-01-02T03:04:05Z",
    "modified": "2099-01-03T00:00:00Z",
    "affected": [_FIXED],
}

NOTICE = {
    "schema_version": "1.7.0",
    "id": "USN-9903-1",
    "summary": "frob vulnerability",
    "upstream": ["UBUNTU-CVE-2099-0003"],
    "published": "2099-01-10T12:00:00Z",
    "modified": "2099-01-10T12:00:00Z",
    "affected": [
        _FIXED
        | {
            "database_specific": {
                "cves_map": {
                    "ecosystem": "Ubuntu:22.04:LTS",
                    "cves": [{"id": "CVE-2099-0003", "severity": [{"type": "Ubuntu", "score": "low"}]}],
                }
            }
        }
    ],
    "references": [{"type": "ADVISORY", "url": "https://ubuntu.example/USN-9903-1"}],
}

LIVE_PATCH = {
    "schema_version": "1.7.0",
    "id": "LSN-0909-1",
    "summary": "Kernel Live Patch Security Notice",
    "upstream": ["UBUNTU-CVE-2099-0004"],
    "published": "2099-01-11T00:00:00Z",
    "modified": "2099-01-11T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "Ubuntu:Pro:22.04:LTS", "name": "linux"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "5.15.0-999.999"}]}],
            "ecosystem_specific": {
                "module_name_regex": r"lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)",
                "module_version": "909",
            },
        }
    ],
}

_MEMBERS = {"UBUNTU-CVE-2099-0003.json": CVE, "USN-9903-1.json": NOTICE, "LSN-0909-1.json": LIVE_PATCH}
_CVE = "UBUNTU-CVE-2099-0003.json"

CASE = FeedCase(
    feed="osv",
    part="osv/Ubuntu",
    name="all.zip",
    content=as_zip(_MEMBERS),
    says=(
        Entry(
            id="UBUNTU-CVE-2099-0003",
            title="A made-up flaw.",
            published=datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC),
            modified=datetime(2099, 1, 3, tzinfo=UTC),
            statements=(
                Statement(
                    cve="CVE-2099-0003",
                    distribution="ubuntu:22.04",
                    package="frob",
                    fixed="1.0-1ubuntu0.1",
                    severity=Severity.HIGH,
                    disclosed=datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC),
                    where="UBUNTU-CVE-2099-0003.json#/affected/0",
                ),
            ),
        ),
        Entry(
            id="USN-9903-1",
            title="frob vulnerability",
            url="https://ubuntu.example/USN-9903-1",
            published=datetime(2099, 1, 10, 12, tzinfo=UTC),
            modified=datetime(2099, 1, 10, 12, tzinfo=UTC),
            statements=(
                Statement(
                    cve="CVE-2099-0003",
                    distribution="ubuntu:22.04",
                    package="frob",
                    fixed="1.0-1ubuntu0.1",
                    severity=Severity.LOW,
                    published=datetime(2099, 1, 10, 12, tzinfo=UTC),
                    where="USN-9903-1.json#/affected/0",
                ),
            ),
        ),
        Entry(
            id="LSN-0909-1",
            title="Kernel Live Patch Security Notice",
            published=datetime(2099, 1, 11, tzinfo=UTC),
            modified=datetime(2099, 1, 11, tzinfo=UTC),
            module_fixes=(
                ModuleFix(
                    cve="CVE-2099-0004",
                    distribution="ubuntu:22.04",
                    package="linux",
                    pattern=r"lkp_Ubuntu_5_15_0[_|\d]+_generic_(\d+)",
                    version=909,
                    published=datetime(2099, 1, 11, tzinfo=UTC),
                    where="LSN-0909-1.json#/affected/0",
                ),
            ),
        ),
    ),
    twice=as_zip(_MEMBERS | {"again.json": CVE}),
    document=_MEMBERS,
    write=as_zip,
    needed=(
        (),
        (_CVE, "id"),
        (_CVE, "affected", 0),
        (_CVE, "affected", 0, "package", "ecosystem"),
        (_CVE, "affected", 0, "package", "name"),
        (_CVE, "affected", 0, "ranges", 0, "type"),
        (_CVE, "affected", 0, "ranges", 0, "events"),
        (_CVE, "affected", 0, "ranges", 0, "events", 0),
        (_CVE, "affected", 0, "ranges", 0, "events", 0, "introduced"),
        (_CVE, "severity", 0, "score"),
        ("USN-9903-1.json", "affected", 0, "database_specific", "cves_map", "cves", 0, "id"),
    ),
    dates=((_CVE, "published"), (_CVE, "modified"), ("USN-9903-1.json", "published"), ("LSN-0909-1.json", "published")),
)
