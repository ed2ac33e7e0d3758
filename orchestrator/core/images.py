"""What of a host published vulnerability data speaks about: its installed packages, and the kernel that runs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.advisories import PackageKey
from orchestrator.core.distributions import Ordering, distribution_of, ordering_of
from orchestrator.core.facts import Facts, InstalledKernel, Kernel, Package, Virtualization
from orchestrator.core.kernel_source import kernel_source
from orchestrator.core.versions import without_epoch

LIVE_PATCH_PACKAGES = ("kpatch-patch-", "kernel-livepatch-", "kgraft-patch-")
"""Packages that bring a live patch for one kernel build: Red Hat and its kin, Amazon Linux and SUSE, old SUSE."""


class Role(StrEnum):
    """What a component is to the host."""

    PACKAGE = "package"
    """Software on the disk, judged by the installed version."""
    KERNEL = "kernel"
    """The image that runs, judged by the version that booted."""
    LIVE_PATCH = "live_patch"
    """A package whose module patches the kernel that runs: what it is fixed in, it fixes there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Component:
    """One name and version that statements are held against. ``binaries``: the installed packages behind it.

    ``has_epoch`` False: the version is that of a source rpm's file name, which has none, and no installed package of it
    tells which it is: it is compared without.
    """

    distribution: str
    name: str
    version: str
    is_source: bool
    role: Role = Role.PACKAGE
    has_epoch: bool = True
    binaries: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> PackageKey:
        """What statements are found by."""
        return self.distribution, self.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """The components of a host. ``lacks`` says why the package list cannot be told, ``kernel_lacks`` why the running
    kernel cannot; None where it can, and for the kernel also where it is not the host's own (a container).

    ``other_kernels`` are kernels on the disk that do not run.
    """

    distribution: str | None
    ordering: Ordering | None
    components: tuple[Component, ...] = ()
    other_kernels: tuple[Component, ...] = ()
    lacks: str | None = None
    kernel_lacks: str | None = None

    @property
    def gaps(self) -> tuple[str, ...]:
        """What cannot be told of the host, whatever is told of anything; empty: nothing."""
        if self.distribution is None:
            return (self.lacks or "no feed speaks of its distribution",)
        return tuple(one for one in (self.kernel_lacks, self.lacks) if one is not None)

    @property
    def kernel(self) -> tuple[Component, ...]:
        """The running kernel, under each name that data may know it by."""
        return tuple(one for one in self.components if one.role is Role.KERNEL)

    @property
    def keys(self) -> frozenset[PackageKey]:
        """All that statements could be found by."""
        return frozenset(one.key for one in (*self.components, *self.other_kernels))


def image_of(facts: Facts, items: tuple[Package, ...] | None) -> Image:
    """The image that these facts describe; ``items``: the package list of their fingerprint, None where there is none.

    Packages built from a kernel's source are judged by the kernel that runs, whatever version of them is installed:
    headers and tools of a newer kernel do not fix it, and a newer image that was not booted does not either.
    """
    distribution = distribution_of(facts.os)
    ordering = None if distribution is None else ordering_of(distribution)
    if distribution is None or ordering is None:
        unread = "the distribution could not be read" if facts.os is None else None
        return Image(distribution=None, ordering=None, lacks=unread, kernel_lacks=unread)
    lacks = _packages_lack(facts, items)
    listed = items or ()
    running, kernel_lacks = _running(facts, distribution, ordering)
    family = _kernel_family(facts.kernel, listed)
    release = None if facts.kernel is None else facts.kernel.running
    packages = (
        *_components(distribution, ordering, listed, family, release),
        *_offered_live_patches(distribution, listed, release),
    )
    return Image(
        distribution=distribution,
        ordering=ordering,
        components=(*running, *packages),
        other_kernels=tuple(_others(facts.kernel, distribution, running, listed)),
        lacks=lacks,
        kernel_lacks=kernel_lacks,
    )


def _packages_lack(facts: Facts, items: tuple[Package, ...] | None) -> str | None:
    if "packages" in facts.unknown:
        return f"the package list could not be read: {facts.unknown['packages']}"
    if facts.packages is None:
        return "the host has no package list"
    return "the package list is not known" if items is None else None


def _running(facts: Facts, distribution: str, ordering: Ordering) -> tuple[tuple[Component, ...], str | None]:
    kernel = facts.kernel
    if facts.virtualization is Virtualization.CONTAINER:
        return (), None
    if kernel is None:
        return (), "the running kernel could not be read"
    if kernel.source is None or kernel.source_version is None:
        return (), f"no package is known that the running kernel {kernel.running} came from"
    names = {(kernel.source, True): kernel.source_version}
    if ordering is not Ordering.DEB and kernel.package is not None and kernel.package_version is not None:
        names[kernel.package, False] = kernel.package_version
        # Binary kernels are split: data names the metapackage, or the part that has the image.
        names[kernel.source, False] = kernel.package_version
        names[kernel.source, True] = kernel.package_version
    binaries = ((kernel.package, kernel.package_version or kernel.source_version),) if kernel.package else ()
    components = (
        Component(
            distribution=distribution,
            name=name,
            version=version,
            is_source=is_source,
            role=Role.KERNEL,
            binaries=binaries,
        )
        for (name, is_source), version in names.items()
    )
    return tuple(components), None


def _kernel_family(kernel: Kernel | None, items: Iterable[Package]) -> frozenset[str]:
    """The source packages of kernels on the host, as the list names them and as data does."""
    if kernel is None:
        return frozenset()
    images = {installed.package for installed in kernel.installed} | {kernel.package}
    sources = {item.source or item.name for item in items if item.name in images}
    return frozenset({kernel.source, "linux", *sources, *(kernel_source(one, "")[0] for one in sources)} - {None})  # type: ignore[arg-type]


def _components(
    distribution: str, ordering: Ordering, items: Iterable[Package], family: frozenset[str], release: str | None
) -> Iterator[Component]:
    found: dict[tuple[str, str, bool, Role], list[tuple[str, str]]] = {}
    epochs = {_source_of(item): item.version for item in items if without_epoch(item.version) == item.source_version}
    for item in items:
        role = Role.LIVE_PATCH if item.name.startswith(LIVE_PATCH_PACKAGES) else Role.PACKAGE
        if role is Role.LIVE_PATCH and not is_for_kernel(item.name, release):
            continue
        source = item.source or item.name
        if role is Role.PACKAGE and (source in family or kernel_source(source, "")[0] in family):
            continue
        for name, version, is_source in _names(item, ordering, epochs):
            found.setdefault((name, version, is_source, role), []).append((item.name, item.version))
    told = set(epochs.values())
    for (name, version, is_source, role), binaries in found.items():
        yield Component(
            distribution=distribution,
            name=name,
            version=version,
            is_source=is_source,
            role=role,
            has_epoch=ordering is not Ordering.RPM or not is_source or version in told or ":" in version,
            binaries=tuple(sorted(set(binaries))),
        )


def is_for_kernel(live_patch: str, release: str | None) -> bool:
    """Whether a live-patch package is for the kernel that ``uname -r`` calls so. They count their versions each for
    itself: that of another kernel says nothing.

    ``kpatch-patch-5_14_0-427_13_1`` is for ``5.14.0-427.13.1.el9_4.x86_64``, Amazon's
    ``kernel-livepatch-5.10.102-99.473`` for ``5.10.102-99.473.amzn2.x86_64``, SUSE's
    ``kernel-livepatch-5_14_21-150500_55_19-default`` for ``5.14.21-150500.55.19-default``.
    """
    prefix = next((one for one in LIVE_PATCH_PACKAGES if live_patch.startswith(one)), None)
    if prefix is None or release is None:
        return False
    kernel = live_patch.removeprefix(prefix).replace("_", ".")
    return release == kernel or release.startswith(kernel + ".")


def _offered_live_patches(distribution: str, items: Iterable[Package], release: str | None) -> Iterator[Component]:
    """The live-patch packages that the distribution may have for the running kernel, where they are not installed: what
    they are fixed in is to be had. SUSE's notices name them by update, not by kernel."""
    installed = {item.name for item in items}
    for name in live_patch_names(release):
        if name not in installed:
            yield Component(
                distribution=distribution, name=name, version=NOT_INSTALLED, is_source=False, role=Role.LIVE_PATCH
            )


def live_patch_names(release: str | None) -> tuple[str, ...]:
    """What Red Hat and its kin, and Amazon, call the live-patch package for the kernel of that ``uname -r``."""
    for expression, prefix, dot in _SPELLINGS:
        found = expression.match(release or "")
        if found:
            return (prefix + found[1].replace(".", dot),)
    return ()


_SPELLINGS = (
    (re.compile(r"([0-9.]+-[0-9.]+)\.el[0-9]"), "kpatch-patch-", "_"),
    (re.compile(r"([0-9.]+-[0-9.]+)\.amzn[0-9]"), "kernel-livepatch-", "."),
)

NOT_INSTALLED = "0"
"""The version of a package that is not there: older than any."""


def _names(item: Package, ordering: Ordering, epochs: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, str, bool]]:
    """What data may know a package by: its source, and where binary packages have notices of their own, its name.

    A source rpm's file name has no epoch, but data compares with it: packages that have its version tell which.
    """
    version = item.source_version or item.version
    yield item.source or item.name, epochs.get(_source_of(item), version), True
    if ordering is not Ordering.DEB:
        yield item.name, item.version, False


def _source_of(item: Package) -> tuple[str, str]:
    return item.source or item.name, item.source_version or item.version


def _others(
    kernel: Kernel | None, distribution: str, running: tuple[Component, ...], items: Iterable[Package]
) -> Iterator[Component]:
    if kernel is None:
        return
    by_name = {(item.name, item.version): item for item in items}
    for installed in kernel.installed:
        if installed.release == kernel.running or installed.package is None or installed.package_version is None:
            continue
        for name, version, is_source in _kernel_names(
            installed, by_name.get((installed.package, installed.package_version))
        ):
            if any(one.name == name and one.is_source is is_source for one in running):
                yield Component(
                    distribution=distribution,
                    name=name,
                    version=version,
                    is_source=is_source,
                    role=Role.KERNEL,
                    binaries=((installed.package, installed.package_version),),
                )


def _kernel_names(installed: InstalledKernel, item: Package | None) -> Iterator[tuple[str, str, bool]]:
    package, version = installed.package or "", installed.package_version or ""
    if item is not None:
        bare = item.source_version or item.version
        own = item.version if without_epoch(item.version) == bare else bare
        source, source_version = kernel_source(item.source or item.name, own)
        yield source, source_version, True
        yield source, version, False
    yield package, version, False
