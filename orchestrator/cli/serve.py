"""``patchwave serve``: periodic checks, vulnerability data, metrics, health and the API."""

import ipaddress
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, NoReturn

import structlog
import typer

from orchestrator.bootstrap import App
from orchestrator.cli.context import run_of
from orchestrator.cli.output import say
from orchestrator.errors import NotAllowed, NotAvailable
from orchestrator.worker import Engines, Every, Worker

if TYPE_CHECKING:
    from orchestrator.metrics import Metrics

log = structlog.get_logger()
ROLLOUTS_INTERVAL = timedelta(seconds=2)
FEEDS_INTERVAL = timedelta(minutes=5)
"""How often it is looked which feeds are due: the first host of a distribution need not wait for hours for its data."""


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    cli.command()(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="A loopback address: there is no authentication yet.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Check the fleet, sync feeds; serve /metrics, /healthz, /readyz and the read-only part of /api/v1."""
    if not _is_loopback(host):
        raise NotAllowed(f"serve binds loopback only until there is authentication, not {host}: use 127.0.0.1 or ::1")
    # The web stack is imported here: no other command shall wait for it.
    import uvicorn  # noqa: PLC0415

    from orchestrator.api.app import create_api  # noqa: PLC0415
    from orchestrator.metrics import Metrics  # noqa: PLC0415

    run = run_of(context)
    app = run.app
    app.prepare()
    metrics = Metrics(store=app.store, clock=app.clock, per_host=app.settings.metrics_per_host)
    api = create_api(
        reader=app.reader,
        exposures=app.read_exposures(),
        explain=app.explain_exposure(),
        rollouts=app.read_rollouts,
        report=app.report_exposure(),
        vex=app.export_vex(),
        metrics=metrics,
        ready=app.not_ready,
    )
    engines = Engines(undriven=lambda: _undriven(app), drive=lambda key, stop: _drive(app, key, stop), clock=app.clock)
    worker = Worker(jobs=_jobs(app, metrics, engines), clock=app.clock)
    server = uvicorn.Server(uvicorn.Config(api, log_level="warning", access_log=False, server_header=False))
    run.when_interrupted, run.leaves_at_once = "stopped", True
    signal.signal(signal.SIGTERM, _end)
    with _listening(host, port) as listener:
        worker.start()
        say(f"serving on {_url(listener)}; stop with Ctrl-C")
        try:
            server.run(sockets=[listener])
        finally:
            engines.stop()
            worker.stop()


def _end(_number: int, _frame: object) -> NoReturn:
    """uvicorn ends its connections on SIGTERM and then raises the signal again: leave by the ordinary way."""
    raise typer.Exit(0)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as exc:
        raise NotAvailable(f"cannot listen on {host} port {port}: {exc.strerror}; choose another with --port") from exc


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _jobs(app: App, metrics: "Metrics", engines: Engines) -> tuple[Every, ...]:
    def check_fleet() -> None:
        fleet = app.fleet()
        for warning in fleet.warnings:
            log.warning("inventory", detail=warning)
        app.scan(fleet.members, metrics.observe_check, deep_after=app.settings.deep_check_interval)

    def sync_advisories() -> None:
        for result in app.sync_advisories(older_than=app.settings.feed_interval):
            if result.error is not None:
                log.warning("feed failed", feed=result.feed, error=result.error.code, detail=str(result.error))
            else:
                imported = result.imported
                counts = {"added": imported.added, "changed": imported.changed, "withdrawn": imported.withdrawn}
                log.info("feed synced", feed=result.feed, state=result.state, **counts)

    return (
        Every(name="check", interval=app.settings.check_interval, run=check_fleet),
        Every(name="advisories", interval=min(FEEDS_INTERVAL, app.settings.feed_interval), run=sync_advisories),
        Every(name="rollouts", interval=ROLLOUTS_INTERVAL, run=engines.look),
    )


def _undriven(app: App) -> tuple[str, ...]:
    """Detached rollouts, and those whose engine was killed. None in read-only mode."""
    return () if app.settings.read_only else app.read_rollouts.undriven()


def _drive(app: App, rollout_id: str, stop: Callable[[], bool]) -> None:
    app.drive_rollout(rollout_id, stop=stop)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
