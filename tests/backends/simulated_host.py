"""A host of the simulated lab through the product's own doors, without a network: checks, the guard, what is so."""

import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from orchestrator.backends.base import Backend, Work
from orchestrator.backends.guard import GuardAnswer, GuardState
from orchestrator.clock import SystemClock
from orchestrator.core.attempts import Action, Attempt
from orchestrator.core.facts import Facts
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Patch
from orchestrator.lab.simulated.machines import ROOT, Account
from orchestrator.ports.ssh import Command, Completed
from orchestrator.services.check_hosts import HostCheck
from tests.backends.local_host import NOW, complete
from tests.lab.in_force import InForce, truth_of
from tests.lab.simulated import Box

MINUTE = timedelta(minutes=1)
POLL_SECONDS = 0.1
OVER = frozenset({GuardState.FINISHED, GuardState.REFUSED, GuardState.DIED, GuardState.ABSENT})


@dataclass(frozen=True, kw_only=True)
class SimulatedSession:
    """The account of somebody who logs in. It is a `Transport`: what it runs, it runs with /bin/sh on this machine."""

    box: Box
    account: Account = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def host(self) -> Host:
        """As an inventory names it."""
        return Host(name=self.box.disk.machine.name, address=self.box.disk.machine.address)

    def run(self, host: Host, command: Command) -> Completed:
        """Run it to its end."""
        assert command.argv[0] == "sh"
        process = subprocess.Popen(
            ["/bin/sh", *command.argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.box.disk.environment(self.account), **self.environment},
            cwd=self.box.disk.root,
            start_new_session=True,
        )
        return complete(process, command)

    def forget(self, host: Host) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""

    def check(self, before: Facts | None = None, *, deep: bool = False) -> Facts:
        """One check, as scans and verifications make it."""
        check = HostCheck(
            transport=self, clock=SystemClock(), new_nonce=self._nonce, timeout=MINUTE, deep_timeout=MINUTE
        )
        return check.observe(self.host, before, deep=deep).facts

    def carry_out(
        self, backend: Backend, action: Action, before: Facts, payload: Payload, *, patch: Patch | None, module: bytes
    ) -> GuardAnswer:
        """Start it under the guard, and wait for what the guard says in the end."""
        number = next(self._numbers)
        work = Work(
            attempt=_attempt(f"A{number}", action, before, payload),
            controller="controller-1",
            patch=patch,
            payload=payload,
            module=module,
            ours=() if patch is None else tuple(build.module_build_id for build in patch.builds),
            limit_seconds=20,
        )
        answer = self._ask(backend, backend.start(self.host, work, nonce := self._nonce()), nonce)
        deadline = time.monotonic() + MINUTE.total_seconds()
        while answer.state not in OVER:
            assert time.monotonic() < deadline, "the attempt never ended"
            time.sleep(POLL_SECONDS)
            command = backend.status(self.host, work.attempt.id, nonce := self._nonce())
            answer = self._ask(backend, command, nonce)
        return answer

    def _ask(self, backend: Backend, command: Command, nonce: str) -> GuardAnswer:
        return backend.answer(self.host, self.run(self.host, command), nonce)

    def _nonce(self) -> str:
        return f"nonce{next(self._numbers):019d}"

    def truth_of(self, tool: str) -> InForce:
        """What is really in force of it."""
        return truth_of(self.box.disk.truth(), tool)


def _attempt(attempt_id: str, action: Action, before: Facts, payload: Payload) -> Attempt:
    is_offer = isinstance(payload, Offer)
    return Attempt(
        id=attempt_id,
        rollout_id="R1",
        host_id="H1",
        host="web-001",
        action=action,
        patch_id=payload.tool if isinstance(payload, Offer) else "LAB-0001",
        build_sha256=None if isinstance(payload, Offer) else payload.sha256,
        level=payload.level if is_offer and isinstance(payload, Offer) else None,
        boot_id=before.boot_id,
        intent_at=NOW,
    )
