"""Files of service levels: what is wrong is said with file, line and field."""

from pathlib import Path

import pytest

from orchestrator.core.sla_policy import DEFAULT_POLICY
from orchestrator.errors import PolicyInvalid
from orchestrator.policy_files import load_policy, parse_policy

HEAD = "apiVersion: patchwave/v1\nkind: ServiceLevels\nname: default\n"


def test_a_file_with_nothing_but_a_name_is_the_default() -> None:
    """Everything else has a default."""
    assert DEFAULT_POLICY == parse_policy(HEAD, "sla.yml")


def test_a_whole_file(tmp_path: Path) -> None:
    """As the reference has it."""
    file = tmp_path / "sla.yml"
    file.write_text(
        HEAD
        + "levels: {critical: 36h, low: none}\nkev: {at_least: 7d}\ndue_soon: {share: 50%, at_most: 1d}\n"
        + "rules:\n- {name: p, match: {labels: {env: prod}, customer: c, group: g},\n"
        + "   levels: {critical: 1d}, kev: none}\n"
    )
    dumped = load_policy(file).model_dump(mode="json", exclude_defaults=True)
    assert {
        "apiVersion": "patchwave/v1",
        "kind": "ServiceLevels",
        "name": "default",
        "levels": {"critical": "36h", "high": "30d", "medium": "30d", "low": "none", "unknown": "30d"},
        "kev": {"at_least": "7d"},
        "due_soon": {"share": "50%", "at_most": "1d"},
        "rules": [
            {
                "name": "p",
                "match": {"labels": {"env": "prod"}, "customer": "c", "group": "g"},
                "levels": {"critical": "1d"},
                "kev": {"at_least": "none"},
            }
        ],
    } == dumped


@pytest.mark.parametrize(
    ("text", "line", "field", "message"),
    [
        ("[]", 1, None, "starts with apiVersion"),
        ("name: x", 1, "apiVersion", "Field required"),
        (HEAD.replace("v1", "v2"), 1, "apiVersion", "patchwave/v1"),
        (HEAD.replace("ServiceLevels", "Playbook"), 2, "kind", "ServiceLevels"),
        (HEAD + "levels:\n  critical: 2 days\n", 5, "levels.critical", "is not a duration"),
        (HEAD + "levels:\n  high:\n", 5, "levels.high", "none for no time limit"),
        (HEAD + "levels:\n  urgent: 1d\n", 5, "levels.urgent", "'critical'"),
        (HEAD + "levels:\n  critical: 40d\n", 4, "levels", "critical has more time"),
        (HEAD + "level:\n  critical: 2d\n", 4, "level", "did you mean 'levels'"),
        (HEAD + "kev:\n  at_last: 2d\n", 5, "kev.at_last", "did you mean 'at_least'"),
        (HEAD + "rules:\n- name: a\n  match: {grp: web}\n", 6, "rules.0.match.grp", "did you mean 'group'"),
        (HEAD + "rules:\n- name: a\n  match:\n    labels: {env: 1}\n", 7, "rules.0.match.labels.env", "string"),
        (HEAD + "due_soon: {share: 25}\n", 4, "due_soon.share", "string"),
        (HEAD + "levels: {critical: 1d, critical: 2d}\n", 4, None, "stands here twice"),
        ("\tname: x", 1, None, "not valid YAML"),
    ],
)
def test_an_error_says_where(text: str, line: int, field: str | None, message: str) -> None:
    """File, line and field, and what to do."""
    with pytest.raises(PolicyInvalid, match=message) as raised:
        parse_policy(text, "sla.yml")
    assert ("sla.yml", line, field) == (raised.value.file, raised.value.line, raised.value.field)
