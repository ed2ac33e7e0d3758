"""Tell per host what is wrong, from its name to its ability to be live-patched."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.backends.registry import BACKENDS
from orchestrator.core.diagnosis import Result, diagnose_error, diagnose_facts
from orchestrator.core.fleet import Member
from orchestrator.errors import HostError
from orchestrator.ports.runtime import Dispatcher
from orchestrator.services.check_hosts import Observer

PATCHING = frozenset(one.name for one in BACKENDS.values() if one.capabilities.applies)
"""Tools that patch kernels; others only tell of processes."""


@dataclass(frozen=True, kw_only=True)
class DiagnoseHosts:
    """Runs the ordinary check and reads it as a doctor would; stores nothing."""

    check: Observer
    dispatcher: Dispatcher

    def __call__(self, members: Sequence[Member]) -> dict[str, tuple[Result, ...]]:
        """The results by host name, in the order of the members."""
        futures = {m.name: self.dispatcher.submit(lambda m=m: self._one(m)) for m in members}  # type: ignore[misc]
        return {name: future.result() for name, future in futures.items()}

    def _one(self, member: Member) -> tuple[Result, ...]:
        try:
            observation = self.check.observe(member.host)
        except HostError as exc:
            return diagnose_error(exc)
        return diagnose_facts(observation.facts, PATCHING)
