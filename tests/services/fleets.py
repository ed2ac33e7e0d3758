"""A small fleet for the tests of services: hosts that are looked at without SSH, and what is wired around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from orchestrator.core.facts import Facts, Observation, Volatile
from orchestrator.core.fleet import Fleet, Member
from orchestrator.core.hosts import Host
from orchestrator.core.identity import HostRecord
from orchestrator.errors import ConnectTimedOut, HostError
from orchestrator.ports.ssh import PresentedKey
from orchestrator.services.check_hosts import CheckHosts
from orchestrator.services.settle_identities import SettleIdentities
from orchestrator.services.update_exposures import UpdateExposures
from tests.fakes.clock import START, FakeClock
from tests.fakes.dispatchers import InlineDispatcher
from tests.fakes.ssh import FakeHostKeys
from tests.fakes.store import FakeStore

UNKNOWN_AFTER = timedelta(hours=3)


def record(name: str, at: datetime = START, **changes: object) -> HostRecord:
    """A record whose id is ``id-NAME``, listed since that moment."""
    values: dict[str, object] = {
        "id": f"id-{name}",
        "name": name,
        "address": name,
        "incarnated_at": at,
        "first_listed_at": at,
        "last_listed_at": at,
    }
    return HostRecord.model_validate(values | changes)


def member(name: str, **changes: object) -> Member:
    """A listed host with its record."""
    known = record(name, **changes)  # type: ignore[arg-type]
    return Member(host=Host(name=name, address=name), record=known)


def key(text: str) -> PresentedKey:
    """A host key that is told from others by that text."""
    return PresentedKey(type="ssh-ed25519", blob=f"AAAA{text}", fingerprint=f"SHA256:{text}")


def ids(prefix: str) -> Callable[[], str]:
    """Ids that sort in the order they are made."""
    numbers = count(1)
    return lambda: f"{prefix}{next(numbers):05}"


@dataclass
class Eyes:
    """`Observer`: what each host shows, by name; a host without facts does not answer. ``asked`` keeps the calls,
    with the fingerprint of the packages that were known; ``went_deep`` the deep ones."""

    clock: FakeClock
    shows: dict[str, Facts | HostError] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    went_deep: list[str] = field(default_factory=list)
    deep_at: datetime | None = None
    takes: float = 1.0

    def observe(self, host: Host, before: Facts | None = None, *, deep: bool = False) -> Observation:
        known = before.packages.fingerprint if before is not None and before.packages is not None else None
        self.asked.append((host.name, known))
        self.went_deep += [host.name] if deep else []
        started_at = self.clock.now()
        self.clock.advance(self.takes)
        seen = self.shows.get(host.name, ConnectTimedOut(f"{host.name}: nothing answered"))
        if isinstance(seen, HostError):
            raise seen
        volatile = Volatile(uptime=timedelta(days=1), deep_observed_at=self.deep_at)
        facts = seen.model_copy(update={"volatile": volatile})
        return Observation(started_at=started_at, observed_at=self.clock.now(), facts=facts)


class Checked:
    """Everything that a check of the fleet needs, in memory."""

    def __init__(self, *names: str, keys: Mapping[str, PresentedKey] | None = None) -> None:
        self.clock, self.store = FakeClock(), FakeStore()
        self.eyes = Eyes(self.clock)
        self.keys = FakeHostKeys(keys)
        self.members = tuple(member(name) for name in names)
        self.store.hosts.save([one.record for one in self.members])
        self.update_exposures = UpdateExposures(store=self.store, clock=self.clock)
        self.check_hosts = CheckHosts(
            check=self.eyes,
            store=self.store,
            dispatcher=InlineDispatcher(),
            clock=self.clock,
            settle=SettleIdentities(store=self.store, host_keys=self.keys, clock=self.clock),
            update_exposures=self.update_exposures,
            unknown_after=UNKNOWN_AFTER,
        )

    @property
    def fleet(self) -> Fleet:
        """The members without groups."""
        return Fleet(members=self.members, groups={"all": tuple(one.name for one in self.members)})
