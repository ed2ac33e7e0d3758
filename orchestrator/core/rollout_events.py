"""What happens to a rollout (events), and what is to be done about it (effects)."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from orchestrator.core.attempts import Action, OutcomeCode
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.verdict import Verdict


class Tick(Frozen):
    """Time passed. Starts a rollout; may be sent at any time and as often as one likes."""

    kind: Literal["tick"] = "tick"


class HostFinished(Frozen):
    """An attempt ended and was verified. ``key`` is the effect's; an answer to an older key is ignored. ``level``: what
    the host's tool has in force; None for modules of the catalogue. ``boot_id``: the boot in which it was verified."""

    kind: Literal["host_finished"] = "host_finished"
    host_id: str
    key: str
    code: OutcomeCode
    detail: str = ""
    level: str | None = None
    boot_id: str | None = None


class HostVerifying(Frozen):
    """An apply is through and its verification runs. For display; may be left out."""

    kind: Literal["host_verifying"] = "host_verifying"
    host_id: str
    key: str


class HostBusy(Frozen):
    """The host's lock is held by another rollout's attempt, so the intent could not be committed.

    Fed to the state BEFORE the decision that wanted to start it, because that decision was never stored; then the event
    that led to that decision is fed again.
    """

    kind: Literal["host_busy"] = "host_busy"
    host_id: str
    detail: str = ""


class SoakChecked(Frozen):
    """The soak's check of one host. ``verdict`` None: the host could not be reached."""

    kind: Literal["soak_checked"] = "soak_checked"
    host_id: str
    verdict: Verdict | None
    detail: str = ""


class Pause(Frozen):
    """Start nothing new until resumed."""

    kind: Literal["pause"] = "pause"


class Resume(Frozen):
    """Go on after a pause, or after a hold (which accepts what it was held for)."""

    kind: Literal["resume"] = "resume"


class Abort(Frozen):
    """Start nothing new, let hosts in flight finish, and end."""

    kind: Literal["abort"] = "abort"
    reason: str = "ordered by an operator"


class Skip(Frozen):
    """Leave this host out."""

    kind: Literal["skip"] = "skip"
    host_id: str


class Retry(Frozen):
    """Give the troubled hosts of the current wave another attempt; a failed rollout goes on with them."""

    kind: Literal["retry"] = "retry"


class Rollback(Frozen):
    """Take out, last wave first, what this rollout brought."""

    kind: Literal["rollback"] = "rollback"


Event = Annotated[
    Tick | HostFinished | HostVerifying | HostBusy | SoakChecked | Pause | Resume | Abort | Skip | Retry | Rollback,
    Field(discriminator="kind"),
]
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


class Entry(Frozen):
    """One line of the journal: an event and the moment it was decided at. ``request`` names the order that it was."""

    at: Moment
    event: Event
    request: str | None = None


class StartAttempt(Frozen):
    """Commit an intent and carry it out. ``key`` is ``HOSTID:action:number``, the same whenever it is decided again.

    The answer is `HostFinished` with that key, or `HostBusy` when the intent could not take the host's lock.
    """

    kind: Literal["start_attempt"] = "start_attempt"
    host_id: str
    action: Action
    number: int
    key: str


class ResumeAttempt(Frozen):
    """After a restart: find out how the open intent ended, by looking, never by sending it again.

    ``attempt_id`` None: the state says that it is under way and no intent is open; look at the host.
    """

    kind: Literal["resume_attempt"] = "resume_attempt"
    host_id: str
    action: Action
    key: str
    attempt_id: str | None


class CheckSoak(Frozen):
    """Check these hosts and answer each with `SoakChecked`. Only reads, so it may be done again."""

    kind: Literal["check_soak"] = "check_soak"
    host_ids: tuple[str, ...]


class WaitUntil(Frozen):
    """Send a `Tick` at this moment, if nothing else happens before."""

    kind: Literal["wait_until"] = "wait_until"
    moment: Moment


Effect = StartAttempt | ResumeAttempt | CheckSoak | WaitUntil
