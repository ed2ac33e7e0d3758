"""What is known when findings are made, besides facts: package lists, and all that was ever told of what is in them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.advisories import Grade, ModuleFix, PackageKey, Statement, Told
from orchestrator.core.facts import Package
from orchestrator.core.patches import Cve


@dataclass(kw_only=True)
class Knowledge:
    """Filled by whoever reads the store, before findings are asked for. Package lists are by fingerprint; ``told`` has
    a key for every package that was looked up, with an empty value where nothing was ever told."""

    packages: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    told: dict[PackageKey, Sequence[Told[Statement]]] = field(default_factory=dict)
    notices: dict[str, Sequence[Told[ModuleFix]]] = field(default_factory=dict)
    grades: dict[Cve, Sequence[Told[Grade]]] = field(default_factory=dict)

    def missing_packages(self, fingerprints: Iterable[str]) -> frozenset[str]:
        """The lists that are still to be read."""
        return frozenset(fingerprints) - self.packages.keys()

    def missing_keys(self, keys: Iterable[PackageKey]) -> frozenset[PackageKey]:
        """What has not been looked up yet."""
        return frozenset(keys) - self.told.keys()

    def notices_for(self, distribution: str, packages: Iterable[str]) -> Mapping[Cve, Sequence[Told[ModuleFix]]]:
        """The live patch notices about kernels of these packages, by CVE."""
        wanted = frozenset(packages)
        found: defaultdict[Cve, list[Told[ModuleFix]]] = defaultdict(list)
        for notice in self.notices.get(distribution, ()):
            if notice.said.package in wanted:
                found[notice.said.cve].append(notice)
        return found
