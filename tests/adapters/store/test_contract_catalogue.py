"""What every store does with the catalogue and with exposures."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.exposure_states import ClosedBy, ExposureState, Remedy
from orchestrator.core.patches import Severity
from orchestrator.errors import Conflict, NotFound
from orchestrator.ports.store import Store
from tests.adapters.store.samples import CVE, HOUR, T0, closed_window, exposure, host, patch, window

OTHER_CVE = "CVE-2099-0002"


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows web1 and web2."""
    store.hosts.save([host("web1"), host("web2")])
    return store


def test_patches_come_back_as_they_were_by_id(store: Store) -> None:
    """Every field survives, tuples and words in ``replaces`` included."""
    store.catalogue.add(patch("LAB-0002", replaces="all"))
    store.catalogue.add(patch("LAB-0001"))
    assert (patch("LAB-0001"), patch("LAB-0002", replaces="all")) == store.catalogue.all()


def test_the_same_patch_again_changes_nothing(store: Store) -> None:
    """It keeps the date on which it first reached us."""
    store.catalogue.add(patch())
    store.catalogue.add(patch(added_at=T0 + HOUR))
    assert (patch(),) == store.catalogue.all()


def test_an_id_never_gets_other_content(store: Store) -> None:
    """Neither while the item is in force nor after its removal: windows were decided with it."""
    store.catalogue.add(patch())
    with pytest.raises(Conflict, match="LAB-0001"):
        store.catalogue.add(patch(summary="another"))
    store.catalogue.remove("LAB-0001", T0)
    with pytest.raises(Conflict, match="LAB-0001"):
        store.catalogue.add(patch(summary="another"))
    assert () == store.catalogue.all()


def test_a_removed_patch_may_come_back(store: Store) -> None:
    """The very same content is in force again, as if it reached us now: its windows ended when it was removed."""
    store.catalogue.add(patch())
    store.catalogue.remove("LAB-0001", T0)
    again = patch(added_at=T0 + HOUR)
    store.catalogue.add(again)
    assert (again,) == store.catalogue.all()
    assert ((again,), {}) == (store.catalogue.history().patches, store.catalogue.history().removed_at)


def test_only_what_is_in_force_can_be_removed(store: Store) -> None:
    """An unknown id and one removed before are not found."""
    store.catalogue.add(patch())
    store.catalogue.remove("LAB-0001", T0)
    for missing in ("LAB-0001", "LAB-0009"):
        with pytest.raises(NotFound, match=missing):
            store.catalogue.remove(missing, T0)


def test_exposures_of_a_host_are_replaced_whole(register: Store) -> None:
    """Those of other hosts stay."""
    register.exposures.replace("id-web1", [exposure("web1", window()), exposure("web1", cve=OTHER_CVE)])
    register.exposures.replace("id-web2", [exposure("web2", window("web2"))])
    register.exposures.replace("id-web1", [exposure("web1", closed_window())])
    expected = (exposure("web1", closed_window()), exposure("web2", window("web2")))
    assert expected == register.exposures.all()


def test_exposures_are_sorted_by_host_and_cve(register: Store) -> None:
    """Whatever order they were given in."""
    one = [exposure("web1", cve=OTHER_CVE), exposure("web1")]
    register.exposures.replace_many({"id-web2": [exposure("web2")], "id-web1": one})
    expected = [("id-web1", CVE), ("id-web1", OTHER_CVE), ("id-web2", CVE)]
    assert expected == [(found.host_id, found.cve) for found in register.exposures.all()]


def test_a_host_may_end_without_exposures(register: Store) -> None:
    """An empty list takes them all away; closures stay."""
    register.exposures.replace("id-web1", [exposure("web1", closed_window())])
    register.exposures.replace("id-web1", [])
    assert ((), (closed_window(),)) == (register.exposures.all(), register.exposures.closures())


def test_a_window_is_closed_once(register: Store) -> None:
    """Recomputing adds nothing twice, and a closure keeps what it was first written with."""
    first = exposure("web1", closed_window())
    for _ in range(3):
        register.exposures.replace("id-web1", [first])
    changed = closed_window().model_copy(update={"severity": Severity.LOW})
    register.exposures.replace("id-web1", [exposure("web1", changed)])
    assert (closed_window(),) == register.exposures.closures()


def test_a_window_that_was_withdrawn_may_still_be_closed(register: Store) -> None:
    """A host that was retired and came back: the end by retirement stays, and the fix that came later counts too."""
    withdrawn = closed_window().model_copy(update={"method": ClosedBy.WITHDRAWN})
    fixed = closed_window().model_copy(update={"closed_at": T0 + 2 * HOUR})
    for one in (withdrawn, fixed):
        register.exposures.replace("id-web1", [exposure("web1", one)])
    assert (withdrawn, fixed) == register.exposures.closures()


def test_a_window_is_known_by_its_start_not_by_its_number(register: Store) -> None:
    """A rebuild that counts differently adds nothing; the next window of the same number is one of its own."""
    register.exposures.replace("id-web1", [exposure("web1", closed_window(index=1))])
    register.exposures.replace("id-web1", [exposure("web1", closed_window(index=0))])
    second = closed_window(index=1, at=T0 + 5 * HOUR)
    register.exposures.replace("id-web1", [exposure("web1", closed_window(index=0), second)])
    assert (closed_window(index=1), second) == register.exposures.closures()


def test_closures_are_read_on_from_where_one_was(register: Store) -> None:
    """In the order in which they were appended, which is not that in which the windows closed."""
    late, early = closed_window("web1", at=T0 + HOUR), closed_window("web2", at=T0)
    register.exposures.replace("id-web1", [exposure("web1", late)])
    assert (late,) == register.exposures.closures()
    register.exposures.replace("id-web2", [exposure("web2", early)])
    register.exposures.replace("id-web1", [exposure("web1", late)])
    assert [(late, early), (early,), (), ()] == [register.exposures.closures(skip) for skip in range(4)]
    assert [(), (late,), (late, early)] == [register.exposures.closures(0, most) for most in range(3)]
    assert (early,) == register.exposures.closures(1, 1)


def test_tallies_count_what_concerns_listed_hosts(register: Store) -> None:
    """By host, severity, state and remedy, with the oldest open window. What is over counts nowhere, nor does a host
    that was retired; what is unknown and not over does. A host may have sent any characters."""
    register.hosts.save([host("gone", retired_at=T0)])
    names = [f"CVE-2099-{n:04}" for n in range(9)]
    unknown: dict[str, Any] = {"state": ExposureState.UNKNOWN, "reason": None, "remedy": Remedy.NONE}
    opened = [T0 + timedelta(seconds=1), T0 + timedelta(microseconds=500_000), T0 + timedelta(hours=-1), T0]
    withdrawn = closed_window().model_copy(update={"method": ClosedBy.WITHDRAWN})
    register.exposures.replace_many(
        {
            "id-web1": [
                *(exposure("web1", window(at=at), cve=names[n]) for n, at in enumerate(opened[:2])),
                exposure("web1", window(at=opened[2]), cve=names[2], severity=Severity.LOW),
                exposure("web1", closed_window(), window(index=1, at=opened[3]), cve=names[3]),
                exposure("web1", closed_window().model_copy(update={"boot_id": "\x00 \ud800 \\u0000"}), cve=names[4]),
                exposure("web1", cve=names[5], **unknown),
                exposure("web1", withdrawn, cve=names[6], **unknown, since=withdrawn.closed_at, is_over=True),
                exposure("web1", withdrawn, cve=names[7], **unknown, since=T0 + 2 * HOUR),
            ],
            "id-web2": [exposure("web2", window("web2"))],
            "id-gone": [exposure("gone", window("gone"))],
        }
    )
    assert [
        ("id-web1", "high", "covered", 1, None),
        ("id-web1", "high", "exposed", 3, T0),
        ("id-web1", "high", "unknown", 2, None),
        ("id-web1", "low", "exposed", 1, T0 - HOUR),
        ("id-web2", "high", "exposed", 1, T0),
    ] == [(one.host_id, one.severity, one.state, one.count, one.oldest) for one in register.exposures.tallies()]


def test_exposures_of_an_unknown_host_are_refused_whole(register: Store) -> None:
    """Nothing of the batch is kept."""
    with pytest.raises(NotFound, match="id-ghost"):
        register.exposures.replace_many({"id-web1": [exposure("web1")], "id-ghost": [exposure("ghost")]})
    assert () == register.exposures.all()
