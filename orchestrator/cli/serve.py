"""``patchwave serve``: periodic checks, metrics, health and the API."""

import ipaddress
from typing import Annotated

import typer
import uvicorn

from orchestrator.cli.context import app_of
from orchestrator.cli.output import say
from orchestrator.errors import NotAllowed


def add_to(cli: typer.Typer) -> None:
    """Register these commands."""
    cli.command()(serve)


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="A loopback address: there is no authentication yet.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Check the fleet periodically; serve /metrics, /healthz, /readyz and the read-only part of /api/v1."""
    if not _is_loopback(host):
        raise NotAllowed(f"serve binds loopback only until there is authentication, not {host}: use 127.0.0.1 or ::1")
    app = app_of(context)
    worker = app.worker()
    server = uvicorn.Server(
        uvicorn.Config(app.api(), host=host, port=port, log_level="warning", access_log=False, server_header=False)
    )
    worker.start()
    say(f"serving on http://{'[' + host + ']' if ':' in host else host}:{port}; stop with Ctrl-C")
    try:
        server.run()
    finally:
        worker.stop()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
