"""What another policy would change, counted before anybody decides."""

from datetime import date

from orchestrator.core.acceptances import AcceptedRisks, Scope
from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import DEFAULT_POLICY, Policy
from orchestrator.core.sla_preview import LISTED, Breach, Preview, Shift, preview, preview_row
from orchestrator.core.standings import Standing
from tests.core.sla_builders import CVE, HOST, OTHER, acceptance, day, policy, record, span, standing

CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN = Severity


def look(changed: Policy, *standings: Standing, risks: AcceptedRisks | None = None) -> Preview:
    """On day 10."""
    return preview(changed, standings, {HOST.id: HOST}, risks or AcceptedRisks(), day(10))


def test_the_same_policy_changes_nothing() -> None:
    """Whatever the base: a raise and a reopening keep theirs."""
    raised = span(0, severity=CRITICAL, grades=((MEDIUM, 0), (CRITICAL, 9)), due=11)
    reopened = (span(0, 4, due=30), span(8, due=30))
    listed = {"kev_due": date(2026, 2, 1), "kev_since": day(1)}
    found = look(
        DEFAULT_POLICY,
        standing(span(0, due=30), cves=(CVE, OTHER)),
        standing(raised),
        standing(*reopened),
        standing(span(0, severity=LOW)),
        standing(span(0, due=15), kev=listed),
    )
    assert (0, {Shift.SAME: 4}, {Shift.SAME: 1}, {Shift.SAME: 1}) == (
        found.changed,
        found.shifts[MEDIUM],
        found.shifts[CRITICAL],
        found.shifts[LOW],
    )
    assert (0, 0) == (found.breached, found.relieved)


def test_shifts_are_counted_by_severity() -> None:
    """Earlier, later, dated, undated; closed windows and hosts that are not listed left out."""
    changed = policy(levels={"critical": "3d", "high": "20d", "medium": "none", "low": "none", "unknown": "5d"})
    found = look(
        changed,
        standing(span(9, due=11, severity=CRITICAL)),
        standing(span(9, due=39, severity=HIGH), cves=(CVE, OTHER)),
        standing(span(9, due=39)),
        standing(span(9, severity=UNKNOWN)),
        standing(span(0, 5, due=30)),
        standing(span(9, due=39), host=record("gone")),
    )
    assert {
        CRITICAL: {Shift.LATER: 1},
        HIGH: {Shift.EARLIER: 2},
        MEDIUM: {Shift.UNDATED: 1},
        UNKNOWN: {Shift.DATED: 1},
    } == found.shifts
    assert 5 == found.changed


def test_what_would_be_overdue_at_once_is_named() -> None:
    """By host and CVE; accepted risks are not alerted."""
    changed = policy(levels={"high": "5d", "medium": "5d"})
    open_window = standing(span(0, due=30), cves=(CVE, OTHER))
    risks = AcceptedRisks([acceptance(0, 20, scope=Scope.EVERYWHERE, value="")])
    expected = (Breach(host="web1", cve=OTHER, severity=MEDIUM, due_at=day(5)),)
    found = look(changed, open_window, risks=risks)
    assert (1, 0, expected) == (found.breached, found.relieved, found.examples)
    assert (2, 0) == (look(changed, open_window).breached, look(changed, open_window).relieved)


def test_what_would_no_longer_be_overdue_is_counted() -> None:
    """More time for the critical ones."""
    changed = policy(levels={"critical": "20d"})
    found = look(changed, standing(span(0, due=2, severity=CRITICAL)))
    assert (0, 1, ()) == (found.breached, found.relieved, found.examples)


def test_cves_of_kev_have_dates_of_their_own() -> None:
    """In a standing that has others too."""
    listed = standing(span(0, due=30), cves=(CVE, OTHER))
    plain, exploited = listed.marks
    mixed = listed.model_copy(update={"marks": (plain, exploited._replace(kev_due=date(2026, 2, 20)))})
    assert {MEDIUM: {Shift.SAME: 1, Shift.EARLIER: 1}} == look(DEFAULT_POLICY, mixed).shifts


def test_of_many_the_first_are_named_and_all_counted() -> None:
    """A fleet may have millions."""
    changed = policy(levels={"high": "5d", "medium": "5d"})
    cves = tuple(f"CVE-2099-{number}" for number in range(1000, 1080))
    found = look(changed, *(standing(span(0, due=30), cves=cves) for _ in range(120)))
    assert (9600, LISTED, "CVE-2099-1000") == (found.breached, len(found.examples), found.examples[0].cve)


def test_as_json() -> None:
    """Every severity and shift is there."""
    row = preview_row(look(policy(levels={"high": "5d", "medium": "5d"}), standing(span(0, due=30))))
    nothing = {"same": 0, "earlier": 0, "later": 0, "dated": 0, "undated": 0}
    assert {
        "changed": 1,
        "severities": {
            "critical": nothing,
            "high": nothing,
            "medium": nothing | {"earlier": 1},
            "low": nothing,
            "unknown": nothing,
        },
        "breached_at_once": 1,
        "no_longer_breached": 0,
        "examples": [{"host": "web1", "cve": CVE, "severity": "medium", "due_at": "2026-02-06T00:00:00Z"}],
    } == row
