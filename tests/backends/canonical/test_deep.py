"""What a deep check tells: what waits to be applied, until when the kernel is covered, and the subscription."""

from datetime import date

import pytest

from orchestrator.backends.canonical import Canonical
from orchestrator.core.facts import Deep, ToolState, Update
from orchestrator.probe.answer import Section
from tests.backends.answered import absent, section
from tests.backends.canonical.answers import check, raw, status

LIVEPATCH = (Update(name="livepatch"),)
REBOOT = (Update(name="kernel", needs_reboot=True),)
UNTIL = date(2026, 5, 14)


def deep(name: str, pro: Section | None = None) -> Deep | None:
    """What is read of that answer of the client, and of pro's."""
    return Canonical().read_deep(check(status(raw(name)), *([pro] if pro else [])))


@pytest.mark.parametrize(
    ("name", "updates", "until"),
    [
        ("json_applied", (), UNTIL),
        ("json_nothing_supported", (), UNTIL),
        ("json_unapplied", LIVEPATCH, UNTIL),
        ("json_apply_failed_lists_fixes", LIVEPATCH, UNTIL),
        ("json_check_failed", None, UNTIL),
        ("json_needs_check", None, None),
        ("json_applied_with_bug", None, UNTIL),
        ("json_applied_kernel_upgrade_required", REBOOT, UNTIL),
        ("json_truncated", None, None),
        ("yaml_applied", (), None),
        ("yaml_newer_with_lists", (), UNTIL),
        ("yaml_check_failed", None, None),
        ("plain_oldest_patched", None, None),
        ("plain_oldest_not_patched", LIVEPATCH, None),
        ("humane_until", (), UNTIL),
        ("humane_2023_until", (), UNTIL),
        ("humane_coverage_ended", REBOOT, date(2025, 11, 30)),
        ("humane_downloaded", LIVEPATCH, None),
        ("humane_check_failed", None, None),
    ],
)
def test_what_waits_to_be_applied(name: str, updates: tuple[Update, ...] | None, until: date | None) -> None:
    """Nothing only where the client has asked its server; which version comes next it never says."""
    assert Deep(updates=updates, coverage_until=until) == deep(name)


@pytest.mark.parametrize(
    ("held", "updates"),
    [
        ("", ()),
        ("check-interval: 60\n", ()),
        ('cutoff-date: "2025-01-01T00:00:00Z"\n', ()),
        ("mode=no-apply\n", ()),
        ("check-interval: 0\n", None),
        ("mode=no-refresh\n", None),
    ],
)
def test_a_client_that_asks_its_server_no_more(held: str, updates: tuple[Update, ...] | None) -> None:
    """That nothing waits is what it knew when it asked last: it cannot be told."""
    told = Canonical().read_deep(check(status(raw("json_applied")), section("canonical_pin", held)))
    assert updates == (told and told.updates)


@pytest.mark.parametrize(
    ("name", "state", "detail"),
    [
        ("enabled", None, None),
        ("expires_never", None, None),
        ("contract_ended", ToolState.UNLICENSED, "the contract of Ubuntu Pro ended on 2025-12-31"),
        ("contract_ended_without_zone", ToolState.UNLICENSED, "the contract of Ubuntu Pro ended on 2025-12-31"),
        ("not_entitled", ToolState.UNLICENSED, "the contract of Ubuntu Pro does not entitle to Livepatch"),
        ("warning_kernel_eol", ToolState.COVERAGE_EXPIRED, "Livepatch no longer covers the running kernel"),
        ("warning_kernel_not_supported", ToolState.UNSUPPORTED_KERNEL, "Livepatch does not cover the running kernel"),
        (
            "warning_kernel_upgrade_required",
            ToolState.COVERAGE_EXPIRED,
            "the coverage of the running kernel has ended",
        ),
        ("warning_client_failure_warning", None, "`pro status` warns: livepatch-client-failure-warning"),
        ("unattached", None, "the host is not attached to Ubuntu Pro"),
        ("truncated", None, "`pro status` could not be read"),
        ("attached_as_text", None, "`pro status` could not be read"),
        ("services_of_wrong_type", None, None),
    ],
)
def test_what_the_subscription_says(name: str, state: ToolState | None, detail: str | None) -> None:
    """What it says against Livepatch is a state; a host with a server or token of its own needs no subscription."""
    told = deep("json_applied", section("canonical_pro", raw(f"pro_{name}")))
    assert Deep(updates=(), coverage_until=UNTIL, state=state, detail=detail) == told


@pytest.mark.parametrize(
    "pro", [absent("canonical_pro"), section("canonical_pro", b"", 1), section("canonical_pro", b"")]
)
def test_a_host_without_an_answer_of_pro(pro: Section) -> None:
    """Nothing is said of a subscription that could not be asked about."""
    assert Deep(updates=(), coverage_until=UNTIL) == deep("json_applied", pro)


def test_a_host_without_the_client_has_no_deep_part() -> None:
    """Neither where it is absent nor where its answer did not come."""
    assert None is Canonical().read_deep(check(absent("canonical_status")))
    assert None is Canonical().read_deep(check())
