"""The host-side guard: every attempt to change a host runs under it. Knows no tool.

An order goes out by `start_command` (a module of the catalogue) or `start_tool` (what a tool offers itself);
`status_command` asks what became of it; `parse_answer` reads what either of them answered.
"""

from orchestrator.backends.guard.answers import GuardAnswer, GuardState, parse_answer
from orchestrator.backends.guard.commands import start_command, start_tool, status_command
from orchestrator.backends.guard.exits import REFUSALS, GuardExit
from orchestrator.backends.guard.orders import Order, ToolOrder

__all__ = [
    "REFUSALS",
    "GuardAnswer",
    "GuardExit",
    "GuardState",
    "Order",
    "ToolOrder",
    "parse_answer",
    "start_command",
    "start_tool",
    "status_command",
]
