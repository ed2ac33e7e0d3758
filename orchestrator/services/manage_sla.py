"""Show, preview and set service levels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.core.acceptances import AcceptedRisks
from orchestrator.core.sla_policy import Adopted, Policy, in_force
from orchestrator.core.sla_preview import Preview, preview
from orchestrator.core.standings import Standing
from orchestrator.ports.runtime import Clock
from orchestrator.ports.sla import AcceptanceStore, PolicyStore
from orchestrator.ports.store import HostRegister


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A policy that may be set: what it would change, and how many there had been when that was found out."""

    policy: Policy
    found: Preview
    after: int
    is_in_force: bool


@dataclass(frozen=True, kw_only=True)
class ManageSla:
    """Policies are appended. Each dates the windows that are open while it is in force; closed ones keep their dates.

    ``redate`` brings the due dates of open windows up to date. No host is changed by any of it: read-only mode allows
    it.
    """

    policies: PolicyStore
    acceptances: AcceptanceStore
    hosts: HostRegister
    standings: Callable[[], Iterable[Standing]]
    redate: Callable[[], None]
    clock: Clock

    def current(self) -> Policy:
        """What is in force now."""
        return in_force(self.policies.all(), self.clock.now())

    def history(self) -> tuple[Adopted, ...]:
        """Every policy that was ever set, oldest first. Before the first it was the built-in one."""
        return self.policies.all()

    def preview(self, policy: Policy) -> Offered:
        """What it would change. Nothing is stored."""
        now, known = self.clock.now(), self.policies.all()
        hosts = {record.id: record for record in self.hosts.all() if not record.is_retired}
        risks = AcceptedRisks(self.acceptances.all())
        found = preview(policy, self.standings(), hosts, risks, now)
        return Offered(policy=policy, found=found, after=len(known), is_in_force=in_force(known, now).id == policy.id)

    def set(self, offered: Offered, set_by: str) -> Adopted | None:
        """Put it in force from now on, and date open windows by it. The one in force again changes nothing: None.

        Raises `Conflict` when another policy was set since the preview.
        """
        if offered.is_in_force:
            return None
        adopted = Adopted(policy=offered.policy, since=self.clock.now(), set_by=set_by)
        self.policies.append(adopted, offered.after)
        self.redate()
        return adopted
