"""A service over a small known fleet, in memory."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from orchestrator.api.app import create_api
from orchestrator.core.attempts import Action, Attempt, Outcome, OutcomeCode
from orchestrator.core.facts import PatchState
from orchestrator.core.rollout_states import RolloutStatus
from orchestrator.metrics import Metrics
from orchestrator.ports.store import RolloutRow
from orchestrator.services.explain_exposure import ExplainExposure
from orchestrator.services.order_rollout import OrderRollout
from orchestrator.services.read_exposures import ReadExposures
from orchestrator.services.read_fleet import ReadFleet
from orchestrator.services.read_rollouts import ReadRollouts
from tests.core.exposure_builders import LAB_1, LAB_2, facts, live
from tests.core.rollout_world import planned
from tests.fakes.clock import START
from tests.services.fleets import Checked, ids
from tests.services.reports import reports, vexes

HOUR = timedelta(hours=1)


class Client:
    """Asks an application without a socket; what it does not catch is answered as a server would."""

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    def get(
        self, path: str, params: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request."""
        return asyncio.run(self._get(path, params, headers))

    async def _get(self, path: str, params: dict[str, Any] | None, headers: dict[str, str] | None) -> httpx.Response:
        transport = httpx.ASGITransport(self._api, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, params=params, headers=headers)


class Service:
    """The application, its clients, and what it serves."""

    def __init__(self, *names: str, per_host: bool = False, reader: type[ReadFleet] = ReadFleet) -> None:
        self.known = Checked(*names)
        self.problems: list[str] = []
        self.rollouts = ReadRollouts(store=self.known.store, clock=self.known.clock)
        self.metrics = Metrics(store=self.known.store, clock=self.known.clock, per_host=per_host)
        self.client = Client(
            create_api(
                reader=reader(store=self.known.store, clock=self.known.clock),
                exposures=ReadExposures(store=self.known.store, clock=self.known.clock),
                explain=ExplainExposure(store=self.known.store, clock=self.known.clock),
                rollouts=self.rollouts,
                report=reports(self.known),
                vex=vexes(self.known),
                metrics=self.metrics,
                ready=lambda: self.problems,
            )
        )

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a page that must be there."""
        response = self.client.get(path, params=query)
        assert 200 == response.status_code, response.text
        return response.json()

    def text(self) -> str:
        """The metrics."""
        response = self.client.get("/metrics")
        assert (200, "text/plain; version=0.0.4; charset=utf-8") == (
            response.status_code,
            response.headers["content-type"],
        )
        return response.text


def known_service(*, per_host: bool = False) -> Service:
    """Three hosts on which LAB-0002 was looked for at hour 0: exposed twice each. An hour later ``a`` has it, ``b`` has
    LAB-0001 in a transition that stalls, and ``gone`` does not answer."""
    service = Service("a", "b", "gone", per_host=per_host)
    known = service.known
    known.store.catalogue.add(LAB_1)
    known.store.catalogue.add(LAB_2)
    known.eyes.takes = 0.0
    known.eyes.shows = dict.fromkeys(("a", "b", "gone"), facts())
    known.check_hosts(known.members)
    known.clock.advance(HOUR.total_seconds())
    known.eyes.shows = {"a": facts(live("LAB-0002")), "b": facts(live("LAB-0001", PatchState.STALLED))}
    known.check_hosts(known.members)
    return service


def rolled_out(service: Service) -> str:
    """A rollout of one host whose attempt was refused, and which failed; its id."""
    known = service.known
    plan = planned(1)
    order = OrderRollout(store=known.store, clock=known.clock, new_id=ids("r"))
    member = known.members[0]
    plan = plan.model_copy(
        update={"hosts": tuple(host.model_copy(update={"host_id": member.record.id}) for host in plan.hosts)}
    )
    plan = plan.model_copy(
        update={"waves": tuple(wave.model_copy(update={"host_ids": (member.record.id,)}) for wave in plan.waves)}
    )
    rollout = order.create(plan, "tester")
    attempt = Attempt(
        id="a1",
        rollout_id=rollout,
        host_id=member.record.id,
        host=member.name,
        action=Action.APPLY,
        patch_id="LAB-0001",
        intent_at=START,
    )
    row: RolloutRow = known.store.rollouts.load(rollout)
    known.store.rollouts.commit(
        row=row.model_copy(update={"state_name": RolloutStatus.FAILED}),
        lease=known.store.leases.acquire(rollout, "engine", START, 60),
        events=[],
        intents=[attempt],
        outcomes=[Outcome(attempt_id="a1", code=OutcomeCode.REFUSED, finished_at=START)],
    )
    return rollout
