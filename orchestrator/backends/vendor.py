"""What all backends of vendors' tools share: they bring no module of ours, and act under the guard like everything."""

from collections.abc import Mapping

from orchestrator.backends.base import Capabilities, Work
from orchestrator.backends.guard import GuardAnswer, ToolOrder, parse_answer, start_tool, status_command
from orchestrator.core.attempts import Action
from orchestrator.core.facts import Facts, Tool, ToolState
from orchestrator.core.hosts import Host
from orchestrator.core.offers import Offer, Payload
from orchestrator.core.patches import Patch
from orchestrator.errors import NeedsRoot, PatchRefused, ToolConflict, ToolMissing, ToolNotReady, WrongBuild
from orchestrator.ports.ssh import Command, Completed


class VendorTool:
    """The acting half of a backend. ``actions``: the name of its ``.sh`` file of actions, see guard/worker.sh."""

    name: str
    capabilities: Capabilities
    actions: str

    def refusal(
        self,
        facts: Facts,
        patch: Patch | None,  # noqa: ARG002 - the protocol's
        payload: Payload | None,
        *,
        ours: Mapping[str, Patch],  # noqa: ARG002 - the protocol's
        action: Action,
    ) -> PatchRefused | None:
        """The tool must be there and ready; to take out or to restore what it did, it need only be there."""
        if not self._can(action):
            return ToolNotReady(f"{self.name} cannot {action} anything")
        if payload is not None and not (isinstance(payload, Offer) and payload.tool == self.name):
            return ToolNotReady(f"{self.name} applies what it offers itself, no module of the catalogue")
        tool = facts.tool(self.name)
        if tool is None or tool.state in (ToolState.ABSENT, ToolState.CONTAINER):
            return ToolMissing(f"{self.name} is not on this host")
        if action in (Action.APPLY, Action.PERSIST, Action.PIN):
            refused = _not_usable(tool) or _other_kernel(facts, payload)
            if refused is not None:
                return refused
        return not_root(self.name, facts)

    def start(self, host: Host, work: Work, nonce: str) -> Command:
        """Under the host-side guard."""
        return start_tool(host, tool_order(self.name, work), self.actions, nonce)

    def status(self, host: Host, attempt_id: str, nonce: str) -> Command:
        """The guard's record of it."""
        return status_command(host, attempt_id, nonce)

    def answer(self, host: Host, completed: Completed, nonce: str) -> GuardAnswer:
        """The guard's answer."""
        return parse_answer(host, completed, nonce)

    def _can(self, action: Action) -> bool:
        can = self.capabilities
        return {
            Action.APPLY: can.applies,
            Action.REVERT: can.reverts,
            Action.PERSIST: can.persists,
            Action.PIN: can.pins,
            Action.UNPIN: can.pins,
        }[action]


def tool_order(tool: str, work: Work) -> ToolOrder:
    """What the guard is to do with an offer of the tool. Raises `ToolNotReady` where boot or offer are not known."""
    attempt, offer = work.attempt, work.payload
    if attempt.boot_id is None or not isinstance(offer, Offer):
        raise ToolNotReady(f"{attempt.host}: its boot id or what {tool} offers is not known")
    return ToolOrder(
        attempt_id=attempt.id,
        controller=work.controller,
        action=attempt.action,
        boot_id=attempt.boot_id,
        release=offer.kernel,
        limit_seconds=work.limit_seconds,
        package=offer.package or "",
        level=attempt.level or offer.level or "",
    )


def _not_usable(tool: Tool) -> PatchRefused | None:
    if tool.state is ToolState.CONFLICT:
        return ToolConflict(tool.detail or "another live-patch tool is in use on this host")
    if tool.state is not ToolState.READY:
        return ToolNotReady(f"{tool.name} is {tool.state}: {tool.detail or tool.state.value}")
    return None


def _other_kernel(facts: Facts, payload: Payload | None) -> PatchRefused | None:
    """Another boot may have brought another kernel than the one that the offer was for."""
    running = facts.kernel.running if facts.kernel is not None else None
    if not isinstance(payload, Offer) or running == payload.kernel:
        return None
    return WrongBuild(f"the offer is for {payload.kernel}; the host runs {running or 'nobody knows what'}")


def not_root(name: str, facts: Facts) -> PatchRefused | None:
    """The login may be root, or the check became root through sudo: then nothing says why it could not."""
    if facts.is_root or "root" not in facts.unknown:
        return None
    return NeedsRoot(f"{name} needs root ({facts.unknown['root']}): log in as root or set up sudo")
