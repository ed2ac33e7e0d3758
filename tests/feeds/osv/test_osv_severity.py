"""Severities in OSV records."""

import pytest

from orchestrator.core.patches import Severity
from orchestrator.feeds.osv_severity import heading, score, vector, word

CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


@pytest.mark.parametrize(
    ("items", "severity"),
    [
        ([], Severity.UNKNOWN),
        ([("CVSS_V3", CRITICAL)], Severity.CRITICAL),
        ([("CVSS_V3", CRITICAL), ("Ubuntu", "low")], Severity.LOW),
        ([("CVSS_V3", CRITICAL), ("Ubuntu", "untriaged")], Severity.CRITICAL),
        ([("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C")], Severity.HIGH),
        (
            [("CVSS_V3", CRITICAL), ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N")],
            Severity.MEDIUM,
        ),
        ([("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N")], Severity.LOW),
        ([("Vendor", "critical")], Severity.UNKNOWN),
    ],
)
def test_the_distributions_own_scale_comes_first(items: list[tuple[str, str]], severity: Severity) -> None:
    """Then the newest CVSS."""
    assert score(items) is severity


@pytest.mark.parametrize("text", ["", "CVSS:3.1", "CVSS:3.1/AV:N", "9.8", "AV:N/AC:L", "CVSS:3.1/" + "AV:N/" * 1_000])
@pytest.mark.parametrize("kind", ["CVSS_V2", "CVSS_V3", "CVSS_V4", "CVSS_V9"])
def test_a_vector_that_is_none_says_nothing(kind: str, text: str) -> None:
    """It is unknown, and no error: the rest of the record is good."""
    assert vector(kind, text) is Severity.UNKNOWN


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("Important", Severity.HIGH),
        ("moderate", Severity.MEDIUM),
        ("negligible", Severity.LOW),
        ("not yet assigned", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
        (["high"], Severity.UNKNOWN),
    ],
)
def test_words_of_distributions(text: object, severity: Severity) -> None:
    """Ubuntu's, Debian's and Red Hat's."""
    assert word(text) is severity


@pytest.mark.parametrize(
    ("summary", "severity"),
    [
        ("Important: kernel security update", Severity.HIGH),
        ("container-tools:rhel8 bug fix update", Severity.UNKNOWN),
        ("important update", Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_advisories_are_headed_by_their_severity(summary: str | None, severity: Severity) -> None:
    """As AlmaLinux and Rocky Linux do it."""
    assert heading(summary) is severity
