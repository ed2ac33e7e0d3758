"""The only place where objects are wired together. Everything is made when it is first asked for."""

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

from ulid import ULID

from orchestrator.backends.registry import BACKENDS, backend
from orchestrator.catalogue import DirectoryModuleFiles, read_patch
from orchestrator.clock import SystemClock
from orchestrator.core.advisories import Imported
from orchestrator.core.fleet import Fleet, Member
from orchestrator.core.hosts import Host
from orchestrator.core.identity import HostRecord
from orchestrator.core.patches import Patch
from orchestrator.core.plans import Plan
from orchestrator.core.sightings import CheckRecord
from orchestrator.dispatch.threads import ThreadDispatcher
from orchestrator.errors import FeedInvalid, NotAvailable, PlaybookInvalid, SettingsInvalid
from orchestrator.inventory import load_inventory
from orchestrator.playbook_files import load_playbook
from orchestrator.ports.store import Store
from orchestrator.services.accept_risk import AcceptRisk
from orchestrator.services.carry_out_attempt import AttemptRunner
from orchestrator.services.check_hosts import CheckHosts, HostCheck
from orchestrator.services.diagnose_hosts import DiagnoseHosts
from orchestrator.services.drive_rollout import DriveRollout
from orchestrator.services.explain_exposure import ExplainExposure
from orchestrator.services.export_vex import ExportVex
from orchestrator.services.import_advisories import FeedResult, ImportAdvisories
from orchestrator.services.manage_catalogue import ManageCatalogue
from orchestrator.services.manage_sla import ManageSla
from orchestrator.services.order_rollout import OrderRollout
from orchestrator.services.plan_rollout import PlanRollout
from orchestrator.services.read_advisories import ReadAdvisories
from orchestrator.services.read_exposures import ReadExposures
from orchestrator.services.read_fleet import ReadFleet, by_module
from orchestrator.services.read_only import require_write
from orchestrator.services.read_rollouts import ReadRollouts
from orchestrator.services.refresh_inventory import RefreshInventory
from orchestrator.services.report_exposure import ReportExposure
from orchestrator.services.retire_host import RetireHost
from orchestrator.services.settle_identities import SettleIdentities
from orchestrator.services.sync_advisories import SyncAdvisories
from orchestrator.services.trust_hosts import TrustHosts
from orchestrator.services.update_exposures import UpdateExposures
from orchestrator.settings import FILE, Origins, Settings
from orchestrator.ssh import HomeHostKeys, SshTransport
from orchestrator.store import open_store, revisions

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def new_id() -> str:
    """A ULID: unique, and sorted by time."""
    return str(ULID())


def new_nonce() -> str:
    """What frames one answer: nobody on the host can know it before."""
    return secrets.token_hex(16)


class SshSettings(TypedDict):
    """What `HomeHostKeys` and `SshTransport` share."""

    forks: int
    connect_timeout: float
    banner_timeout: float
    auth_timeout: float
    ssh_config_path: str | None
    resolve_host: Callable[[str], Host | None]


class App:
    """One process's wiring of settings, adapters and services."""

    def __init__(self, *, settings: Settings, origins: Origins, folder: Path) -> None:
        self.settings, self.origins, self.folder = settings, origins, folder
        self.clock = SystemClock()
        self._listed: dict[str, Host] = {}

    # Adapters

    @cached_property
    def store(self) -> Store:
        """The database. Raises `NotAvailable` when it is not there or not of this version."""
        return open_store(self.settings.database, new_id=new_id)

    @cached_property
    def host_keys(self) -> HomeHostKeys:
        """The pinned keys of the home folder."""
        return HomeHostKeys(self.settings.known_hosts, **self._ssh_settings())

    @cached_property
    def transport(self) -> SshTransport:
        """SSH, with kept connections."""
        return SshTransport(self.host_keys, max_connections=self.settings.max_connections, **self._ssh_settings())

    def _ssh_settings(self) -> SshSettings:
        return SshSettings(
            forks=self.settings.forks,
            connect_timeout=self.settings.connect_timeout.total_seconds(),
            banner_timeout=self.settings.banner_timeout.total_seconds(),
            auth_timeout=self.settings.auth_timeout.total_seconds(),
            ssh_config_path=str(self.settings.ssh_config) if self.settings.ssh_config is not None else None,
            resolve_host=lambda name: self._listed.get(name),  # noqa: PLW0108  the dict is replaced
        )

    @cached_property
    def dispatcher(self) -> ThreadDispatcher:
        """The bounded pool."""
        return ThreadDispatcher(self.settings.forks)

    @cached_property
    def engine_dispatcher(self) -> ThreadDispatcher:
        """A pool of the engine's own: a check of thousands of dead hosts must not hold up committed intents."""
        return ThreadDispatcher(self.settings.forks)

    @cached_property
    def modules(self) -> DirectoryModuleFiles:
        """The modules of the catalogue."""
        return DirectoryModuleFiles(self.settings.patches)

    # Services

    @cached_property
    def reader(self) -> ReadFleet:
        """What is known, without touching any host."""
        return ReadFleet(store=self.store, clock=self.clock)

    def read_exposures(self) -> ReadExposures:
        """Where hosts stand with CVEs."""
        return ReadExposures(store=self.store, clock=self.clock)

    def explain_exposure(self) -> ExplainExposure:
        """One CVE on one host, explained."""
        return ExplainExposure(store=self.store, clock=self.clock)

    @cached_property
    def update_exposures(self) -> UpdateExposures:
        """Windows, rebuilt."""
        return UpdateExposures(store=self.store, clock=self.clock)

    @cached_property
    def host_check(self) -> HostCheck:
        """The one check."""
        return HostCheck(
            transport=self.transport,
            clock=self.clock,
            new_nonce=new_nonce,
            timeout=self.settings.check_timeout,
            deep_timeout=self.settings.deep_check_timeout,
        )

    @cached_property
    def check_hosts(self) -> CheckHosts:
        """Checks that are kept."""
        return CheckHosts(
            check=self.host_check,
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            settle=SettleIdentities(store=self.store, host_keys=self.host_keys, clock=self.clock),
            update_exposures=self.update_exposures,
            unknown_after=self.settings.unknown_after,
            ahead=2 * self.settings.forks,
        )

    def trust_hosts(self) -> TrustHosts:
        """Pinning of host keys."""
        return TrustHosts(
            host_keys=self.host_keys,
            store=self.store,
            dispatcher=self.dispatcher,
            clock=self.clock,
            update_exposures=self.update_exposures,
        )

    def diagnose_hosts(self) -> DiagnoseHosts:
        """The doctor."""
        return DiagnoseHosts(check=self.host_check, dispatcher=self.dispatcher)

    def catalogue(self) -> ManageCatalogue:
        """The catalogue of modules."""
        return ManageCatalogue(
            keep_files=self.modules.keep, store=self.store, clock=self.clock, update_exposures=self.update_exposures
        )

    def manage_sla(self) -> ManageSla:
        """Service levels."""
        return ManageSla(
            policies=self.store.policies,
            acceptances=self.store.acceptances,
            hosts=self.store.hosts,
            standings=self.store.exposures.all,
            redate=self.update_exposures.everywhere,
            clock=self.clock,
        )

    def accept_risk(self) -> AcceptRisk:
        """Accepted risks."""
        return AcceptRisk(
            acceptances=self.store.acceptances,
            hosts=self.store.hosts,
            clock=self.clock,
            new_id=new_id,
            at_most=self.settings.accept_risk_at_most,
        )

    @cached_property
    def read_advisories(self) -> ReadAdvisories:
        """Published vulnerability data as it is shown."""
        return ReadAdvisories(store=self.store)

    def import_advisories(self, *, may_shrink: bool = False) -> ImportAdvisories:
        """Files of feeds, taken in. What an import that was cut short left undone is done first."""
        # Readers of feeds are imported here: no other command shall wait for them.
        from orchestrator.feeds.registry import FEEDS, LIKELIHOODS  # noqa: PLC0415

        self.update_exposures.catch_up()
        return ImportAdvisories(
            feeds=FEEDS,
            scores=LIKELIHOODS,
            store=self.store.feeds,
            clock=self.clock,
            digest=sha256_of,
            on_change=self._advisories_changed,
            may_shrink=may_shrink,
        )

    def sync_advisories(
        self,
        names: Sequence[str] = (),
        *,
        older_than: timedelta = timedelta(0),
        on_part: Callable[[str], None] = lambda _part: None,
        on_result: Callable[[FeedResult], None] = lambda _result: None,
    ) -> tuple[FeedResult, ...]:
        """Download and take in these feeds, or what the fleet needs. Raises `SettingsInvalid`, `NotFound`, `Conflict`
        while another sync is under way, `FeedUnavailable` where proxy or CA file cannot be used."""
        from orchestrator.feeds.download import DownloadSettings, HttpFetch  # noqa: PLC0415  see above
        from orchestrator.feeds.registry import feed  # noqa: PLC0415

        proxy = self.settings.feed_proxy
        settings = DownloadSettings(
            most=self.settings.feed_max_bytes,
            proxy=None if proxy is None else proxy.get_secret_value(),
            ca_file=self.settings.feed_ca_file,
        )
        sync = SyncAdvisories(
            source=feed,
            enabled=self._enabled_feeds(),
            take=self.import_advisories(),
            store=self.store,
            clock=self.clock,
            urls=self.settings.feed_urls,
        )
        with HttpFetch(self.settings.feed_files, settings, self.clock) as fetch:
            return sync(fetch, names, older_than=older_than, on_part=on_part, on_result=on_result)

    def _enabled_feeds(self) -> tuple[str, ...]:
        from orchestrator.feeds.registry import FEEDS, LIKELIHOODS  # noqa: PLC0415  see above

        known = (*FEEDS, *LIKELIHOODS)
        for field, names in (("feeds", self.settings.feeds or ()), ("feed_urls", self.settings.feed_urls)):
            for name in names:
                if name.partition("/")[0] not in known:
                    raise SettingsInvalid(f"there is no feed {name!r}; there are: {', '.join(known)}", field=field)
        return known if self.settings.feeds is None else self.settings.feeds

    def _advisories_changed(self, changed: Imported) -> None:
        del changed  # it is written down, with whatever else is to be followed up
        self.update_exposures.catch_up()

    def report_exposure(self) -> ReportExposure:
        """The exposure report."""
        return ReportExposure(
            windows=self.store.exposures,
            hosts=self.store.hosts,
            policies=self.store.policies,
            acceptances=self.store.acceptances,
            clock=self.clock,
        )

    def export_vex(self) -> ExportVex:
        """OpenVEX."""
        return ExportVex(
            store=self.store,
            clock=self.clock,
            tooling=f"patchwave {version('patchwave')}",
            author=f"Patchwave on {self.settings.controller}",
        )

    def order_rollout(self) -> OrderRollout:
        """Orders to rollouts."""
        return OrderRollout(store=self.store, clock=self.clock, new_id=new_id)

    @cached_property
    def read_rollouts(self) -> ReadRollouts:
        """Rollouts as they are shown."""
        return ReadRollouts(store=self.store, clock=self.clock)

    @cached_property
    def drive_rollout(self) -> DriveRollout:
        """The engine."""
        runner = AttemptRunner(
            transport=self.transport,
            clock=self.clock,
            modules=self.modules,
            backend=backend,
            check=self.check_hosts.verify,
            ours=lambda: by_module(self.store.catalogue.history().patches),
            new_nonce=new_nonce,
            controller=self.settings.controller,
            is_read_only=self.settings.read_only,
        )
        return DriveRollout(
            store=self.store,
            clock=self.clock,
            dispatcher=self.engine_dispatcher,
            runner=runner,
            check_hosts=self.check_hosts,
            members=lambda: {member.record.id: member for member in self.fleet().members},
            new_id=new_id,
            holder=f"{self.settings.controller}:{os.getpid()}:{secrets.token_hex(4)}",
            is_read_only=self.settings.read_only,
        )

    # Use cases of several commands

    def fleet(self, *, accept: bool = False) -> Fleet:
        """The fleet as the inventory lists it now."""
        path = self.settings.inventory_path(self.folder)
        refresh = RefreshInventory(
            load=lambda: load_inventory(path, backends=BACKENDS),
            store=self.store,
            clock=self.clock,
            new_id=new_id,
            unknown_after=self.settings.unknown_after,
            update_exposures=self.update_exposures,
        )
        fleet = refresh(on_purpose=accept)
        self._listed = {member.name: member.host for member in fleet.members}
        return fleet

    def scan(
        self,
        members: Sequence[Member],
        on_result: Callable[[CheckRecord], None] = lambda _record: None,
        deep_after: timedelta | None = None,
    ) -> dict[str, CheckRecord]:
        """Check these members and keep what was seen; the records by host id.

        ``deep_after``: hosts whose last deep check is so old get a deep one; None: nobody does.
        """
        deep_before = None if deep_after is None else self.clock.now() - deep_after
        return self.check_hosts(members, deep_before=deep_before, on_result=on_result)

    def plan_rollout(self, file: Path, fleet: Fleet, *, limit: str | None, patch: str | None) -> Plan:
        """Plan a playbook file, for another patch than it names if one is given."""
        playbook = load_playbook(file)
        if patch is not None:
            playbook = playbook.with_patch(patch)
        try:
            return PlanRollout(store=self.store, clock=self.clock)(playbook, fleet, limit)
        except PlaybookInvalid as exc:
            raise PlaybookInvalid(exc.message, file=str(file), line=exc.line, field=exc.field) from exc

    def select(self, fleet: Fleet, pattern: str | None) -> tuple[Member, ...]:
        """The members that a host pattern names; all of them without one."""
        return fleet.members if pattern is None else fleet.select(pattern)

    def add_patch(self, file: Path) -> Patch:
        """Read a patch file with its modules and add it."""
        patch, files = read_patch(file, self.clock.now())
        self.catalogue().add(patch, files)
        return patch

    def retire_host(self) -> RetireHost:
        """Retiring by hand."""
        return RetireHost(store=self.store, clock=self.clock, update_exposures=self.update_exposures)

    def quarantine(self, record: HostRecord, reason: str | None) -> None:
        """Keep a host out of rollouts with a reason; let it in again with None."""
        at = self.clock.now() if reason is not None else None
        change = {"quarantined_at": at, "quarantine_reason": reason}
        self.store.hosts.change(lambda known: [one.model_copy(update=change) for one in known if one.id == record.id])

    def require_write(self) -> None:
        """Raise `NotAllowed` in read-only mode."""
        require_write(is_read_only=self.settings.read_only)

    # The home folder and its database

    def initialise(self, settings_file: str | None = None) -> list[str]:
        """Make what is missing of the home folder; what was done, as lines for a person. Raises `NotAvailable`."""
        try:
            done = self._make_home(settings_file or SETTINGS_FILE)
        except OSError as exc:
            raise NotAvailable(f"the home folder cannot be made: {exc.filename}: {exc.strerror}") from exc
        return [*done, self.upgrade_database()]

    def _make_home(self, settings_file: str) -> list[str]:
        home = self.settings.home
        home.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self.settings.patches.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        file = home / FILE
        if file.exists():
            return [f"home folder: {home}"]
        _write_private(file, settings_file)
        return [f"home folder: {home}", f"settings: {file}"]

    def upgrade_database(self) -> str:
        """Bring the schema up to date; what was done."""
        revisions.upgrade(self.settings.database)
        self.update_exposures.catch_up()
        return "the database is of this version"

    def database_problems(self) -> list[str]:
        """What is wrong with the database; empty: nothing."""
        return list(revisions.check(self.settings.database))

    def not_ready(self) -> list[str]:
        """What keeps the service from its work: cheap enough to be asked every few seconds. Raises `NotAvailable`."""
        state = revisions.revision(self.settings.database)
        is_current = state is revisions.Revision.CURRENT
        return [] if is_current else [f"the schema of the database is {state}: run `patchwave db upgrade`"]

    def prepare(self) -> None:
        """Wire everything now: threads that begin beside each other must not each wire a part of their own. What an
        import that was cut short left undone is done."""
        self.update_exposures.catch_up()
        _ = self.drive_rollout, self.read_rollouts

    def close(self) -> None:
        """Close what was opened."""
        for name in ("dispatcher", "engine_dispatcher", "transport", "host_keys", "store"):
            if name in self.__dict__:
                self.__dict__[name].close()


SETTINGS_FILE = """\
# Settings of Patchwave; `patchwave config show` prints each with where it came from.
# The environment (PATCHWAVE_<NAME>) goes before this file.

# For the first weeks: checks, exposure and plans work, every change of a host is refused.
# read_only = true

# inventory = "inventory"
# database_url = "postgresql+psycopg://patchwave@db.example.com/patchwave"
"""


def sha256_of(path: Path) -> str:
    """Of a file of any size. Raises `FeedInvalid`."""
    try:
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as exc:
        raise FeedInvalid(f"cannot be read: {exc.strerror}", file=str(path)) from exc


def _write_private(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w", encoding="utf-8") as opened:
        opened.write(text)
