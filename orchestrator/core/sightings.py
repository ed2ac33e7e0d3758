"""Sightings: the intervals in which checks kept seeing the same facts on one incarnation of a host."""

from orchestrator.core.facts import Facts, Observation, Volatile
from orchestrator.core.model import Frozen, Moment


class Sighting(Frozen):
    """Checks from ``first_seen`` to ``last_seen`` saw these facts; the next check is due by ``expected_by``.

    ``booted_at`` is the controller's time of the boot, from the first check of the sighting; ``deep_seen`` that of the
    last deep check whose findings stand in the facts.
    """

    id: str
    host_id: str
    incarnation: int = 1
    content_hash: str
    first_seen: Moment
    last_seen: Moment
    expected_by: Moment
    booted_at: Moment | None = None
    deep_seen: Moment | None = None
    facts: Facts

    @property
    def known(self) -> Facts:
        """The facts with the one volatile value that the next check builds on: when the last deep check was."""
        return self.facts.model_copy(update={"volatile": Volatile(deep_observed_at=self.deep_seen)})


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


def next_sighting(latest: Sighting | None, check: CheckRecord, new_id: str) -> Sighting | None:
    """What a finished check makes of a host's latest sighting: that one extended, a new one, or None: nothing moves.

    Nothing moves when the check saw nothing, overlapped a mutation, or is out of order: older than what was seen
    already, or of a machine that has been replaced since. Checks are ordered by when they started. A check that came
    later than the sighting expected it starts a new one, even if nothing changed, so that the gap stays visible.
    """
    observation = check.observation
    if observation is None or check.overlapped_mutation or _out_of_order(latest, check):
        return None
    content_hash = observation.facts.content_hash()
    if latest is not None and _goes_on(latest, check, content_hash):
        return latest.model_copy(
            update={
                "last_seen": observation.observed_at,
                "expected_by": check.expected_by,
                "deep_seen": observation.facts.volatile.deep_observed_at,
            }
        )
    return Sighting(
        id=new_id,
        host_id=check.host_id,
        incarnation=check.incarnation,
        content_hash=content_hash,
        first_seen=observation.observed_at,
        last_seen=observation.observed_at,
        expected_by=check.expected_by,
        booted_at=observation.booted_at,
        deep_seen=observation.facts.volatile.deep_observed_at,
        facts=observation.facts,
    )


def _out_of_order(latest: Sighting | None, check: CheckRecord) -> bool:
    return latest is not None and (check.incarnation < latest.incarnation or check.started_at < latest.last_seen)


def _goes_on(latest: Sighting, check: CheckRecord, content_hash: str) -> bool:
    same = latest.incarnation == check.incarnation and latest.content_hash == content_hash
    return same and check.started_at <= latest.expected_by
