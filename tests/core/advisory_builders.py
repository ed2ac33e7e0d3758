"""Hosts with packages, and what feeds told of them: small, on Debian, Ubuntu and Alma."""

from datetime import UTC, datetime
from typing import Any

from orchestrator.core.advisories import Grade, ModuleFix, Statement, Told
from orchestrator.core.catalogue import Catalogue
from orchestrator.core.facts import Facts, InstalledKernel, Kernel, LivePatch, Os, Package, Packages, PatchState
from orchestrator.core.findings import Finding
from orchestrator.core.knowledge import Knowledge
from orchestrator.core.matcher import Matcher

CVE, OTHER = "CVE-2099-1000", "CVE-2099-1001"
BASELINE = datetime(2026, 1, 1, tzinfo=UTC)
"""When every feed was imported first."""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def told(said: Any, *, feed: str = "debian", since: datetime = BASELINE, until: datetime | None = None) -> Told[Any]:
    """Something that a feed said from then on; with the first import unless it came later."""
    return Told(said=said, feed=feed, entry="entry", since=since, until=until, is_baseline=since == BASELINE)


def statement(cve: str = CVE, package: str = "openssl", distribution: str = "debian:12", **more: Any) -> Statement:
    """One statement."""
    return Statement.model_validate(
        {"cve": cve, "distribution": distribution, "package": package, "where": f"/{package}/{cve}"} | more
    )


def package(name: str, version: str, source: str | None = None, source_version: str | None = None) -> Package:
    """An installed package."""
    return Package(name=name, version=version, source=source or name, source_version=source_version or version)


LIBSSL = package("libssl3", "3.0.11-1~deb12u2", "openssl")


def debian(
    *packages: Package,
    running: str = "6.1.0-40-amd64",
    source: str | None = "linux",
    source_version: str | None = "6.1.153-1",
    installed: tuple[tuple[str, str, str], ...] = (),
    live: tuple[LivePatch, ...] = (),
    os: tuple[str, str] = ("debian", "12"),
    **more: Any,
) -> Facts:
    """A host: Debian 12 unless said otherwise. ``installed``: release, package, version of kernels on the disk."""
    kernel = Kernel(
        running=running,
        package=f"linux-image-{running}",
        package_version=source_version,
        source=source,
        source_version=source_version,
        build_id="aa" * 20,
        installed=tuple(InstalledKernel(release=r, package=p, package_version=v) for r, p, v in installed),
    )
    return Facts.model_validate(
        {
            "os": Os(id=os[0], version=os[1]),
            "arch": "x86_64",
            "kernel": kernel,
            "boot_id": "boot-0",
            "live_patches": live,
            "packages": Packages(manager="dpkg", fingerprint=fingerprint(packages)),
        }
        | more
    )


def fingerprint(packages: tuple[Package, ...]) -> str:
    """What stands for that list in facts."""
    return "list-" + "-".join(f"{one.name}={one.version}" for one in packages)


def applied(name: str, *cves: str, tool: str = "canonical", version: str | None = None) -> LivePatch:
    """A live patch in force."""
    return LivePatch(tool=tool, name=name, version=version, state=PatchState.APPLIED, cves=cves)


def matcher(
    *said: Told[Any], packages: tuple[Package, ...] = (), catalogue: Catalogue | None = None, facts: Facts | None = None
) -> Matcher:
    """A matcher that knows what was told, and this package list."""
    knowledge = Knowledge(packages={fingerprint(packages): packages})
    for one in said:
        if isinstance(one.said, Statement):
            key = (one.said.distribution, one.said.package)
            knowledge.told[key] = [*knowledge.told.get(key, ()), one]
        elif isinstance(one.said, ModuleFix):
            known = knowledge.notices.get(one.said.distribution, ())
            knowledge.notices[one.said.distribution] = [*known, one]
        elif isinstance(one.said, Grade):
            knowledge.grades[one.said.cve] = [*knowledge.grades.get(one.said.cve, ()), one]
    return Matcher(catalogue or Catalogue(patches=()), knowledge)


def finding(facts: Facts, *said: Told[Any], packages: tuple[Package, ...] = (), cve: str = CVE) -> Finding | None:
    """What is to be told of the CVE now."""
    return matcher(*said, packages=packages).finding(facts, cve, NOW)
