"""Sightings: the intervals in which checks kept seeing the same facts on one incarnation of a host."""

from orchestrator.core.facts import Facts, Observation
from orchestrator.core.model import Frozen, Moment


class Sighting(Frozen):
    """Checks from ``first_seen`` to ``last_seen`` saw these facts; the next check is due by ``expected_by``.

    ``booted_at`` is the controller's time of the boot, from the first check of the sighting.
    """

    id: str
    host_id: str
    incarnation: int = 1
    content_hash: str
    first_seen: Moment
    last_seen: Moment
    expected_by: Moment
    booted_at: Moment | None = None
    facts: Facts


class CheckRecord(Frozen):
    """One check of one host, as the store keeps it: what it saw, or the named error.

    ``overlapped_mutation``: a mutation of this host was under way while it ran. Such a check is stored but moves no
    window. ``expected_by``: when the next check is due at the latest.
    """

    host_id: str
    incarnation: int = 1
    started_at: Moment
    finished_at: Moment
    expected_by: Moment
    observation: Observation | None = None
    error_code: str | None = None
    error: str | None = None
    overlapped_mutation: bool = False
