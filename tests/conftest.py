"""What every test shares."""

import os

import pytest


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Where everything is required, a skip is a failure, whoever asked for it."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("PATCHWAVE_REQUIRE_ALL") == "1":
        report.outcome = "failed"
    return report
