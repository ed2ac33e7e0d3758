"""What a live-patch tool is to us: sections of a check, pure readers of them, the commands that change a host."""

from collections.abc import Mapping
from typing import Protocol

from orchestrator.backends.guard import GuardAnswer
from orchestrator.core.attempts import Action, Attempt
from orchestrator.core.facts import Deep, Facts
from orchestrator.core.hosts import Host
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.offers import Payload
from orchestrator.core.patches import Patch
from orchestrator.core.tools import ToolReport
from orchestrator.errors import PatchRefused
from orchestrator.ports.ssh import Command, Completed
from orchestrator.probe.answer import Section
from orchestrator.probe.script import ProbePart


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
    """Loads modules of the catalogue. With ``tells_updates`` it puts in force what it tells of, too."""
    tells_updates: bool = False
    """Its deep check tells what is newer than what is in force."""
    tells_cves: bool = False
    """Says which CVEs its patches fix."""
    tells_coverage: bool = False
    """Says until when the running kernel gets live patches."""


class Seen(Frozen):
    """What one check brought back, for one backend to read.

    ``sections``: those of its parts that came whole, by name. A part whose tool is not there came as a section that is
    ``absent``; a part that is missing altogether was cut off, or (of the deep parts) not asked for. ``facts``: all that
    does not come from tools; its ``live_patches`` are the kernel's own. ``root_lacks``: why nothing could be read as
    root; None when it could. ``at``: the controller's time of the check.
    """

    sections: Mapping[str, Section]
    facts: Facts
    root_lacks: str | None = None
    at: Moment


class Work(Frozen):
    """One attempt, ready to be sent: what the backend needs to build its commands.

    ``payload``: the module of the catalogue, or what the host's own tool offers. ``module`` is empty for a revert and
    for offers: they load none of ours. ``ours`` are the build ids of modules that our catalogue knows;
    ``limit_seconds`` bounds one transition, or one run of the tool.
    """

    attempt: Attempt
    controller: str
    patch: Patch | None
    payload: Payload
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

    @property
    def parts(self) -> tuple[ProbePart, ...]:
        """Its sections of every check: quick, local, without effect on the host."""
        ...

    @property
    def deep_parts(self) -> tuple[ProbePart, ...]:
        """Its sections of a deep check: what is slow or makes the host ask the vendor."""
        ...

    def read(self, seen: Seen) -> ToolReport:
        """The tool's state and patches on a host, from its ``parts``. Never raises: what cannot be understood is
        `ToolState.ERROR` with the text kept, bounded."""
        ...

    def read_deep(self, seen: Seen) -> Deep | None:
        """What its ``deep_parts`` told; None where the tool has none, or is not there."""
        ...

    def refusal(
        self, facts: Facts, patch: Patch | None, payload: Payload | None, *, ours: Mapping[str, Patch], action: Action
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
