"""The report and the export over a small fleet in memory."""

from orchestrator.services.export_vex import ExportVex
from orchestrator.services.report_exposure import ReportExposure
from tests.services.fleets import Checked


def reports(known: Checked) -> ReportExposure:
    """The report over that fleet."""
    store = known.store
    return ReportExposure(
        windows=store.exposures,
        hosts=store.hosts,
        policies=store.policies,
        acceptances=store.acceptances,
        clock=known.clock,
    )


def vexes(known: Checked, **changes: int) -> ExportVex:
    """The export over that fleet."""
    return ExportVex(store=known.store, clock=known.clock, tooling="patchwave 9", author="Example Ops", **changes)
