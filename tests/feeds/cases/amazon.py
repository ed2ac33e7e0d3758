"""The updateinfo of a repository of Amazon Linux."""

import gzip
from datetime import UTC, datetime

from orchestrator.core.advisories import Entry, Statement
from orchestrator.core.patches import Severity
from tests.feeds.feed_case import FeedCase

_UPDATE = """<update from="linux-security@amazon.com" status="final" type="security" version="1.4">
<id>ALAS2023LIVEPATCH-2099-001</id><title>made up</title>
<issued date="2099-04-13 17:56"/><updated date="2099-05-09 18:35:00"/><severity>Important</severity>
<description>A made-up flaw.</description>
<references><reference href="" id="CVE-2099-0005" type="cve"/></references>
<pkglist><collection short="amazon-linux-2023---kernel-livepatch"><name>Amazon Linux 2023 - Kernel Livepatch</name>
<package arch="x86_64" epoch="0" name="kernel-livepatch-6.1.12-19.43" release="2.amzn2023" version="1.0"/>
</collection></pkglist></update>
"""


def _updateinfo(updates: str) -> bytes:
    return gzip.compress(f'<?xml version="1.0"?>\n<updates>{updates}</updates>\n'.encode(), mtime=0)


CASE = FeedCase(
    feed="amazon",
    part="amazon/2023/livepatch",
    name="updateinfo.xml.gz",
    content=_updateinfo(_UPDATE),
    says=(
        Entry(
            id="ALAS2023LIVEPATCH-2099-001",
            title="made up",
            url="https://alas.aws.amazon.com/AL2023/ALASLIVEPATCH-2099-001.html",
            published=datetime(2099, 4, 13, 17, 56, tzinfo=UTC),
            modified=datetime(2099, 5, 9, 18, 35, tzinfo=UTC),
            statements=(
                Statement(
                    cve="CVE-2099-0005",
                    distribution="amzn:2023",
                    package="kernel-livepatch-6.1.12-19.43",
                    is_source=False,
                    fixed="1.0-2.amzn2023",
                    severity=Severity.HIGH,
                    published=datetime(2099, 4, 13, 17, 56, tzinfo=UTC),
                    where="/updates/update[1]/pkglist[1]/collection[1]/package[1]",
                ),
            ),
        ),
    ),
    twice=_updateinfo(_UPDATE * 2),
)
