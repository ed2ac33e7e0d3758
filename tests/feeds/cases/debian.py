"""Debian's security tracker."""

from orchestrator.core.advisories import Claim, Entry, Statement
from orchestrator.core.patches import Severity
from tests.feeds.feed_case import FeedCase, as_json

DOCUMENT = {
    "linux": {
        "CVE-2099-0001": {
            "description": "A made-up use-after-free.",
            "scope": "local",
            "debianbug": 1099999,
            "releases": {
                "bookworm": {
                    "status": "resolved",
                    "repositories": {"bookworm": "6.1.190-1", "bookworm-security": "6.1.192-2"},
                    "fixed_version": "6.1.192-2",
                    "urgency": "not yet assigned",
                },
                "trixie": {
                    "status": "open",
                    "repositories": {"trixie": "6.12.99-1"},
                    "urgency": "low",
                    "nodsa": "Minor issue",
                    "nodsa_reason": "postponed",
                },
            },
        },
        "TEMP-0000001-ABCDEF": {"releases": {"trixie": {"status": "open", "urgency": "not yet assigned"}}},
    },
    "frob": {
        "CVE-2099-0002": {"releases": {"sid": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"}}}
    },
}

_URL = "https://security-tracker.debian.org/tracker/source-package"
_BOOKWORM = ("linux", "CVE-2099-0001", "releases", "bookworm")

CASE = FeedCase(
    feed="debian",
    part="debian",
    name="tracker.json",
    content=as_json(DOCUMENT),
    says=(
        Entry(
            id="linux/2099",
            title="linux, CVEs of 2099",
            url=f"{_URL}/linux",
            statements=(
                Statement(
                    cve="CVE-2099-0001",
                    distribution="debian:12",
                    package="linux",
                    fixed="6.1.192-2",
                    where="/linux/CVE-2099-0001/releases/bookworm",
                ),
                Statement(
                    cve="CVE-2099-0001",
                    distribution="debian:13",
                    package="linux",
                    severity=Severity.LOW,
                    note="postponed: Minor issue",
                    where="/linux/CVE-2099-0001/releases/trixie",
                ),
            ),
        ),
        Entry(
            id="frob/2099",
            title="frob, CVEs of 2099",
            url=f"{_URL}/frob",
            statements=(
                Statement(
                    cve="CVE-2099-0002",
                    distribution="debian:sid",
                    package="frob",
                    claim=Claim.NOT_AFFECTED,
                    where="/frob/CVE-2099-0002/releases/sid",
                ),
            ),
        ),
    ),
    twice=as_json(DOCUMENT)[:-1] + b', "linux": {}}',
    document=DOCUMENT,
    needed=((), _BOOKWORM[:-1], (*_BOOKWORM, "status")),
)
