"""Read what findings are made with: package lists, what was ever told of what is in them, grades, notices."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from orchestrator.core.advisories import PackageKey
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.distributions import distribution_of
from orchestrator.core.facts import Facts
from orchestrator.core.knowledge import Knowledge
from orchestrator.core.matcher import Matcher
from orchestrator.core.patches import Cve
from orchestrator.core.sightings import Sighting
from orchestrator.core.timelines import Timelines
from orchestrator.ports.store import Store

MOST_VIEWS = 500
"""Views that are kept between batches of hosts: each takes up to a megabyte with its package list and its tracks."""


@dataclass(kw_only=True)
class KnowHosts:
    """What is known of hosts and not seen on them, read once and kept: `timelines` is good for all facts that `learn`
    was given. Not for use by several threads at once."""

    store: Store
    catalogue: Catalogue
    knowledge: Knowledge = field(default_factory=Knowledge)
    matcher: Matcher = field(init=False)
    timelines: Timelines = field(init=False)

    def __post_init__(self) -> None:
        self.matcher = Matcher(self.catalogue, self.knowledge)
        self.timelines = Timelines(self.matcher)

    def learn(self, sightings: Iterable[Sighting], cves: Collection[Cve] = ()) -> None:
        """Read what is to be known for these facts, as far as it was not read before; of these CVEs also where they may
        not be more than fixed."""
        facts = list({sighting.content_hash: sighting.facts for sighting in sightings}.values())
        self._learn_packages(facts)
        known = self.knowledge
        keys = known.missing_keys(self.matcher.needs(facts))
        if keys:
            found = self.store.advisories.statements(keys)
            known.told.update({key: found.get(key, ()) for key in keys})
        self._learn_notices(facts)
        self._learn_grades(facts, cves)

    def let_go(self) -> None:
        """Forget what belongs to single hosts, once it is much: a fleet may have a package list for each."""
        if self.matcher.size > MOST_VIEWS:
            self.matcher.let_go()
            self.timelines = Timelines(self.matcher)

    def forget(self, packages: Collection[PackageKey], cves: Collection[Cve]) -> None:
        """Read again what is told of these, when it is needed next."""
        for distribution in {distribution for distribution, _ in packages}:
            self.knowledge.notices.pop(distribution, None)
        self.matcher.forget(packages, cves)
        self.timelines = Timelines(self.matcher)

    def _learn_packages(self, facts: Collection[Facts]) -> None:
        wanted = (one.packages.fingerprint for one in facts if one.packages is not None)
        for fingerprint in sorted(self.knowledge.missing_packages(wanted)):
            found = self.store.sightings.packages(fingerprint)
            if found is not None and found.items is not None:
                self.knowledge.packages[fingerprint] = found.items

    def _learn_notices(self, facts: Collection[Facts]) -> None:
        seen = {distribution_of(one.os) for one in facts}
        wanted = sorted(name for name in seen if name is not None and name not in self.knowledge.notices)
        if wanted:
            notices = self.store.advisories.module_fixes(wanted)
            self.knowledge.notices.update(
                {name: [one for one in notices if one.said.distribution == name] for name in wanted}
            )

    def _learn_grades(self, facts: Collection[Facts], asked: Collection[Cve]) -> None:
        views = {id(view): view for view in map(self.matcher.view, facts)}
        cves = {cve for view in views.values() for cve in view.candidates}.union(asked) - self.knowledge.grades.keys()
        if cves:
            found = self.store.advisories.grades(cves)
            self.knowledge.grades.update({cve: found.get(cve, ()) for cve in cves})
