"""CISA's catalogue."""

from datetime import UTC, date, datetime

from orchestrator.core.advisories import Entry, Grade
from tests.feeds.feed_case import FeedCase, as_json

DOCUMENT = {
    "title": "Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2099.02.03",
    "dateReleased": "2099-02-03T15:00:12.3456Z",
    "count": 2,
    "vulnerabilities": [
        {
            "cveID": "CVE-2099-0001",
            "vendorProject": "Linux",
            "product": "Kernel",
            "vulnerabilityName": "Linux Kernel Use-After-Free",
            "dateAdded": "2099-02-03",
            "shortDescription": "A made-up flaw.",
            "requiredAction": "Apply mitigations.",
            "dueDate": "2099-02-24",
            "knownRansomwareCampaignUse": "Known",
            "notes": "",
            "cwes": ["CWE-416"],
        },
        {
            "cveID": "CVE-2098-12345",
            "vendorProject": "Example",
            "product": "Server",
            "vulnerabilityName": "Example Server \u202eOverflow",
            "dateAdded": "2098-11-30",
            "knownRansomwareCampaignUse": "Unknown",
        },
    ],
}

CASE = FeedCase(
    feed="kev",
    part="kev",
    name="known_exploited_vulnerabilities.json",
    content=as_json(DOCUMENT),
    says=(
        Entry(
            id="CVE-2099-0001",
            title="Linux Kernel Use-After-Free",
            published=datetime(2099, 2, 3, tzinfo=UTC),
            grades=(
                Grade(
                    cve="CVE-2099-0001",
                    kev_added=date(2099, 2, 3),
                    kev_due=date(2099, 2, 24),
                    where="/vulnerabilities/0",
                ),
            ),
        ),
        Entry(
            id="CVE-2098-12345",
            title="Example Server �Overflow",
            published=datetime(2098, 11, 30, tzinfo=UTC),
            grades=(Grade(cve="CVE-2098-12345", kev_added=date(2098, 11, 30), where="/vulnerabilities/1"),),
        ),
    ),
    twice=as_json(DOCUMENT | {"vulnerabilities": [DOCUMENT["vulnerabilities"][0]] * 2}),  # type: ignore[index]
    document=DOCUMENT,
    needed=((), ("vulnerabilities",), ("vulnerabilities", 0), ("vulnerabilities", 0, "cveID")),
    dates=(
        ("dateReleased",),
        ("vulnerabilities", 0, "dateAdded"),
        ("vulnerabilities", 0, "dueDate"),
    ),
)
