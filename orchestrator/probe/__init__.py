"""The check: one script for every host, and the pure reading of its answer. Knows nothing of SSH.

`check_command` makes the command, `parse_check` reads what came back. Backends contribute `ProbePart`s and find their
sections in `read_answer`.
"""

from orchestrator.probe.answer import Answer, Section, read_answer
from orchestrator.probe.command import check_command
from orchestrator.probe.facts import facts_of, parse_check
from orchestrator.probe.script import ACCOUNT_SECTIONS, ROOT_SECTIONS, ProbePart, compose

__all__ = [
    "ACCOUNT_SECTIONS",
    "ROOT_SECTIONS",
    "Answer",
    "ProbePart",
    "Section",
    "check_command",
    "compose",
    "facts_of",
    "parse_check",
    "read_answer",
]
