"""The HTTP service: metrics, health, and the read-only part of ``/api/v1``."""

from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse, Response

from orchestrator.api.loopback import LoopbackOnly
from orchestrator.api.pages import Cursor, Limit, foreign_cursor, page, page_of
from orchestrator.api.problems import install_problems
from orchestrator.api.reports import add_reports
from orchestrator.core.exposure_states import ExposureState
from orchestrator.core.patches import Cve, Severity
from orchestrator.metrics import Metrics
from orchestrator.services.explain_exposure import ExplainExposure
from orchestrator.services.export_vex import ExportVex
from orchestrator.services.read_exposures import ReadExposures, Wanted
from orchestrator.services.read_fleet import ReadFleet
from orchestrator.services.read_rollouts import ReadRollouts
from orchestrator.services.report_exposure import ReportExposure

Json = dict[str, Any]
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_api(
    *,
    reader: ReadFleet,
    exposures: ReadExposures,
    explain: ExplainExposure,
    rollouts: ReadRollouts,
    report: ReportExposure,
    vex: ExportVex,
    metrics: Metrics,
    ready: Callable[[], list[str]],
) -> FastAPI:
    """The application. ``ready`` lists what keeps the service from doing its work; empty is ready."""
    api = FastAPI(title="Patchwave", version=version("patchwave"), docs_url=None, redoc_url=None)
    install_problems(api)
    api.add_middleware(LoopbackOnly)
    _add_health(api, metrics, ready)
    _add_hosts(api, reader)
    add_reports(api, report, vex)
    _add_exposures(api, reader, exposures, explain)
    _add_rollouts(api, rollouts)
    return api


def _add_health(api: FastAPI, metrics: Metrics, ready: Callable[[], list[str]]) -> None:
    @api.get("/healthz", response_class=PlainTextResponse)
    def healthz() -> str:
        """The process answers."""
        return "ok\n"

    @api.get("/readyz", response_class=PlainTextResponse)
    def readyz() -> PlainTextResponse:
        """The database answers and is of this version."""
        problems = ready()
        return PlainTextResponse("".join(f"{line}\n" for line in problems or ["ok"]), 503 if problems else 200)

    @api.get("/metrics", response_class=PlainTextResponse)
    def read_metrics() -> Response:
        """Prometheus text format."""
        return Response(metrics.text(), media_type=METRICS_TYPE)


def _add_hosts(api: FastAPI, reader: ReadFleet) -> None:
    @api.get("/api/v1/hosts")
    def list_hosts(limit: Limit = 100, cursor: Cursor = None, customer: str | None = None) -> Json:
        """Listed hosts, by name."""
        rows = [row for row in reader.hosts() if customer is None or row["customer"] == customer]
        return page("hosts", rows, lambda row: f"{row['name']}\0{row['id']}", limit, cursor)

    @api.get("/api/v1/hosts/{name}")
    def show_host(name: str) -> Json:
        """One host, by name or id."""
        return reader.host(name)


def _add_exposures(api: FastAPI, hosts: ReadFleet, exposures: ReadExposures, explain: ExplainExposure) -> None:
    @api.get("/api/v1/exposures")
    def list_exposures(
        limit: Limit = 100,
        cursor: Cursor = None,
        host: str | None = None,
        cve: str | None = None,
        state: ExposureState | None = None,
        severity: Severity | None = None,
        kev: bool | None = None,
    ) -> Json:
        """Pairs of host and CVE, by host name and CVE."""

        def rows(after: tuple[str, ...] | None) -> Iterator[Json]:
            if after is not None and len(after) != len(("host", "cve")):
                raise foreign_cursor()
            return exposures.rows(
                Wanted(
                    host_ids=None if host is None else hosts.ids_of(host),
                    cve=cve,
                    states=() if state is None else (state,),
                    severities=() if severity is None else (severity,),
                    is_kev=kev,
                    after=None if after is None else (after[0], after[1]),
                )
            )

        return page_of("exposures", rows, lambda row: (row["host"], row["cve"]), limit, cursor)

    @api.get("/api/v1/exposures/{host}/{cve}")
    def show_exposure(host: str, cve: Cve) -> Json:
        """One CVE on one host, with the facts, the rule and the sources that decided it."""
        return explain(hosts.record(host), cve)


def _add_rollouts(api: FastAPI, rollouts: ReadRollouts) -> None:
    @api.get("/api/v1/rollouts")
    def list_rollouts(limit: Limit = 100, cursor: Cursor = None, state: str | None = None) -> Json:
        """Rollouts, oldest first: their ids sort by time."""
        return page("rollouts", rollouts.all(state), lambda row: str(row["id"]), limit, cursor)

    @api.get("/api/v1/rollouts/{rollout_id}")
    def show_rollout(rollout_id: str) -> Json:
        """One rollout with its waves and hosts."""
        return rollouts.one(rollout_id)
