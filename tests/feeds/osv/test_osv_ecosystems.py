"""Which distribution an ecosystem is."""

import pytest

from orchestrator.core.distributions import ordering_of
from orchestrator.feeds.osv_ecosystems import release_of


@pytest.mark.parametrize(
    ("ecosystem", "distributions"),
    [
        ("Debian:12", ("debian:12",)),
        ("Debian:sid", ("debian:sid",)),
        ("Ubuntu:22.04:LTS", ("ubuntu:22.04",)),
        ("Ubuntu:25.10", ("ubuntu:25.10",)),
        ("Ubuntu:Pro:16.04:LTS", ("ubuntu:16.04",)),
        ("Ubuntu:Pro:Realtime:22.04:LTS", ("ubuntu:22.04",)),
        ("AlmaLinux:9", ("almalinux:9",)),
        ("Rocky Linux:10", ("rocky:10",)),
        ("SUSE:Linux Enterprise Server 15", ("sles:15",)),
        ("SUSE:Linux Enterprise Server 15 SP5", ("sles:15.5",)),
        ("SUSE:Linux Enterprise Server 15 SP3-LTSS", ("sles:15.3",)),
        ("SUSE:Linux Enterprise Server LTSS Extended Security 12 SP5", ("sles:12.5",)),
        ("SUSE:Linux Enterprise Server for SAP Applications 15 SP3", ("sles:15.3",)),
        ("SUSE:Linux Enterprise Server 16.0", ("sles:16.0",)),
        ("SUSE:Linux Enterprise Live Patching 15 SP5", ("sles:15.5",)),
        ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", ("sles:15.5",)),
        ("SUSE:Linux Enterprise High Availability Extension 15 SP5", ("sles:15.5",)),
        ("SUSE:Real Time Module 15 SP5", ("sles:15.5",)),
        (
            "SUSE:Linux Enterprise Module for Web and Scripting 12",
            ("sles:12", "sles:12.1", "sles:12.2", "sles:12.3", "sles:12.4", "sles:12.5"),
        ),
        ("openSUSE:Leap 15.6", ("opensuse-leap:15.6",)),
        ("openSUSE:Tumbleweed", ("opensuse-tumbleweed",)),
        ("Red Hat:enterprise_linux:9::baseos", ("rhel:9",)),
        ("Red Hat:enterprise_linux:10.0", ("rhel:10",)),
        ("Red Hat:rhel_els:7", ("rhel:7",)),
        ("Alpine:v3.20", ("alpine:3.20",)),
    ],
)
def test_an_ecosystem_is_the_distribution_of_its_hosts(ecosystem: str, distributions: tuple[str, ...]) -> None:
    """The keys are those of `core.distributions`, and have an order of versions."""
    release = release_of(ecosystem)
    assert release is not None
    assert release.distributions == distributions
    assert None not in {ordering_of(one) for one in release.distributions}


@pytest.mark.parametrize(
    "ecosystem",
    [
        "Debian",
        "Debian:",
        "Debian:12:extra",
        "Debian:../12",
        "Ubuntu:LTS",
        "Ubuntu:22.04:LTS\n",
        "AlmaLinux:9.4",
        "SUSE:Linux Enterprise Micro 5.5",
        "SUSE:Linux Enterprise Desktop 15 SP5",
        "SUSE:Linux Enterprise Server",
        "openSUSE:Leap 15",
        "openSUSE:Leap Micro 5.5",
        "Red Hat:rhel_eus:9.2::baseos",
        "Red Hat:openshift:4.16::el9",
        "Alpine:edge",
        "Alpine:3.20",
        "npm",
        "",
    ],
)
def test_other_ecosystems_are_none(ecosystem: str) -> None:
    """Nothing is guessed."""
    assert release_of(ecosystem) is None


@pytest.mark.parametrize(
    ("ecosystem", "fixes"),
    [
        ("Ubuntu:22.04:LTS", None),
        ("Ubuntu:Pro:22.04:LTS", "Ubuntu Pro"),
        ("SUSE:Linux Enterprise Server 15 SP5", None),
        ("SUSE:Linux Enterprise Server 15 SP3-LTSS", "LTSS"),
        ("SUSE:Linux Enterprise Server LTSS Extended Security 12 SP5", "LTSS Extended Security"),
        ("SUSE:Linux Enterprise Server for SAP Applications 15 SP3", "SLES for SAP"),
        ("Red Hat:rhel_els:7", "Extended Life Cycle Support"),
    ],
)
def test_fixes_that_not_every_host_gets_are_named(ecosystem: str, fixes: str | None) -> None:
    """Whose subscription a fix takes."""
    release = release_of(ecosystem)
    assert release is not None
    assert release.fixes == fixes
