"""Facts against all that is known: catalogue, advisories, live patch notices, and what the host's own tools tell.

Work is done once: statements are held against each distinct component once, findings are made once for each distinct
view of facts, however many hosts share it.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from orchestrator.core.advisories import ModuleFix, PackageKey, Statement, Told
from orchestrator.core.assessments import Change, Ruling, assessed, may_be_open
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.exposure_states import CoveredBy, ExposureState
from orchestrator.core.facts import Facts
from orchestrator.core.findings import Finding, combined, merged
from orchestrator.core.grades import GradeNow, graded
from orchestrator.core.images import Component, Image, Role, image_of
from orchestrator.core.knowledge import Knowledge
from orchestrator.core.matching import CatalogueMatcher
from orchestrator.core.patches import Cve
from orchestrator.core.sightings import Sighting
from orchestrator.core.tracks import EVER, Step, Track, step
from orchestrator.core.views import Decided, kernel_finding, not_there, now_of, package_finding, view_key

_OPEN = frozenset({Ruling.AFFECTED, Ruling.UNDETERMINED})


@dataclass(eq=False, kw_only=True)
class View:
    """One set of facts, and what was found of it so far. ``candidates`` are the CVEs that may be more than fixed: all
    others are told by `Matcher.track` when somebody asks for them. ``by_key``: its components, with their places in the
    image, by what statements are found by."""

    number: int
    facts: Facts
    image: Image
    by_key: Mapping[PackageKey, Sequence[tuple[int, Component]]]
    notices: Mapping[Cve, Sequence[Told[ModuleFix]]]
    candidates: frozenset[Cve]
    tracks: dict[Hashable, Track] = field(default_factory=dict)
    instants: tuple[datetime, ...] | None = None


class Matcher:
    """Findings, with a memory. ``knowledge`` must hold what the facts need (`needs`) before they are asked about. Not
    for use by several threads at once."""

    def __init__(self, catalogue: Catalogue, knowledge: Knowledge | None = None) -> None:
        self.catalogue = CatalogueMatcher(catalogue)
        self.knowledge = knowledge or Knowledge()
        self._numbers = count()
        self._of_content: dict[str, View] = {}
        self._views: dict[Hashable, View] = {}
        self._before: dict[Hashable, dict[Hashable, Track]] = {}
        self._images: dict[Hashable, Image] = {}
        # What was never more than fixed, nearly everything, is worked out when somebody asks for it.
        self._assessed: dict[tuple[Component, str | None], dict[Cve, tuple[Change, ...]]] = {}
        self._open: dict[tuple[Component, str | None], frozenset[Cve]] = {}
        self._told: dict[PackageKey, Mapping[Cve, Sequence[Told[Statement]]]] = {}
        self._keys_of: defaultdict[Cve, set[PackageKey]] = defaultdict(set)
        self._of_packages: dict[tuple[int, GradeNow], Finding] = {}
        self._catalogued: dict[tuple[int, datetime], Mapping[Cve, Finding]] = {}

    def needs(self, facts: Iterable[Facts]) -> frozenset[PackageKey]:
        """What `Knowledge.told` must know for these facts; their package lists must be known."""
        images = {id(image): image for image in map(self._image, facts)}
        return frozenset[PackageKey]().union(*(image.keys for image in images.values()))

    def view(self, facts: Facts) -> View:
        """The view that these facts share with all that agree in what matters."""
        key = view_key(facts)
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = self._new_view(facts, self._before.pop(key, {}))
        return found

    def view_of(self, sighting: Sighting) -> View:
        """The view of a sighting's facts."""
        found = self._of_content.get(sighting.content_hash)
        if found is None:
            found = self._of_content[sighting.content_hash] = self.view(sighting.facts)
        return found

    def track(self, view: View, cve: Cve, among: Iterable[View] = ()) -> Track:
        """What the CVE was found to be under these facts, over time.

        ``among`` are the other views of the same host: of a CVE that is told of something which is on the host in one
        of those, and not in this one, this one tells that it is not there; where its distribution could not be read,
        that nothing can be told.
        """
        own = {one.image.distribution for one in among} if view.facts.os is None else {view.image.distribution}
        others = frozenset(one for one in among if one is not view and one.image.distribution in own)
        told = frozenset(names for one in others for names in self._tells(one, cve))
        elsewhere = told - self._tells(view, cve) if told else told
        key = cve if not elsewhere else (cve, elsewhere)
        found = view.tracks.get(key)
        if found is None:
            found = view.tracks[key] = self._new_track(view, cve, elsewhere)
        return found

    def _tells(self, view: View, cve: Cve) -> frozenset[tuple[PackageKey, Role]]:
        """By what name and role something of the view is told of."""
        return frozenset(
            (component.key, component.role)
            for component, _ in self._changes(view, cve)
            if component.role is not Role.LIVE_PATCH
        )

    def _changes(self, view: View, cve: Cve) -> Sequence[tuple[Component, tuple[Change, ...]]]:
        """What was decided of the CVE in the components of which it is told, in the order of the image."""
        keys = [key for key in self._keys_of.get(cve, ()) if key in view.by_key]
        components = sorted((one for key in keys for one in view.by_key[key]), key=lambda one: one[0])
        found = ((component, self._changes_of(component, view, cve)) for _, component in components)
        return [(component, changes) for component, changes in found if changes]

    def _changes_of(self, component: Component, view: View, cve: Cve) -> tuple[Change, ...]:
        known = self._assessed.setdefault((component, view.facts.arch), {})
        if cve not in known:
            told = self._told[component.key].get(cve, ())
            ordering = view.image.ordering
            known[cve] = () if ordering is None else assessed(component, ordering, told, view.facts.arch)
        return known[cve]

    def instants(self, view: View) -> tuple[datetime, ...]:
        """Whenever something changed for one of its candidates."""
        if view.instants is None:
            every = {at for cve in view.candidates for at in self.track(view, cve).instants}
            view.instants = tuple(sorted(every))
        return view.instants

    def findings(self, facts: Facts, at: datetime) -> Mapping[Cve, Finding]:
        """What is to be told of each candidate at that instant, by CVE."""
        view = self.view(facts)
        found = {cve: self.track(view, cve).at(at).finding for cve in sorted(view.candidates)}
        return {cve: finding for cve, finding in found.items() if finding is not None}

    def finding(self, facts: Facts, cve: Cve, at: datetime) -> Finding | None:
        """What is to be told of any CVE at that instant; None where nobody tells of it."""
        return self.track(self.view(facts), cve).at(at).finding

    @property
    def size(self) -> int:
        """How many views are kept."""
        return len(self._views)

    def let_go(self) -> None:
        """Forget the views, and the package lists that they were made of. What was held against components is kept."""
        self.knowledge.packages.clear()
        self._images.clear()
        self._drop_views()

    def _drop_views(self) -> None:
        self._of_content.clear()
        self._views.clear()
        self._catalogued.clear()

    def forget(self, packages: Collection[PackageKey], cves: Collection[Cve]) -> None:
        """What is told of these packages and CVEs changed: hold it against the components again when somebody asks.

        What was told of the packages, and of the CVEs wherever they are, is dropped from `knowledge` too.
        """
        changed, moved = frozenset(packages), frozenset(cves)
        for known in [one for one in self._assessed if one[0].key in changed]:
            del self._assessed[known]
        for known in [one for one in self._open if one[0].key in changed]:
            del self._open[known]
        for cve in moved:
            self.knowledge.grades.pop(cve, None)
        for key in changed:
            self.knowledge.told.pop(key, None)
            for cve in self._told.pop(key, ()):
                self._keys_of[cve].discard(key)
        self._of_packages.clear()
        self._of_content.clear()
        self._outdate(changed, moved)

    def _outdate(self, changed: Collection[PackageKey], moved: Collection[Cve]) -> None:
        """Of views that it concerns, keep what was found of other CVEs: nothing that is told of one moves another."""
        distributions = {distribution for distribution, _ in changed}
        for key, view in list(self._views.items()):
            if view.image.distribution in distributions or not view.candidates.isdisjoint(moved):
                self._before[key] = self._views.pop(key).tracks
        for tracks in (*self._before.values(), *(view.tracks for view in self._views.values())):
            for known in [one for one in tracks if _cve_of(one) in moved]:
                del tracks[known]

    def _image(self, facts: Facts) -> Image:
        fingerprint = None if facts.packages is None else facts.packages.fingerprint
        lacks = facts.unknown.get("packages")
        key = (facts.os, facts.kernel, facts.virtualization, fingerprint, lacks)
        if key not in self._images:
            items = None if fingerprint is None else self.knowledge.packages.get(fingerprint)
            self._images[key] = image_of(facts, items)
        return self._images[key]

    def _new_view(self, facts: Facts, tracks: dict[Hashable, Track]) -> View:
        image = self._image(facts)
        kernel_names = [one.name for one in image.kernel if one.is_source]
        notices = self.knowledge.notices_for(image.distribution or "", kernel_names)
        everything = (*image.components, *image.other_kernels)
        judged = [one for one in image.components if one.role is not Role.LIVE_PATCH]
        for component in everything:
            self._assess(component, image, facts.arch)
        return View(
            number=next(self._numbers),
            facts=facts,
            image=image,
            by_key=_by_key(everything),
            tracks=tracks,
            notices=notices,
            candidates=frozenset().union(
                *(self._open[one, facts.arch] for one in judged), self._catalogue_cves(facts), _told_by_tools(facts)
            ),
        )

    def _catalogue_cves(self, facts: Facts) -> frozenset[Cve]:
        return frozenset(cve for at in self.catalogue.changes for cve in self.catalogue.findings(facts, at))

    def _assess(self, component: Component, image: Image, arch: str | None) -> None:
        """Find what may be more than fixed in the component, once for all views."""
        if (component, arch) in self._open or image.ordering is None:
            return
        if component.key not in self._told:
            self._index(component.key)
        told, ordering = self._told[component.key], image.ordering
        found = {cve for cve, ones in told.items() if may_be_open(component, ordering, ones, arch)}
        changes = {cve: assessed(component, ordering, told[cve], arch) for cve in found}
        self._assessed.setdefault((component, arch), {}).update(changes)
        self._open[component, arch] = frozenset(
            cve for cve, ones in changes.items() if any(one is not None and one.ruling in _OPEN for _, one in ones)
        )

    def _index(self, key: PackageKey) -> None:
        told: defaultdict[Cve, list[Told[Statement]]] = defaultdict(list)
        for one in self.knowledge.told.get(key, ()):
            told[one.said.cve].append(one)
        self._told[key] = dict(told)
        for cve in told:
            self._keys_of[cve].add(key)

    def _new_track(self, view: View, cve: Cve, elsewhere: Collection[tuple[PackageKey, Role]]) -> Track:
        decided = self._decided(view, cve)
        names = {key for key, _ in (*self._tells(view, cve), *elsewhere)}
        told = [one for key in names for one in self._told.get(key, {}).get(cve, ())]
        grades, was_kernel = self.knowledge.grades.get(cve, ()), any(role is Role.KERNEL for _, role in elsewhere)
        changes = {*decided.instants(), *_instants(told), *_instants(grades)}
        if cve in self.catalogue.ever:
            changes.update(self.catalogue.changes)
        if cve in _told_by_tools(view.facts):
            changes.add(EVER)
        steps: list[Step] = []
        for at in sorted(changes):
            listed = cve in self.catalogue.listed(at)
            is_told = listed or any(one.holds(at) for one in told)
            finding = self._find(view, cve, decided, at)
            if finding is None and is_told and not listed:
                grade = graded(grades, at)
                is_here = bool(self._tells(view, cve))
                finding = not_there(view.image, cve, grade, was_kernel=was_kernel, is_ignored=is_here)
            now = step(at, finding, is_told=is_told)
            if not steps or now[1:] != steps[-1][1:]:
                steps.append(now)
        return Track(steps)

    def _decided(self, view: View, cve: Cve) -> Decided:
        groups: dict[str, list[tuple[Change, ...]]] = {"kernel": [], "others": [], "live": [], "packages": []}
        others = view.image.other_kernels
        for component, changes in self._changes(view, cve):
            groups[_group(component, others)].append(changes)
        return Decided(
            kernel=groups["kernel"],
            other_kernels=groups["others"],
            live_patches=groups["live"],
            packages=groups["packages"],
            notices=view.notices.get(cve, ()),
        )

    def _find(self, view: View, cve: Cve, decided: Decided, at: datetime) -> Finding | None:
        grade = graded(self.knowledge.grades.get(cve, ()), at)
        found = [self._package(changes, grade, at) for changes in decided.packages]
        kernel = self._kernel(view, cve, decided, grade, at)
        return combined(one for one in (*found, kernel) if one is not None)

    def _kernel(self, view: View, cve: Cve, decided: Decided, grade: GradeNow, at: datetime) -> Finding | None:
        """By the distribution's data, the host's tools and the catalogue. A live patch of any of them covers it; where
        the catalogue cannot tell what is in force, nobody can."""
        kernel = kernel_finding(view.facts, cve, decided, grade, at)
        catalogued = self._by_catalogue(view, at).get(cve)
        ones = [one for one in (catalogued, kernel) if one is not None]
        for one in ones:
            if one.reason is CoveredBy.LIVE_PATCHED:
                return merged([one], ones)
        if catalogued is not None and catalogued.state is ExposureState.UNKNOWN:
            return merged([catalogued], ones)
        return combined(ones)

    def _by_catalogue(self, view: View, at: datetime) -> Mapping[Cve, Finding]:
        key = (view.number, at)
        if key not in self._catalogued:
            self._catalogued[key] = self.catalogue.findings(view.facts, at)
        return self._catalogued[key]

    def _package(self, changes: Sequence[Change], grade: GradeNow, at: datetime) -> Finding | None:
        found = now_of(changes, at)
        if found is None:
            return None
        key = (id(found), grade)
        if key not in self._of_packages:
            self._of_packages[key] = package_finding(found, grade)
        return self._of_packages[key]


def _by_key(components: Iterable[Component]) -> Mapping[PackageKey, Sequence[tuple[int, Component]]]:
    found: defaultdict[PackageKey, list[tuple[int, Component]]] = defaultdict(list)
    for place, component in enumerate(dict.fromkeys(components)):
        found[component.key].append((place, component))
    return found


def _cve_of(key: Hashable) -> Hashable:
    """Of what tracks are kept by: a CVE, or one with what it is told of elsewhere."""
    return key[0] if isinstance(key, tuple) else key


def _instants(told: Iterable[Told[Any]]) -> Iterator[datetime]:
    for one in told:
        yield one.since
        if one.until is not None:
            yield one.until


def _group(component: Component, others: Sequence[Component]) -> str:
    if component.role is Role.LIVE_PATCH:
        return "live"
    if component.role is Role.PACKAGE:
        return "packages"
    return "others" if component in others else "kernel"


def _told_by_tools(facts: Facts) -> frozenset[Cve]:
    """The CVEs that live patches in force fix, and those that tools have something to offer against."""
    live = {cve for one in facts.live_patches for cve in one.cves}
    deep = [tool.deep for tool in facts.tools if tool.deep is not None]
    return frozenset(live | {cve for one in deep for update in one.updates or () for cve in update.cves})
