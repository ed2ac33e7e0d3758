"""The exposure report and the OpenVEX export over HTTP."""

from typing import Annotated, Any

from fastapi import FastAPI, Query

from orchestrator.core.exposure_summary import Grouping
from orchestrator.core.exposure_summary_view import summary_document
from orchestrator.core.patches import Cve, Severity
from orchestrator.services.export_vex import ExportVex
from orchestrator.services.report_exposure import ReportExposure

Json = dict[str, Any]
Severities = Annotated[list[Severity], Query(description="Only these.")]
Day = Annotated[str | None, Query(description="A day in UTC: 2026-01-31.", max_length=40)]


def add_reports(api: FastAPI, report: ReportExposure, vex: ExportVex) -> None:
    """Register the routes."""

    @api.get("/api/v1/exposures/report")
    def report_exposure(
        by: Grouping | None = None,
        period: Annotated[str | None, Query(description="The last so many days: 30d.", max_length=40)] = None,
        first_day: Annotated[Day, Query(alias="from")] = None,
        last_day: Annotated[Day, Query(alias="to")] = None,
        severity: Severities = [],  # noqa: B006  fastapi copies it
        kev: bool = False,
    ) -> Json:
        """What closed in a period, what is open now, how long hosts were exposed. Not paged."""
        asked = report.ask(
            by=by, last=period, first_day=first_day, last_day=last_day, severities=severity, kev_only=kev
        )
        return summary_document(report(asked))

    @api.get("/api/v1/exposures/vex")
    def export_vex(
        host: str | None = None,
        cve: Cve | None = None,
        states_fixed: Annotated[bool, Query(alias="all")] = False,
        author: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Json:
        """OpenVEX for scans of one host, or of all of them."""
        if host is not None:
            return vex.of_host(host, author, cve=cve, states_fixed=states_fixed)
        return vex.of_fleet(author, cve=cve, states_fixed=states_fixed)
