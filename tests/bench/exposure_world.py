"""A fleet and the vulnerability data about it, made up from a seed: the same numbers give the same world.

Five distributions have a pool of source packages each, some of which are installed nearly everywhere and most hardly
anywhere. Every entry is one CVE, in one source package of one to four distributions, and was fixed soon after: an image
has the fixes of all that came before it was built, and lacks the later ones.
"""

import random
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate

from orchestrator.core.advisories import Claim, Entry, Grade, Statement
from orchestrator.core.facts import Facts, InstalledKernel, Kernel, Os, Package, Packages
from orchestrator.core.patches import Severity

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAYS = 3650
"""Over so many days, up to now, the entries are spread."""

POOL, PACKAGES = 4000, 600
EVERYWHERE, SOURCES, CHANGED = 120, 2 * PACKAGES // 3 + 20, 8
"""How many sources are on every host; of how many the packages of an image come, and how many differ from the image
that was built for the same purpose before."""

IMAGES, RELEASES = 30, 3
"""How many images there are, and how many at most of one purpose."""

SYSTEMS = {"debian:12": 8, "ubuntu:22.04": 8, "almalinux:9": 5, "rocky:9": 4, "opensuse-leap:15.6": 5}
"""Distributions, and how many images are of each."""

KERNELS = {
    "debian:12": "linux",
    "ubuntu:22.04": "linux",
    "almalinux:9": "kernel",
    "rocky:9": "kernel",
    "opensuse-leap:15.6": "kernel-default",
}
KERNEL_SHARE, NEVER_FIXED, OPEN_QUESTION, EXPLOITED = 0.1, 0.004, 0.002, 0.002
SEVERITIES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL, Severity.UNKNOWN)
WEIGHTS = (15, 45, 28, 5, 7)
KERNEL = 0
"""The number of the kernel among the sources; the others are counted from 1, the most widespread first."""


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """One entry: what is fixed on which day in which systems; ``claim``: what is said of it."""

    number: int
    day: int
    source: int
    systems: tuple[str, ...]
    severity: Severity
    claim: Claim
    is_fixed: bool

    @property
    def cve(self) -> str:
        """Its id."""
        return f"CVE-{2016 + self.day // 365}-{10_000 + self.number}"


@dataclass(frozen=True, kw_only=True)
class Image:
    """What is installed on a host. ``built``: the day up to which it has all fixes."""

    number: int
    system: str
    built: int
    sources: tuple[int, ...]
    facts: Facts


@dataclass(frozen=True, kw_only=True)
class World:
    """So many entries about `IMAGES` images."""

    entries: int
    seed: int = 4

    @cached_property
    def flaws(self) -> tuple[Flaw, ...]:
        """All entries, the oldest first."""
        dice = random.Random(self.seed)
        days = sorted(dice.randrange(DAYS) for _ in range(self.entries))
        popular = list(accumulate(1 / rank**0.9 for rank in range(1, POOL)))
        return tuple(_flaw(dice, number, day, popular) for number, day in enumerate(days))

    @cached_property
    def fixes(self) -> dict[tuple[str, int], list[int]]:
        """The days on which a source package of a system got a new version, in order."""
        found: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for flaw in self.flaws:
            for system in flaw.systems if flaw.is_fixed else ():
                found[system, flaw.source].append(flaw.day)
        return found

    @cached_property
    def images(self) -> tuple[Image, ...]:
        """The images; those of one system one after the other, the oldest first."""
        dice = random.Random(self.seed + 1)
        made: list[Image] = []
        for system, count in SYSTEMS.items():
            installed: list[int] = []
            for nth, built in enumerate(sorted(dice.randrange(DAYS - 180, DAYS - 15) for _ in range(count))):
                installed = _chosen(dice, [] if nth % RELEASES == 0 else installed)
                made.append(self._image(len(made), system, built, installed))
        return tuple(made)

    def older(self, image: Image) -> Image:
        """The image that its hosts were made from before: the same purpose, built earlier; the first is its own."""
        before = self.images[max(image.number - 1, 0)]
        is_same = before.system == image.system and before.sources[:-CHANGED] == image.sources[:-CHANGED]
        return before if is_same else image

    def told(self) -> Iterator[tuple[Flaw, Entry]]:
        """Each entry, as a feed would give it."""
        for flaw in self.flaws:
            yield flaw, self.entry(flaw)

    def entry(self, flaw: Flaw) -> Entry:
        """One of them."""
        at = moment(flaw.day)
        said = tuple(
            Statement(
                cve=flaw.cve,
                distribution=system,
                package=KERNELS[system] if flaw.source == KERNEL else name_of(flaw.source),
                is_source=_is_deb(system),
                claim=flaw.claim,
                fixed=version_of(system, flaw.source, flaw.day) if flaw.is_fixed else None,
                severity=flaw.severity,
                disclosed=at - timedelta(days=flaw.number % 20),
                published=at if flaw.number % 3 else None,
                where=f"/{flaw.cve}/{system}",
            )
            for system in flaw.systems
        )
        return Entry(
            id=f"ADV-{flaw.number}",
            title=f"A flaw in {name_of(flaw.source)}",
            published=at,
            modified=at,
            statements=said,
        )

    def grades(self) -> Iterator[Entry]:
        """What is exploited."""
        for flaw in self.flaws[:: int(1 / EXPLOITED)]:
            day = moment(flaw.day)
            grade = Grade(cve=flaw.cve, kev_added=day.date(), kev_due=(day + timedelta(days=21)).date(), where="/")
            yield Entry(id=flaw.cve, grades=(grade,))

    def version(self, system: str, source: int, day: int) -> str:
        """What is the newest version on that day."""
        days = self.fixes.get((system, source), [])
        at = bisect_right(days, day)
        return version_of(system, source, days[at - 1] if at else 0)

    def _image(self, number: int, system: str, built: int, installed: Sequence[int]) -> Image:
        own = (*installed[-CHANGED:], *installed[:-CHANGED])
        items = [one for source in own for one in self._binaries(system, source, built)]
        kernel, image = self._kernel(system, built)
        listed = (*image, *items[: PACKAGES - len(image)])
        name, _, release = system.partition(":")
        manager = "dpkg" if _is_deb(system) else "rpm"
        return Image(
            number=number,
            system=system,
            built=built,
            sources=tuple(installed),
            facts=Facts(
                os=Os(id=name, version=release),
                arch="x86_64",
                kernel=kernel,
                is_root=True,
                packages=Packages(manager=manager, fingerprint=f"sha256:{number:064x}", items=listed),
            ),
        )

    def _binaries(self, system: str, source: int, built: int) -> list[Package]:
        version, name = self.version(system, source, built), name_of(source)
        names = [name, f"{name}-common"][: 1 + source % 2]
        return [Package(name=one, version=version, arch="amd64", source=name, source_version=version) for one in names]

    def _kernel(self, system: str, built: int) -> tuple[Kernel, tuple[Package, ...]]:
        version, source = self.version(system, KERNEL, built), KERNELS[system]
        release = f"{version}-amd64" if _is_deb(system) else version
        package = f"linux-image-{release}" if _is_deb(system) else source
        kernel = Kernel(
            running=release,
            package=package,
            package_version=version,
            source=source,
            source_version=version,
            build_id=f"{built:040x}",
            installed=(InstalledKernel(release=release, package=package, package_version=version),),
        )
        return kernel, (Package(name=package, version=version, arch="amd64", source=source, source_version=version),)


def _flaw(dice: random.Random, number: int, day: int, popular: Sequence[float]) -> Flaw:
    is_kernel = dice.random() < KERNEL_SHARE
    source = KERNEL if is_kernel else 1 + bisect_right(popular, dice.random() * popular[-1])
    systems = tuple(dice.sample(tuple(SYSTEMS), dice.randint(1, 4)))
    luck = dice.random()
    return Flaw(
        number=number,
        day=day,
        source=min(source, POOL - 1),
        systems=systems,
        severity=dice.choices(SEVERITIES, WEIGHTS)[0],
        claim=Claim.UNDETERMINED if luck < OPEN_QUESTION else Claim.AFFECTED,
        is_fixed=luck >= OPEN_QUESTION + NEVER_FIXED,
    )


def _chosen(dice: random.Random, before: Sequence[int]) -> list[int]:
    """The first are everywhere, as libc is; of the rest, each is the rarer the higher its number. A later image of the
    same purpose has some others in the place of the last ones."""
    installed = list(before[:-CHANGED] or range(1, EVERYWHERE + 1))
    while len(installed) < SOURCES:
        rank = int(POOL ** dice.random())
        if EVERYWHERE < rank < POOL and rank not in installed:
            installed.append(rank)
    return installed


def name_of(source: int) -> str:
    """The name of a source package."""
    return f"source-{source:04}"


def version_of(system: str, source: int, day: int) -> str:
    """The version that was built on that day."""
    upstream = f"{1 + source % 9}.{day // 400}.{day % 400 // 20}"
    if _is_deb(system):
        return f"{upstream}-{day}+deb12u1" if system.startswith("debian") else f"{upstream}-{day}ubuntu0.1"
    return f"{upstream}-{day}.el9" if not system.startswith("opensuse") else f"{upstream}-{day}.150600.1"


def moment(day: int) -> datetime:
    """Midday of that day; the last one is yesterday."""
    return NOW - timedelta(days=DAYS - day)


def _is_deb(system: str) -> bool:
    return system.startswith(("debian", "ubuntu"))
