"""Which hosts every store finds for packages that vulnerability data changed about."""

from typing import Any

import pytest

from orchestrator.core.facts import Facts, Kernel, Os, Package, Packages
from orchestrator.ports.store import Store
from tests.adapters.store.samples import HOUR, T0, check, facts, host

DEBIAN = Os(id="debian", version="12")


def seen(fingerprint: str | None = "fp-1", os: Os | None = DEBIAN, **changes: Any) -> Facts:
    """A host with openssl and a kernel of Debian's."""
    items = (
        Package(name="libssl3", version="3.0-1", source="openssl"),
        Package(name="bash", version="5.2-1"),
        Package(name="linux-image-6.1.0-41-amd64", version="6.1-2", source="linux-signed-amd64"),
    )
    listed = None if fingerprint is None else Packages(manager="dpkg", fingerprint=fingerprint, items=items)
    return facts(fingerprint or "none", os=os, packages=listed, **changes)


@pytest.fixture
def register(store: Store) -> Store:
    """A store that knows some hosts."""
    store.hosts.save([host("web1"), host("web2"), host("web3")])
    return store


@pytest.mark.parametrize("package", ["libssl3", "openssl", "bash", "linux-signed-amd64", "linux"])
def test_hosts_are_found_by_binary_and_source_names(register: Store, package: str) -> None:
    """A kernel's source also as trackers name it."""
    register.sightings.record([check("web1", seen=seen()), check("web2", seen=seen(os=Os(id="debian", version="13")))])
    assert {"id-web1"} == register.sightings.concerned([("debian:12", package), ("debian:13", "other")])
    assert {"id-web1", "id-web2"} == register.sightings.concerned([("debian:12", package), ("debian:13", package)])


@pytest.mark.parametrize("key", [("debian:12", "open"), ("debian:11", "openssl"), ("ubuntu:12", "bash")])
def test_other_packages_concern_nobody(register: Store, key: tuple[str, str]) -> None:
    """Nor do those of another distribution."""
    register.sightings.record([check("web1", seen=seen())])
    assert frozenset() == register.sightings.concerned([key])
    assert frozenset() == register.sightings.concerned([])


def test_the_running_kernel_concerns_a_host_without_a_package_list(register: Store) -> None:
    """By its source package."""
    kernel = Kernel(running="6.1", source="linux-6.1", source_version="6.1-1")
    unknown_os = seen(None, os=None, kernel=kernel)
    register.sightings.record([check("web1", seen=seen(None, kernel=kernel)), check("web2", seen=unknown_os)])
    assert {"id-web1"} == register.sightings.concerned([("debian:12", "linux-6.1"), ("debian:12", "bash")])


def test_what_was_installed_before_concerns_nobody(register: Store) -> None:
    """The latest sighting counts, and its list may have been stored by another host's check."""
    referred = seen("fp-1").model_copy(update={"packages": Packages(manager="dpkg", fingerprint="fp-1")})
    empty = seen("fp-0").model_copy(update={"packages": Packages(manager="dpkg", fingerprint="fp-0", items=())})
    register.sightings.record([check("web1", seen=seen()), check("web2", seen=referred)])
    register.sightings.record([check("web1", at=T0 + HOUR, seen=empty)])
    assert {"id-web2"} == register.sightings.concerned([("debian:12", "openssl")])


def test_retired_hosts_are_not_concerned(register: Store) -> None:
    """Nobody checks them any more."""
    register.sightings.record([check("web1", seen=seen()), check("web2", seen=seen())])
    register.hosts.save([host("web1", retired_at=T0)])
    assert {"id-web2"} == register.sightings.concerned([("debian:12", "bash")])


def test_the_distributions_of_a_fleet_are_those_of_its_latest_sightings(register: Store) -> None:
    """Without hosts that are retired, or of which it cannot be told."""
    trixie = seen(os=Os(id="debian", version="13"))
    register.sightings.record(
        [check("web1", seen=seen()), check("web2", seen=trixie), check("web3", seen=seen(os=None))]
    )
    assert {"debian:12", "debian:13"} == register.sightings.distributions()
    register.sightings.record([check("web1", at=T0 + HOUR, seen=trixie)])
    register.hosts.save([host("web2", retired_at=T0)])
    assert {"debian:13"} == register.sightings.distributions()
