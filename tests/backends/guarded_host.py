"""A host of files on which a made-up vendor's tool runs under the real guard."""

from pathlib import Path

from orchestrator.backends.base import Backend, Work
from orchestrator.backends.guard import (
    GuardAnswer,
    GuardState,
    ToolOrder,
    parse_answer,
    status_command,
)
from orchestrator.backends.guard.commands import start_worker, tool_parts
from orchestrator.backends.pieces import pieces
from orchestrator.core.attempts import Action
from orchestrator.core.offers import Offer
from orchestrator.ports.ssh import Command
from tests.backends.local_host import BOOT_ID, RELEASE, LocalHost, eventually, make_work

MADE_UP = Path(__file__).parent / "made_up_actions.sh"


def worker_text(actions: str) -> str:
    """A worker with these actions instead of a vendor's."""
    *before, _, last = tool_parts("made/actions")
    return pieces(tuple(before)) + actions + pieces((last,))


def order(**changes: object) -> ToolOrder:
    """An order for the host's own boot and kernel."""
    values: dict[str, object] = {
        "attempt_id": "A1",
        "controller": "controller-1",
        "action": Action.APPLY,
        "boot_id": BOOT_ID,
        "release": RELEASE,
        "limit_seconds": 30,
        "package": "fix-1",
        "level": "1.0-2",
    }
    return ToolOrder.model_validate(values | changes)


class GuardedHost:
    """The host, and a tool ``made`` whose script each test brings."""

    def __init__(self, local: LocalHost, actions: str) -> None:
        self.local = local
        self.actions = actions

    def bring(self, script: str, program: str = "made") -> None:
        """Install it. Every call is noted in calls/PROGRAM, one line each."""
        file = self.local.root / "stand-ins" / program
        noted = f'mkdir -p "$PATCHWAVE_ROOT/calls"; echo "$*" >>"$PATCHWAVE_ROOT/calls/{program}"'
        file.write_text(f"#!/bin/sh\n{noted}\n{script}\n")
        file.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The arguments of each call of the tool."""
        return self.local.read("calls/made").splitlines()

    def command(self, sent: ToolOrder, nonce: str = "n1") -> Command:
        """The start of it, as `start_tool` makes it but for the actions."""
        words = (*sent.arguments(), "tool=made", "size=0")
        return start_worker(self.local.host, words, b"", nonce, worker_text(self.actions))

    def start(self, sent: ToolOrder | None = None, nonce: str = "n1") -> GuardAnswer:
        """Start it."""
        done = self.local.run(self.local.host, self.command(sent or order(), nonce))
        return parse_answer(self.local.host, done, nonce)

    def status(self, attempt: str = "A1") -> GuardAnswer:
        """Ask about it."""
        done = self.local.run(self.local.host, status_command(self.local.host, attempt, "q1"))
        return parse_answer(self.local.host, done, "q1")

    def finished(self, sent: ToolOrder | None = None) -> GuardAnswer:
        """Start it and wait for its end."""
        sent = sent or order()
        answer = self.start(sent)
        if answer.state is not GuardState.REFUSED:
            eventually(lambda: self.status(sent.attempt_id).state is not GuardState.RUNNING)
            answer = self.status(sent.attempt_id)
        return answer

    def tool_pid(self, attempt: str = "A1") -> int | None:
        """The tool's process, while it runs."""
        words = self.local.read(f"run/patchwave/{attempt}/tool").split()
        return int(words[0]) if words else None


def carried_out(
    local: LocalHost, backend: Backend, offer: Offer, action: Action, attempt: str = "A1", limit_seconds: int = 20
) -> GuardAnswer:
    """The backend's attempt, started and waited for; what the guard says of its end."""
    work = make_work(action, attempt, patch=None, payload=offer, module=b"", limit_seconds=limit_seconds)
    return followed(local, backend, work)


def followed(local: LocalHost, backend: Backend, work: Work) -> GuardAnswer:
    """Start it, and wait until it runs no more."""
    answer = backend.answer(local.host, local.run(local.host, backend.start(local.host, work, "n1")), "n1")
    if answer.state is GuardState.REFUSED:
        return answer
    eventually(lambda: status_of(local, backend, work.attempt.id).state is not GuardState.RUNNING)
    return status_of(local, backend, work.attempt.id)


def status_of(local: LocalHost, backend: Backend, attempt: str) -> GuardAnswer:
    """What the guard says of it now."""
    command = backend.status(local.host, attempt, "q1")
    return backend.answer(local.host, local.run(local.host, command), "q1")
