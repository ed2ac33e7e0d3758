"""The docs of service levels say what the code does."""

import pytest

from orchestrator.core.acceptances import AcceptanceState
from orchestrator.core.sla import SlaState
from orchestrator.core.sla_policy import Policy
from orchestrator.core.sla_preview import Shift
from orchestrator.policy_files import parse_policy
from tests.core.test_rollout_docs import DOCS, block, choices, rows

PAGE = DOCS / "reference" / "sla.md"
BLOCKS = {
    # What may be left out has no default; `none` means something else in this format.
    "fields": "\n".join(["| field | default | meaning |", "|---|---|---|", *rows(Policy)]).replace("| `none` |", "| |"),
    "states": choices(SlaState),
    "shifts": choices(Shift),
    "acceptance_states": choices(AcceptanceState),
}


@pytest.mark.parametrize("name", list(BLOCKS))
def test_the_reference_is_what_the_code_says(name: str) -> None:
    """A field, a default or a state that changes without the docs fails here."""
    assert BLOCKS[name] == block(PAGE, name)


def test_the_example_is_a_policy() -> None:
    """It can be copied."""
    text = PAGE.read_text().split("```yaml\n")[1].split("```")[0]
    assert "contract-2026" == parse_policy(text, "sla.md").name
