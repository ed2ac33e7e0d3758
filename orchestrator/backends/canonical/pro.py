"""The answer of ``pro status --format json`` (``ua`` before 2022), as far as it is about Livepatch."""

import re
from datetime import UTC, datetime
from typing import Any

from orchestrator.backends.canonical.status import documents, folded
from orchestrator.core.facts import ToolState
from orchestrator.core.model import Frozen

_WARNINGS = {
    "livepatch-kernel-eol": (ToolState.COVERAGE_EXPIRED, "Livepatch no longer covers the running kernel"),
    "livepatch-kernel-upgrade-required": (ToolState.COVERAGE_EXPIRED, "the coverage of the running kernel has ended"),
    "livepatch-kernel-not-supported": (ToolState.UNSUPPORTED_KERNEL, "Livepatch does not cover the running kernel"),
}
"""Codes of ``services[].warning`` (ubuntu-pro-client, uaclient/messages)."""


class Subscription(Frozen):
    """What the subscription says against Livepatch. ``state`` None: nothing."""

    state: ToolState | None = None
    detail: str | None = None


def read_pro(text: str, at: datetime) -> Subscription:
    """``at``: the time of the check, which an expired contract is told by."""
    answer = next((found for document in documents(text) if "attached" in (found := folded(document))), None)
    if answer is None or not isinstance(answer["attached"], bool):
        return Subscription(detail="`pro status` could not be read")
    if not answer["attached"]:
        # A client that was enabled with a token of its own, or that has a server of its own, needs no subscription.
        return Subscription(detail="the host is not attached to Ubuntu Pro")
    ended = _ended(answer.get("expires"), at)
    if ended is not None:
        return Subscription(state=ToolState.UNLICENSED, detail=f"the contract of Ubuntu Pro ended on {ended}")
    return _of_livepatch(_service(answer.get("services")))


def _ended(expires: object, at: datetime) -> str | None:
    try:
        moment = datetime.fromisoformat(expires) if isinstance(expires, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment.date().isoformat() if moment <= at else None


def _service(services: object) -> dict[str, Any]:
    listed = [folded(service) for service in services[:1000]] if isinstance(services, list) else []
    return next((service for service in listed if service.get("name") == "livepatch"), {})


def _of_livepatch(service: dict[str, Any]) -> Subscription:
    if service.get("entitled") == "no":
        return Subscription(
            state=ToolState.UNLICENSED, detail="the contract of Ubuntu Pro does not entitle to Livepatch"
        )
    code = folded(service.get("warning")).get("code")
    if code in _WARNINGS:
        state, detail = _WARNINGS[code]
        return Subscription(state=state, detail=detail)
    if isinstance(code, str) and re.fullmatch(r"[a-z-]{1,60}", code):
        return Subscription(detail=f"`pro status` warns: {code}")
    return Subscription()
