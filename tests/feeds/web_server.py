"""A web server on the loopback address that answers as it is told to."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Headers = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A response. ``cut``: bytes of the body after which the connection ends; ``hangs_after``: after which nothing more
    comes; ``length`` False: none is announced."""

    status: int = 200
    body: bytes = b""
    headers: Headers = field(default_factory=dict)
    cut: int | None = None
    hangs_after: int | None = None
    length: bool = True


@dataclass
class Site:
    """What was asked, and what is answered: by path, one answer after the other, the last one for ever."""

    url: str = ""
    asked: list[tuple[str, Headers]] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    answers: dict[str, list[Answer | Callable[[Headers], Answer]]] = field(default_factory=dict)

    def answer(self, path: str, headers: Headers) -> Answer:
        """The next answer."""
        self.asked.append((path, headers))
        waiting = self.answers.get(path.partition("?")[0], [Answer(404)])
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return found if isinstance(found, Answer) else found(headers)


def file(content: bytes, etag: str | None = '"one"', **extra: str) -> Callable[[Headers], Answer]:
    """A file as a good server has it: with an ETag, 304 for those who have it, and ranges."""

    def answer(asked: Headers) -> Answer:
        headers = {**({} if etag is None else {"ETag": etag}), **extra}
        if etag is not None and asked.get("If-None-Match") == etag:
            return Answer(304, headers=headers)
        start = asked.get("Range", "").removeprefix("bytes=").removesuffix("-")
        if start and asked.get("If-Range") == etag:
            if int(start) >= len(content):
                return Answer(416)
            total = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return Answer(206, content[int(start) :], {**headers, "Content-Range": total})
        return Answer(200, content, headers)

    return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_what: object) -> None:
        """Clients that hang up are what is tested."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """A server that runs; with a context, by https."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = site.answer(self.path, dict(self.headers.items()))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.length and answer.status != 304:
                self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if answer.hangs_after is not None:
                self.wfile.write(answer.body[: answer.hangs_after])
                site.closed.wait(60)
            else:
                self.wfile.write(answer.body[: answer.cut])
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()
