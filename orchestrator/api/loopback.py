"""Only requests that name this machine as loopback are answered.

There is no authentication yet. A browser on this machine can be led here by a page of somebody else's whose name
resolves to 127.0.0.1 (DNS rebinding); its requests carry that name in Host.
"""

import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.problems import problem

_HOST = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9.-]{1,253}))(?::[0-9]{1,5})?", re.IGNORECASE)


class LoopbackOnly:
    """Refuses every request whose Host is neither ``localhost`` nor a loopback address. starlette's
    `TrustedHostMiddleware` knows no ranges of addresses, and answers in plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application's answer, or the refusal."""
        hosts = Headers(scope=scope).getlist("host") if scope["type"] in ("http", "websocket") else ["localhost"]
        if len(hosts) == 1 and names_loopback(hosts[0]):
            await self._app(scope, receive, send)
            return
        detail = "this service answers on loopback alone: ask for it as 127.0.0.1, [::1] or localhost"
        await problem(400, "http_error", "Invalid Host header.", detail)(scope, receive, send)


def names_loopback(host: str) -> bool:
    """Whether a Host header (its port aside) can only mean this machine."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1] or found[2]
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
