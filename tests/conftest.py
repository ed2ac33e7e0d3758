"""What every test shares."""

import os
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.side_by_side import FilesSideBySide

# Others may have the processor for a while: how long an example takes says nothing.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

REQUIRE_ALL = os.environ.get("PATCHWAVE_REQUIRE_ALL") == "1"


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a skip is a failure, whoever asked for it."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that is skipped while it is collected."""
    report = yield
    if REQUIRE_ALL and report.outcome == "skipped":
        report.outcome = "failed"
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of several workers each gets the same order: what takes long comes first, all else stays shuffled."""
    if hasattr(config, "workerinput"):
        from tests.side_by_side import rank_of  # noqa: PLC0415  one process alone does without xdist

        items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "FilesSideBySide | None":
    """With ``--dist loadfile`` the kernel lab's files stay together, too."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.side_by_side import FilesSideBySide  # noqa: PLC0415  one process alone does without xdist

    return FilesSideBySide(config, log)
