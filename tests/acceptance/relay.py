"""A TCP relay on the loopback address that can stop passing bytes on: a network that hangs at a chosen byte."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Relay:
    """Passes connections on to a port, and counts what goes there. ``freeze_at`` stops that direction for good once
    one connection has sent so many bytes; ``frozen`` is set then."""

    def __init__(self, target: int, freeze_at: int) -> None:
        self._target, self._freeze_at = target, freeze_at
        self.frozen = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._open += [near, far]
                threading.Thread(target=self._pass, args=(near, far, self._freeze_at), daemon=True).start()
                threading.Thread(target=self._pass, args=(far, near, None), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                passed += len(data)
                if limit is not None and passed > limit:
                    self.frozen.set()
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relay(target: int, *, freeze_at: int) -> Iterator[Relay]:
    """A relay for the length of a test."""
    opened = Relay(target, freeze_at)
    try:
        yield opened
    finally:
        opened.close()
