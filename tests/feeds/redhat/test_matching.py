"""What Red Hat's documents come to, held against what runs on a host."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.core.advisories import Statement, Told
from orchestrator.core.assessments import Ruling, assess
from orchestrator.core.distributions import Ordering
from orchestrator.core.images import Component
from orchestrator.feeds.redhat import RedHat
from tests.feeds.golden import golden, read

HERE = Path(__file__).parent
NOW = datetime(2099, 8, 1, tzinfo=UTC)


def ruling(document: str, distribution: str, name: str, version: str, *, is_source: bool) -> Ruling | None:
    """What a golden document decides of this package."""
    (entry,) = read(RedHat(), golden(HERE, document))
    told: list[Told[Statement]] = [
        Told(said=said, feed="redhat", entry=entry.id, since=NOW, until=None, is_baseline=True)
        for said in entry.statements
        if (said.distribution, said.package, said.is_source) == (distribution, name, is_source)
    ]
    component = Component(distribution=distribution, name=name, version=version, is_source=is_source)
    found = assess(component, Ordering.RPM, told)
    return None if found is None else found.ruling


@pytest.mark.parametrize(
    ("distribution", "version", "expected"),
    [
        ("rhel:9", "5.14.0-427.13.1.el9_4", Ruling.AFFECTED),
        ("rhel:9", "5.14.0-427.18.1.el9_4", Ruling.FIXED),
        ("rhel:9", "5.14.0-427.40.1.el9_4", Ruling.FIXED),
        ("rhel:9", "5.14.0-503.10.1.el9_5", Ruling.AFFECTED),
        ("rhel:9", "5.14.0-284.70.1.el9_2", Ruling.FIXED),
        ("rhel:7", "3.10.0-1160.119.1.el7", Ruling.AFFECTED),
        ("rhel:6", "2.6.32-754.35.1.el6", Ruling.NOT_AFFECTED),
        ("rhel:10", "6.12.0-55.9.1.el10_0", Ruling.UNDETERMINED),
        ("rhel:8", "4.18.0-553.el8_10", None),
    ],
)
def test_a_running_kernel_is_judged_by_its_source_package(
    distribution: str, version: str, expected: Ruling | None
) -> None:
    """In its own minor release; what nothing is said of is not judged."""
    assert expected is ruling("kernel", distribution, "kernel", version, is_source=True)


@pytest.mark.parametrize(
    ("package", "version", "expected"),
    [
        ("kpatch-patch-5_14_0-427_13_1", "1-2.el9_4", Ruling.AFFECTED),
        ("kpatch-patch-5_14_0-427_13_1", "1-3.el9_4", Ruling.FIXED),
        ("kpatch-patch-5_14_0-427_13_1", "1-4.el9_4", Ruling.FIXED),
        ("kpatch-patch-5_14_0-427_9_1", "1-9.el9_4", None),
    ],
)
def test_a_live_patch_package_fixes_it_from_its_version_on(package: str, version: str, expected: Ruling | None) -> None:
    """The package of another kernel build fixes nothing here."""
    assert expected is ruling("kernel", "rhel:9", package, version, is_source=False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("2.5.1-9.el9_4.2", Ruling.AFFECTED),
        ("2.5.1-9.el9_4.3", Ruling.FIXED),
        ("2.5.1-12.el9_5", Ruling.AFFECTED),
    ],
)
def test_a_later_minor_release_without_a_fix_is_affected(version: str, expected: Ruling) -> None:
    """The fix of 9.4 says nothing of 9.5."""
    assert expected is ruling("since_2026", "rhel:9", "frobnicate", version, is_source=True)
