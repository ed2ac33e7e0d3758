"""Connections that are kept and shared: one per host or jump host, so many in all, least recently used go first."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.errors import JumpFailed, PatchwaveError, Unreachable
from orchestrator.ports.ssh import PresentedKey
from orchestrator.ssh.destinations import Route
from orchestrator.ssh.dialing import Dialer
from orchestrator.ssh.wire import Wire

HANDSHAKES_PER_JUMP = 8
"""Through one jump host at a time: more, and its MaxStartups or MaxSessions turn some away."""


@dataclass(eq=False, kw_only=True)
class Connection:
    """A kept connection. ``users`` counts the commands, and the connections through it, that need it now."""

    name: str
    wire: Wire
    through: "Connection | None"
    users: int = 0
    retired: bool = False
    closed: bool = False
    turn: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(HANDSHAKES_PER_JUMP))

    @property
    def is_usable(self) -> bool:
        """May a new command be given to it?"""
        return not self.retired and self.wire.is_active()


class Connections:
    """The pool. A connection is in it from the login until it is broken, evicted or forgotten.

    Invariants: what has users is never evicted; a jump host has as many users as connections that lead through it;
    for one route at most one connection is being made, and who waits for it shares its outcome.
    """

    def __init__(self, dialer: Dialer, most: int) -> None:
        self._dialer = dialer
        self._most = most
        self._kept: OrderedDict[Route, Connection] = OrderedDict()
        self._making: dict[Route, Future[Connection]] = {}
        self._lock = threading.Lock()

    def acquire(self, route: Route) -> tuple[Connection, bool]:
        """The connection, counted as used, and whether it had been used before. Raises `Unreachable`."""
        while True:
            with self._lock:
                kept = self._kept.get(route)
                if kept is not None and kept.is_usable:
                    self._kept.move_to_end(route)
                    kept.users += 1
                    return kept, True
                stale = self._drop(route) if kept is not None else []
                making = self._making.get(route)
                if making is None:
                    mine = self._making[route] = Future()
            self._close(stale)
            if making is None:
                return self._make(route, mine), False
            making.result()  # raises what making it raised

    def release(self, connection: Connection) -> None:
        """No longer used by the caller."""
        with self._lock:
            closing = self._unuse(connection) + self._over_limit()
        self._close(closing)

    def retire(self, connection: Connection) -> None:
        """Give it to nobody else; it is closed when its last user is done."""
        with self._lock:
            connection.retired = True

    def forget(self, name: str) -> None:
        """Drop what leads to the host of that name."""
        with self._lock:
            routes = [route for route in self._kept if route[-1].name == name]
            closing = [one for route in routes for one in self._drop(route)]
        self._close(closing)

    def close(self) -> None:
        """Close all, used or not: those that lead through others first."""
        with self._lock:
            kept = sorted(self._kept, key=len, reverse=True)
            closing = [self._kept.pop(route) for route in kept]
            for connection in closing:
                connection.retired = True
        self._close(closing)

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def ask_key(self, route: Route) -> PresentedKey:
        """What the last hop presents, asked through the ones before it."""
        with self._jump(route) as through:
            return self._dialer.ask_key(route[-1], through)

    def _make(self, route: Route, mine: "Future[Connection]") -> Connection:
        try:
            made = self._dialed(route)
        except BaseException as exc:
            with self._lock:
                del self._making[route]
            mine.set_exception(exc if isinstance(exc, PatchwaveError) else Unreachable(f"{route[-1].name}: {exc!r}"))
            raise
        with self._lock:
            made.users += 1
            self._kept[route] = made
            del self._making[route]
            closing = self._over_limit()
        mine.set_result(made)
        self._close(closing)
        return made

    def _dialed(self, route: Route) -> Connection:
        with self._jump(route) as through:
            wire = self._dialer.dial(route[-1], through)
            if through is not None:
                with self._lock:
                    through.users += 1  # for as long as this connection leads through it
            return Connection(name=route[-1].name, wire=wire, through=through)

    @contextmanager
    def _jump(self, route: Route) -> Iterator[Connection | None]:
        """The connection to the hop before the last one, held while it is needed."""
        if len(route) == 1:
            yield None
            return
        try:
            through, _ = self.acquire(route[:-1])
        except JumpFailed as exc:
            raise JumpFailed(f"{route[-1].name}: {exc}") from exc
        except Unreachable as exc:
            raise JumpFailed(f"{route[-1].name}: its jump host cannot be used: {exc}") from exc
        try:
            yield through
        finally:
            self.release(through)

    def _close(self, connections: list[Connection]) -> None:
        """Close them and let go of the jump hosts below. Never called with the lock held: closing waits for threads."""
        for connection in connections:
            with self._lock:
                first, connection.closed = not connection.closed, True
            if first:
                connection.wire.close()
                if connection.through is not None:
                    self.release(connection.through)

    # What follows is called with the lock held, and answers what is to be closed after it.

    def _drop(self, route: Route) -> list[Connection]:
        """Take it out. While it has users, the last of them closes it."""
        connection = self._kept.pop(route)
        connection.retired = True
        return [] if connection.users else [connection]

    def _unuse(self, connection: Connection) -> list[Connection]:
        connection.users -= 1
        if connection.users or connection.is_usable:
            return []
        for route in [route for route, kept in self._kept.items() if kept is connection]:
            del self._kept[route]
        connection.retired = True
        return [connection]

    def _over_limit(self) -> list[Connection]:
        excess = len(self._kept) - self._most
        if excess <= 0:
            return []
        idle = [route for route, kept in self._kept.items() if kept.users == 0]
        return [one for route in idle[:excess] for one in self._drop(route)]
