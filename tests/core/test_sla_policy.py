"""Policies: defaults spelled out, equal content under one id, nothing that contradicts itself."""

import pytest
from pydantic import ValidationError

from orchestrator.core.sla_policy import DEFAULT_POLICY, Policy, in_force
from tests.core.sla_builders import adopted, day, policy


def test_every_default_is_spelled_out() -> None:
    """Unknown is as medium."""
    assert {
        "apiVersion": "patchwave/v1",
        "kind": "ServiceLevels",
        "name": "default",
        "levels": {"critical": "2d", "high": "30d", "medium": "30d", "low": "none", "unknown": "30d"},
        "kev": {"at_least": "14d"},
        "due_soon": {"share": "25%", "at_most": "3d"},
        "rules": [],
    } == DEFAULT_POLICY.model_dump(mode="json")


def test_the_id_is_of_the_content() -> None:
    """The default written out is the default; another time is another policy."""
    spelled_out = policy(name="default", levels={"low": "none", "critical": "48h"})
    assert DEFAULT_POLICY.id == spelled_out.id
    assert DEFAULT_POLICY.id != policy(name="default", kev={"at_least": "13d"}).id


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"levels": {"critical": "none", "high": "none", "medium": "none"}, "kev": "none"},
        {"rules": [{"name": "r", "match": {"group": "g"}, "levels": {"critical": "1d"}, "kev": "none"}]},
        {"rules": [{"name": "r", "match": {"labels": {"a": "b"}}, "kev": {"at_least": "1d"}}]},
    ],
    ids=str,
)
def test_a_stored_policy_is_the_same_policy(fields: dict[str, object]) -> None:
    """As JSON and back."""
    before = policy(**fields)
    after = Policy.model_validate_json(before.model_dump_json())
    assert (before, before.id) == (after, after.id)


def test_the_last_one_set_by_then_is_in_force() -> None:
    """Before the first, the built-in one; from the instant on."""
    policies = (adopted(1, due_soon={"share": "10%"}), adopted(5, due_soon={"share": "20%"}))
    found = [in_force(policies, day(at)).due_soon.share for at in (0, 1, 4.9, 5, 100)]
    assert ["25%", "10%", "10%", "20%", "20%"] == found


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"levels": {"medium": "5d"}}, r"high has more time \(30d\) than medium \(5d\)"),
        ({"levels": {"critical": "none"}}, r"critical has more time \(none\) than high \(30d\)"),
        ({"levels": {"high": None}}, "none for no time limit"),
        ({"levels": {"high": 5}}, "'5' is not a duration"),
        ({"levels": {"high": "0s"}}, "longer than 0s"),
        ({"levels": {"urgent": "1d"}}, "'critical', 'high'"),
        ({"due_soon": {"share": "150%"}}, "match pattern"),
        ({"rules": [{"name": "r", "match": {}}]}, "must name labels, customer or group"),
        ({"rules": [{"name": "r", "match": {"group": "g"}, "levels": {"high": "1d"}}]}, "in rule r critical"),
        ({"rules": [{"name": "r", "match": {"group": g}} for g in "ab"]}, "two rules are called r"),
        ({"kev": "never"}, "valid dictionary"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(fields: dict[str, object], message: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValidationError, match=message):
        policy(**fields)
