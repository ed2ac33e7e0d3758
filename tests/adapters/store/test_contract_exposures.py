"""What every store does with standings and closures."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.patches import Severity
from orchestrator.core.standings import Gap, Graded, Mark
from orchestrator.errors import NotFound
from orchestrator.ports.store import Store
from tests.adapters.store.samples import (
    HOUR,
    T0,
    check,
    closed_span,
    closure,
    host,
    mark,
    span,
    standing,
)
from tests.core.exposure_builders import closed_windows

NOW = T0 + HOUR / 2


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows web1 and web2."""
    store.hosts.save([host("web1"), host("web2")])
    return store


def test_standings_come_back_as_they_were(register: Store) -> None:
    """Every field of them, of their windows and of their CVEs."""
    full = span(
        T0 + 5 * HOUR,
        grades=(Graded(Severity.LOW, T0), Graded(Severity.HIGH, T0 + HOUR)),
        is_reopened=True,
        gaps=(Gap(T0, T0 + HOUR), Gap(T0 + 2 * HOUR, T0 + 3 * HOUR)),
        due_at=T0 + 9 * HOUR,
        policy="default-1",
    )
    marks = (
        mark(1, 2),
        mark(2, 2, kev_due=date(2099, 4, 1), kev_since=T0),
        Mark("CVE-2099-0003", (None,) * 2, (None, T0)),
    )
    odd = closed_span(boot_id="\x00 '½")
    found = (standing("web1", odd, full, marks=marks), standing("web1", is_over=True, reason=None))
    register.exposures.replace_many({"id-web1": found})
    assert found == tuple(register.exposures.all())
    assert {"id-web1": found} == register.exposures.of(["id-web1", "id-web2", "id-ghost"])


def test_standings_of_a_host_are_replaced_whole(register: Store) -> None:
    """Those of other hosts stay; an empty list takes them all away."""
    both = (standing("web1", span()), standing("web1", marks=(mark(2, 0),)))
    register.exposures.replace_many({"id-web2": [standing("web2")], "id-web1": both})
    assert (*both, standing("web2")) == tuple(register.exposures.all())
    register.exposures.replace_many({"id-web1": both[:1]})
    assert (both[0], standing("web2")) == tuple(register.exposures.all())
    register.exposures.replace_many({"id-web1": []})
    assert (standing("web2"),) == tuple(register.exposures.all())


def test_what_stays_of_a_host_and_what_is_new_stand_together(register: Store) -> None:
    """Whichever of the earlier ones go; those of one host with equal values are both there."""
    early = [standing("web1", span(), marks=(mark(n),)) for n in range(4)]
    late = [early[3], early[1], *(standing("web1", span(), marks=(mark(n),)) for n in (7, 8, 9, 9))]
    register.exposures.replace_many({"id-web1": early})
    register.exposures.replace_many({"id-web1": late})
    assert sorted(late, key=repr) == sorted(register.exposures.all(), key=repr)


def test_equal_marks_are_the_same_object(register: Store) -> None:
    """Whatever is counted of them is counted once for all hosts that have them."""
    for name in ("web1", "web2"):
        register.exposures.replace_many({f"id-{name}": [standing(name, span())]})
    if type(register).__name__ != "FakeStore":
        assert 1 == len(
            {id(one.marks) for one in (*register.exposures.all(), *register.exposures.with_cve("CVE-2099-0001"))}
        )


def test_standings_are_found_by_cve(register: Store) -> None:
    """By the whole name, however many others stand with it."""
    many = tuple(mark(n, 1) for n in range(1, 400))
    register.exposures.replace_many(
        {"id-web1": [standing("web1", span(), marks=many)], "id-web2": [standing("web2", marks=(mark(399, 0),))]}
    )
    found = {number: register.exposures.with_cve(f"CVE-2099-{number}") for number in ("0001", "0399", "039")}
    assert {"0001": ["id-web1"], "0399": ["id-web1", "id-web2"], "039": []} == {
        number: [one.host_id for one in standings] for number, standings in found.items()
    }
    assert many == found["0001"][0].marks
    assert {"id-web1", "id-web2"} == register.exposures.hosts_with({"CVE-2099-0399", "CVE-2099-9999"})
    assert {"id-web1"} == register.exposures.hosts_with({"CVE-2099-0001"})
    assert frozenset() == register.exposures.hosts_with(set())


def test_a_window_is_closed_once(register: Store) -> None:
    """Recomputing adds nothing twice, and a closure keeps what it was first written with; it outlives its host."""
    for _ in range(3):
        register.exposures.replace_many({"id-web1": [standing("web1", closed_span())]})
    register.exposures.replace_many({"id-web1": [standing("web1", closed_span(severity=Severity.LOW))]})
    register.exposures.replace_many({"id-web1": []})
    assert (closure(),) == register.exposures.closures()


def test_what_closed_together_is_one_closure(register: Store) -> None:
    """Of all standings of the host, whatever they came to since; each CVE with the dates of this window."""
    again = standing("web1", closed_span(), closed_span(T0 + 5 * HOUR), marks=(mark(3, 2), mark(4, 2)))
    once = standing("web1", closed_span(), marks=(mark(1, 1, kev_due=date(2099, 4, 1)),))
    register.exposures.replace_many({"id-web2": [standing("web2", closed_span())], "id-web1": [again, once]})
    late = mark(3, 2)._replace(disclosed=mark().disclosed, fixes=(None,))
    assert (
        closure("web1", None, mark(1, kev_due=date(2099, 4, 1)), mark(3), mark(4)),
        closure("web1", closed_span(T0 + 5 * HOUR), late, late._replace(cve="CVE-2099-0004")),
        closure("web2"),
    ) == register.exposures.closures()


def test_other_groups_close_nothing_twice(register: Store) -> None:
    """A window is known by host, CVE, detection and end, whatever it was appended with."""
    register.exposures.replace_many({"id-web1": [standing("web1", closed_span(), marks=(mark(1), mark(2)))]})
    apart = [standing("web1", closed_span(), marks=(mark(n),)) for n in (2, 1)]
    register.exposures.replace_many({"id-web1": apart})
    register.exposures.replace_many({"id-web1": [standing("web1", closed_span(), marks=(mark(1), mark(2), mark(3)))]})
    assert [["CVE-2099-0001", "CVE-2099-0002"], ["CVE-2099-0003"]] == [
        [window.cve for window in closed_windows(one)] for one in register.exposures.closures()
    ]


def test_a_window_that_was_withdrawn_may_still_be_closed(register: Store) -> None:
    """A host that was retired and came back: the end by retirement stays, and the fix that came later counts too."""
    withdrawn, fixed = closed_span(method=ClosedBy.WITHDRAWN), closed_span(closed_at=T0 + 2 * HOUR)
    for one in (withdrawn, fixed):
        register.exposures.replace_many({"id-web1": [standing("web1", one)]})
    assert (closure("web1", withdrawn), closure("web1", fixed)) == register.exposures.closures()


def test_closures_are_read_on_from_where_one_was(register: Store) -> None:
    """In the order in which they were appended, which is not that in which the windows closed."""
    late, early = closure("web1", closed_span(T0 + HOUR)), closure("web2")
    for one in (late, early, late):
        host_id = one.host_id
        register.exposures.replace_many({host_id: [standing(host_id.removeprefix("id-"), one.span)]})
    assert [(late, early), (early,), (), ()] == [register.exposures.closures(skip) for skip in range(4)]
    assert [(), (late,), (late, early)] == [register.exposures.closures(0, most) for most in range(3)]
    assert (early,) == register.exposures.closures(1, 1)


def test_closures_are_found_by_when_they_closed(register: Store) -> None:
    """At that instant or later."""
    late, early = closure("web1", closed_span(T0 + HOUR)), closure("web2")
    register.exposures.replace_many(
        {"id-web1": [standing("web1", late.span)], "id-web2": [standing("web2", early.span)]}
    )
    since = [T0, T0 + HOUR, T0 + HOUR + timedelta(microseconds=1), T0 + 2 * HOUR, T0 + 3 * HOUR]
    assert [(late, early), (late, early), (late,), (late,), ()] == [
        register.exposures.closed_since(moment) for moment in since
    ]


def tallied(store: Store, now: datetime = NOW) -> list[tuple[str, str, str, int, datetime | None]]:
    """What is counted then."""
    return [
        (one.severity.value, one.state.value, one.remedy.value, one.count, one.oldest)
        for one in store.exposures.tallies(now)
    ]


UNKNOWN: dict[str, Any] = {"state": ExposureState.UNKNOWN, "reason": None, "remedy": Remedy.NONE}


def test_tallies_count_the_cves_that_concern_listed_hosts(register: Store) -> None:
    """By severity, state and remedy, with the oldest open window. What is over counts nowhere, nor does a host that was
    retired; what is unknown and not over does."""
    register.hosts.save([host("gone", retired_at=T0)])
    earlier = span(T0 - timedelta(microseconds=1))
    register.exposures.replace_many(
        {
            "id-web1": [
                standing("web1", span(), marks=(mark(1), mark(2), mark(3))),
                standing("web1", closed_span(), span(T0 + 5 * HOUR), marks=(mark(4, 2),)),
                standing("web1", closed_span(), marks=(mark(5),)),
                standing("web1", marks=(mark(6, 0),), **UNKNOWN),
                standing("web1", closed_span(), marks=(mark(7),), **UNKNOWN, is_over=True),
                standing("web1", span(T0 - HOUR), severity=Severity.LOW, marks=(mark(8),)),
            ],
            "id-web2": [standing("web2", earlier)],
            "id-gone": [standing("gone", span(T0 - 9 * HOUR))],
        }
    )
    assert [
        ("high", "covered", "none", 1, None),
        ("high", "exposed", "live_patch", 5, earlier.detected_at),
        ("high", "unknown", "none", 1, None),
        ("low", "exposed", "live_patch", 1, T0 - HOUR),
    ] == tallied(register)
    assert {"id-web1": 5, "id-web2": 1} == register.exposures.exposed_by_host(NOW)


def test_open_windows_are_overdue_after_their_due_date(register: Store) -> None:
    """Counted by severity; closed windows, those that are over and those of retired hosts are not."""
    register.hosts.save([host("gone", retired_at=T0)])
    due = span().model_copy(update={"due_at": T0 + HOUR})
    closed = closed_span().model_copy(update={"due_at": T0})
    register.exposures.replace_many(
        {
            "id-web1": [
                standing("web1", due, marks=(mark(1), mark(2))),
                standing("web1", closed, marks=(mark(3),)),
                standing("web1", span(), marks=(mark(4),)),
                standing("web1", due, severity=Severity.LOW, marks=(mark(5),)),
            ],
            "id-gone": [standing("gone", due)],
        }
    )
    assert {} == register.exposures.overdue(T0 + HOUR)
    assert {Severity.HIGH: 2, Severity.LOW: 1} == register.exposures.overdue(T0 + HOUR + timedelta(microseconds=1))


def test_silence_makes_everything_of_a_host_unknown(register: Store) -> None:
    """From after the time when its next check was due, by the latest sighting; its remedy and its age stay."""
    register.sightings.record([check("web1", at=T0 - 9 * HOUR), check("web2")])
    register.sightings.record([check("web1")])
    register.exposures.replace_many(
        {"id-web1": [standing("web1", span()), standing("web1", closed_span(), marks=(mark(2),))]}
    )
    seen = [("high", "covered", "none", 1, None), ("high", "exposed", "live_patch", 1, T0)]
    assert seen == tallied(register, T0 + HOUR)
    assert {"id-web1": 1} == register.exposures.exposed_by_host(T0 + HOUR)
    late = T0 + HOUR + timedelta(microseconds=1)
    assert [("high", "unknown", "live_patch", 1, T0), ("high", "unknown", "none", 1, None)] == tallied(register, late)
    assert {} == register.exposures.exposed_by_host(late)


def test_standings_of_an_unknown_host_are_refused_whole(register: Store) -> None:
    """Nothing of the batch is kept."""
    with pytest.raises(NotFound, match="id-ghost"):
        register.exposures.replace_many({"id-web1": [standing("web1")], "id-ghost": [standing("ghost")]})
    assert () == tuple(register.exposures.all())
