"""Who a host is over time: an id of ours, a name that may change, and the evidence that it is the same machine."""

from pydantic import Field

from orchestrator.core.model import Frozen, Moment


class Evidence(Frozen):
    """What tells one machine from another. ``host_key`` is the SHA256 fingerprint of the key it presented."""

    host_key: str | None = None
    machine_id: str | None = None
    product_uuid: str | None = None
    boot_id: str | None = None


class HostRecord(Frozen):
    """A host as we remember it.

    ``incarnation`` counts machines that carried this name: it grows when a new host key is trusted. ``last_listed_at``
    is when an inventory last named it; ``retired_at`` is set once it has been gone for long enough.
    """

    id: str
    name: str
    address: str
    customer: str | None = None
    site: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    groups: tuple[str, ...] = ()
    ephemeral: bool = False
    incarnation: int = 1
    incarnated_at: Moment
    evidence: Evidence = Evidence()
    first_listed_at: Moment
    last_listed_at: Moment
    retired_at: Moment | None = None
    quarantined_at: Moment | None = None
    quarantine_reason: str | None = None
