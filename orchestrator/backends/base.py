"""What a live-patch tool is to us: a few pure questions, and the commands that change a host."""

from collections.abc import Mapping
from typing import Protocol

from orchestrator.backends.guard import GuardAnswer
from orchestrator.core.attempts import Action, Attempt
from orchestrator.core.facts import Facts, Tool
from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen
from orchestrator.core.patches import Build, Patch
from orchestrator.errors import PatchRefused
from orchestrator.ports.ssh import Command, Completed


class Capabilities(Frozen):
    """What a backend is able to do."""

    applies: bool
    """Puts a patch in force."""
    reverts: bool
    """Takes one out of force again, without a reboot."""
    persists: bool
    """Makes a patch come back at the next boot."""
    pins: bool
    """Holds an agent at a patch level for the length of a rollout."""
    needs_module: bool
    """Brings its own modules from the catalogue, rather than what the host's tool offers."""


class Work(Frozen):
    """One attempt, ready to be sent: what the backend needs to build its commands.

    ``module`` is empty for a revert: it loads none. ``ours`` are the build ids of modules that our catalogue knows;
    ``limit_seconds`` bounds one transition.
    """

    attempt: Attempt
    controller: str
    patch: Patch
    build: Build
    module: bytes
    ours: tuple[str, ...]
    limit_seconds: int


class Backend(Protocol):
    """One live-patch tool. Everything here is pure: it builds commands and reads answers, and never sees SSH."""

    @property
    def name(self) -> str:
        """As facts, playbooks and metrics call it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it is able to do."""
        ...

    def tool(self, facts: Facts) -> Tool:
        """The tool's state on a host."""
        ...

    def refusal(
        self, facts: Facts, patch: Patch, build: Build | None, *, ours: Mapping[str, Patch], action: Action
    ) -> PatchRefused | None:
        """Why this must not be tried on such a host, found before anything is sent; None when it may be.

        ``ours`` maps the build ids of modules that our catalogue knows to their items.
        """
        ...

    def start(self, host: Host, work: Work, nonce: str) -> Command:
        """The command that starts an attempt, detached."""
        ...

    def status(self, host: Host, attempt_id: str, nonce: str) -> Command:
        """The command that asks what became of an attempt."""
        ...

    def answer(self, host: Host, completed: Completed, nonce: str) -> GuardAnswer:
        """What either command answered. Raises a `HostError` when it cannot be understood."""
        ...
