"""A live patch notice of Ubuntu."""

from datetime import UTC, datetime

from orchestrator.core.advisories import Entry, ModuleFix
from tests.feeds.feed_case import FeedCase, as_json

DOCUMENT = {
    "schema_version": "1.7.0",
    "id": "LSN-0910-1",
    "summary": "Kernel Live Patch Security Notice",
    "details": "A made-up flaw.)(CVE-2099-0005)",
    "aliases": [],
    "upstream": ["UBUNTU-CVE-2099-0005"],
    "related": [],
    "published": "2099-02-11T00:00:00Z",
    "modified": "2099-02-12T00:00:00Z",
    "affected": [
        {
            "package": {"ecosystem": "Ubuntu:Pro:24.04:LTS", "name": "linux-aws"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "6.8.0-1999.999"}]}],
            "versions": ["6.8.0-1001.1"],
            "ecosystem_specific": {
                "availability": "Livepatch subscription required",
                "module_name_regex": r"lkp_Ubuntu_6_8_0[_|\d]+_aws_(\d+)",
                "module_version": "910",
            },
        }
    ],
}

CASE = FeedCase(
    feed="ubuntu-lsn",
    part="ubuntu-lsn",
    name="LSN-0910-1.json",
    content=as_json(DOCUMENT),
    says=(
        Entry(
            id="LSN-0910-1",
            title="Kernel Live Patch Security Notice",
            published=datetime(2099, 2, 11, tzinfo=UTC),
            modified=datetime(2099, 2, 12, tzinfo=UTC),
            module_fixes=(
                ModuleFix(
                    cve="CVE-2099-0005",
                    distribution="ubuntu:24.04",
                    package="linux-aws",
                    pattern=r"lkp_Ubuntu_6_8_0[_|\d]+_aws_(\d+)",
                    version=910,
                    published=datetime(2099, 2, 11, tzinfo=UTC),
                    where="/affected/0",
                ),
            ),
        ),
    ),
    twice=None,
    document=DOCUMENT,
    needed=((), ("id",), ("affected", 0), ("affected", 0, "package", "name")),
    dates=(("published",), ("modified",)),
)
