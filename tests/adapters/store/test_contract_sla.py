"""What every store does with service levels and accepted risks."""

from datetime import timedelta
from typing import Any

import pytest

from orchestrator.core.acceptances import Acceptance, Scope
from orchestrator.core.patches import Severity
from orchestrator.core.sla_policy import Adopted, Policy
from orchestrator.errors import Conflict, NotFound
from orchestrator.ports.store import Store
from tests.adapters.store.samples import CVE, HOUR, T0


def adopted(name: str, hours: int = 0, **levels: Any) -> Adopted:
    """A policy, set so many hours after T0."""
    policy = Policy.model_validate({"apiVersion": "patchwave/v1", "kind": "ServiceLevels", "name": name, **levels})
    return Adopted(policy=policy, since=T0 + hours * HOUR, set_by="ops")


def acceptance(key: str = "RISK-1", **changes: Any) -> Acceptance:
    """A risk that is borne for a day."""
    values: dict[str, Any] = {
        "id": key,
        "cve": CVE,
        "scope": Scope.GROUP,
        "value": "prod",
        "owner": "head of ops",
        "reason": "behind a proxy, größe ½",
        "accepted_by": "ops",
        "accepted_at": T0,
        "expires_at": T0 + timedelta(days=1),
    }
    return Acceptance(**(values | changes))


def test_policies_come_back_as_they_were_set(store: Store) -> None:
    """Oldest first; durations, ``none`` and rules included."""
    rules = [{"name": "edge", "match": {"labels": {"zone": "edge"}}, "levels": {"critical": "1h"}, "kev": "none"}]
    first, second = adopted("first", levels={"low": "none", "high": "7d"}, rules=rules), adopted("second", 1)
    store.policies.append(first, 0)
    store.policies.append(second, 1)
    assert (first, second) == store.policies.all()
    assert timedelta(days=7) == store.policies.all()[0].policy.levels[Severity.HIGH]


@pytest.mark.parametrize(("hours", "after"), [(2, 0), (2, 2), (1, 1), (0, 1)])
def test_a_policy_that_comes_too_late_is_a_conflict(store: Store, hours: int, after: int) -> None:
    """Decided when there was another last one, or not younger than that."""
    store.policies.append(adopted("first", 1), 0)
    with pytest.raises(Conflict):
        store.policies.append(adopted("second", hours), after)
    assert 1 == len(store.policies.all())


def test_accepted_risks_come_back_as_they_were(store: Store) -> None:
    """By time and id."""
    everywhere = acceptance("RISK-0", scope=Scope.EVERYWHERE, value="")
    earlier = acceptance("RISK-2", accepted_at=T0 - HOUR)
    for one in (acceptance(), everywhere, earlier):
        store.acceptances.add(one)
    assert (earlier, everywhere, acceptance()) == store.acceptances.all()


def test_an_id_of_an_accepted_risk_is_taken_once(store: Store) -> None:
    """What is there stays."""
    store.acceptances.add(acceptance())
    with pytest.raises(Conflict, match="RISK-1"):
        store.acceptances.add(acceptance(owner="somebody else"))
    assert (acceptance(),) == store.acceptances.all()


def test_an_accepted_risk_is_revoked_once(store: Store) -> None:
    """With when and by whom; one that nobody knows cannot be."""
    store.acceptances.add(acceptance())
    store.acceptances.revoke("RISK-1", T0 + HOUR, "audit")
    with pytest.raises(Conflict, match="RISK-1"):
        store.acceptances.revoke("RISK-1", T0 + 2 * HOUR, "ops")
    with pytest.raises(NotFound, match="RISK-9"):
        store.acceptances.revoke("RISK-9", T0, "ops")
    assert (acceptance(revoked_at=T0 + HOUR, revoked_by="audit"),) == store.acceptances.all()
