"""Plan a rollout: the playbook against what is known of the fleet. Contacts nobody."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.backends.registry import BACKENDS, backend
from orchestrator.core.attempts import Action
from orchestrator.core.catalogue import in_force, replaced_by
from orchestrator.core.facts import Facts, PatchState, Tool, Virtualization
from orchestrator.core.fleet import Fleet, Member
from orchestrator.core.identity import second_names
from orchestrator.core.offering import NoOffer, offered
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Cve, Patch
from orchestrator.core.planning import DEFAULT_TOOL, Candidate, plan
from orchestrator.core.plans import Plan, PlannedHost
from orchestrator.core.playbooks import ExposedTo, Playbook
from orchestrator.core.reopening import reopening
from orchestrator.core.sightings import CheckRecord, Sighting
from orchestrator.core.windows import Exposure
from orchestrator.errors import PatchRefused, PlaybookInvalid
from orchestrator.ports.runtime import Clock
from orchestrator.ports.store import Store
from orchestrator.services.read_exposures import ReadExposures, Wanted
from orchestrator.services.read_fleet import ROLLING_BACK, by_module

AUTO = "auto"
OLD_OFFERS = timedelta(hours=24)
"""After which `plan` warns that what tools offer was asked a while ago."""

_APPLYING = tuple(one for one in BACKENDS.values() if one.capabilities.applies)
OFFERING = tuple(one.name for one in _APPLYING if one.capabilities.tells_updates)
"""Tools that put in force what they find or are offered, in the order in which `auto` chooses among those ready."""

LOADING = tuple(one.name for one in _APPLYING if one.capabilities.needs_module)
"""Tools that load modules of the catalogue. One may be among the others, too: it loads what is on the host."""


@dataclass(frozen=True, kw_only=True)
class PlanRollout:
    """What would happen, to whom, in which wave, and who is left out and why."""

    store: Store
    clock: Clock

    def __call__(self, playbook: Playbook, fleet: Fleet, limit: str | None = None) -> Plan:
        """The plan. Raises `PlaybookInvalid`, `PatternInvalid` and `NotFound`."""
        patches = self.store.catalogue.all()
        patch = _named_patch(playbook, patches)
        targets = _targets(fleet, playbook.targets.hosts, limit)
        ids = [member.record.id for member in targets]
        known = self._known(patch, playbook.apply.tool, ids, playbook.targets.exposed_to)
        candidates = [known.candidate(member) for member in targets]
        made = plan(playbook, candidates, patch, now=known.now, catalogue=patches)
        warnings = (*made.warnings, *_stays_warnings(made), *known.stale_warnings(made))
        return made.model_copy(update={"rollback_reopens": known.reopening(made), "warnings": warnings})

    def _known(
        self, patch: Patch | None, tool: str, ids: Sequence[str], exposed_to: ExposedTo | tuple[Cve, ...] | None
    ) -> "_Known":
        exposures: dict[str, list[Exposure]] = {}
        if exposed_to is not None:
            for exposure in ReadExposures(store=self.store, clock=self.clock)(_asked(exposed_to, ids)):
                exposures.setdefault(exposure.host_id, []).append(exposure)
        return _Known(
            patch=patch,
            tool=tool,
            now=self.clock.now(),
            checks=self.store.sightings.last_checks(ids),
            latest=self.store.sightings.latest(ids),
            exposures=exposures,
            ours=by_module(self.store.catalogue.history().patches),
            second_names=self._second_names(),
        )

    def _second_names(self) -> Mapping[str, str]:
        """Second names of machines, and the first of each. A container has its machine's boot id, but is not it."""
        records = self.store.hosts.all()
        counts = Counter(record.evidence.boot_id for record in records)
        shared = [record for record in records if record.evidence.boot_id and counts[record.evidence.boot_id] > 1]
        latest = self.store.sightings.latest([record.id for record in shared]) if shared else {}
        containers = {key for key, seen in latest.items() if seen.facts.virtualization is Virtualization.CONTAINER}
        return second_names(record for record in records if record.id not in containers)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of the fleet, read once. ``tool``: the one that the playbook names, or ``auto``."""

    patch: Patch | None
    tool: str
    now: datetime
    checks: Mapping[str, CheckRecord]
    latest: Mapping[str, Sighting]
    exposures: Mapping[str, Sequence[Exposure]]
    ours: Mapping[str, Patch]
    second_names: Mapping[str, str]

    def reopening(self, made: Plan) -> tuple[tuple[str, str], ...]:
        """What a rollback of the planned rollout would expose again: what the patch replaced does not come back. Of
        what tools offer: what it fixes and what they have in force already, where they can take it out; some take out
        all at once."""
        if self.patch is None:
            return tuple(sorted({(host.name, cve) for host in made.hosts for cve in self._taken_out(host)}))
        planned: dict[str, list[Patch]] = {}
        for host in made.hosts:
            forced = [one.patch for one in in_force(self.latest[host.host_id].facts, tuple(self.ours.values()))]
            gone = {old.id for old in replaced_by(self.patch, forced)}
            planned[host.name] = [self.patch, *(old for old in forced if old.id not in gone)]
        return reopening(planned, self.patch)

    def _taken_out(self, host: PlannedHost) -> tuple[str, ...]:
        if host.offer is None or not host.reverts:
            return ()
        live = [one for one in self.latest[host.host_id].facts.live_patches if one.tool == host.backend]
        return (*host.offer.cves, *(cve for one in live if one.state is PatchState.APPLIED for cve in one.cves))

    def stale_warnings(self, made: Plan) -> tuple[str, ...]:
        """What tools offered a while ago may not be what they offer now."""
        seen = [self.latest[host.host_id].deep_seen for host in made.hosts if host.offer is not None]
        count = sum(moment is not None and self.now - moment > OLD_OFFERS for moment in seen)
        hours = int(OLD_OFFERS.total_seconds() // 3600)
        again = f"what {count} hosts are offered was asked more than {hours} h ago: `patchwave scan --deep` asks again"
        return (again,) if count else ()

    def candidate(self, member: Member) -> Candidate:
        """One listed host as planning sees it."""
        record, check = member.record, self.checks.get(member.record.id)
        sighting = self.latest.get(record.id)
        is_stale = sighting is not None and self.now > sighting.expected_by
        facts = None if sighting is None or is_stale else sighting.facts
        name, offer = self._choice(facts, member.host.backend)
        refused = self._refusal(facts, name, offer)
        return Candidate(
            host_id=record.id,
            name=member.name,
            site=record.site,
            customer=record.customer,
            labels=record.labels,
            backend=name,
            offer=offer,
            reverts=name in ROLLING_BACK,
            facts=facts,
            is_reachable=check is None or check.observation is not None,
            is_retired=record.retired_at is not None,
            duplicate_of=self.second_names.get(record.name),
            quarantine_reason=(record.quarantine_reason or "") if record.quarantined_at is not None else None,
            error_code=check.error_code if check is not None else None,
            error="its last check is too old: scan it" if is_stale else check.error if check is not None else None,
            exposures=tuple(self.exposures.get(record.id, ())),
            refusal=refused.code if refused is not None else None,
            refusal_detail=str(refused) if refused is not None else "",
        )

    def _choice(self, facts: Facts | None, named: str | None) -> tuple[str | None, Offer | NoOffer | None]:
        """Which backend acts on a host, and what its tool offers there. The playbook's word goes before the host's
        ``patchwave_backend``; a module is loaded by whatever can, where that names a tool which cannot."""
        only = named if self.tool == AUTO else self.tool
        if self.patch is not None:
            return (only if only in LOADING else DEFAULT_TOOL), None
        if facts is None:
            return only, None
        offer = offered(facts, _offering(facts), only=only)
        return (offer.tool if isinstance(offer, Offer) else only), offer

    def _refusal(self, facts: Facts | None, name: str | None, offer: Offer | NoOffer | None) -> PatchRefused | None:
        if facts is None or facts.kernel is None or name is None or isinstance(offer, NoOffer):
            return None
        payload: Payload | None = offer
        if self.patch is not None:
            payload = self.patch.build_for(facts.kernel.running, facts.kernel.build_id or "")
        return backend(name).refusal(facts, self.patch, payload, ours=self.ours, action=Action.APPLY)


def _offering(facts: Facts) -> list[str]:
    """The tools that count on a host. One that loads modules has no vendor who would know what is missing: where none
    is installed for it, and none in force, it says nothing of the host."""
    return [name for name in OFFERING if name not in LOADING or not _has_no_module(facts.tool(name))]


def _has_no_module(tool: Tool | None) -> bool:
    return tool is not None and tool.level is None and tool.deep is not None and tool.deep.updates == ()


def _stays_warnings(made: Plan) -> tuple[str, ...]:
    """What a rollback could not take out again."""
    stays = Counter(host.backend for host in made.hosts if not backend(host.backend).capabilities.reverts)
    return tuple(
        f"{count} hosts could not be rolled back: {name} takes nothing out without a reboot"
        for name, count in sorted(stays.items())
    )


def _asked(exposed_to: ExposedTo | tuple[Cve, ...], ids: Sequence[str]) -> Wanted:
    if isinstance(exposed_to, ExposedTo):
        return Wanted(host_ids=ids, severities=exposed_to.severity)
    return Wanted(host_ids=ids, cve=exposed_to[0] if len(exposed_to) == 1 else None)


def _targets(fleet: Fleet, pattern: str, limit: str | None) -> list[Member]:
    targets = fleet.select(pattern)
    allowed = {member.name for member in (targets if limit is None else fleet.select(limit))}
    return [member for member in targets if member.name in allowed]


def _named_patch(playbook: Playbook, patches: Sequence[Patch]) -> Patch | None:
    """The catalogue's patch that is to be applied; None: what the hosts' own tools offer. Raises `PlaybookInvalid`."""
    apply = playbook.apply
    if apply.tool not in (AUTO, *OFFERING, *LOADING):
        known = ", ".join(dict.fromkeys((AUTO, *OFFERING, *LOADING)))
        raise PlaybookInvalid(f"no tool called {apply.tool!r} applies patches; there are: {known}", field="apply.tool")
    if apply.patch is None:
        if apply.tool not in (AUTO, *OFFERING):
            message = f"names no patch, and {apply.tool} offers none by itself: name one here, or give --patch ID"
            raise PlaybookInvalid(message, field="apply.patch")
        if apply.persist:
            message = (
                "persist is for modules of the catalogue: how a tool's patches come back at boot is its own affair"
            )
            raise PlaybookInvalid(message, field="apply.persist")
        return None
    if apply.tool not in (AUTO, *LOADING):
        loading = ", ".join(LOADING)
        message = f"{apply.tool} applies what it offers itself: leave out apply.patch, or name one of {loading}"
        raise PlaybookInvalid(message, field="apply.tool")
    patch = next((one for one in patches if one.id == apply.patch), None)
    if patch is None:
        known = ", ".join(one.id for one in patches) or "nothing"
        raise PlaybookInvalid(f"the catalogue has no patch {apply.patch!r}; it has {known}", field="apply.patch")
    return patch
