"""Downloads over HTTP: conditional, capped, resumed, repeated. Implements `ports.feeds.Fetch`.

A download is written to ``NAME.part`` with ``NAME.about`` beside it, which has the validator of what is being
downloaded: one that was cut off goes on where it stopped, by Range and If-Range, in this run or in a later one.
"""

import contextlib
import fcntl
import hashlib
import re
import ssl
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit

import httpx

from orchestrator.core.model import Frozen
from orchestrator.core.urls import HIDDEN, without_secrets
from orchestrator.errors import Conflict, FeedUnavailable
from orchestrator.feeds.attempt import Attempt, PassingFailure
from orchestrator.feeds.values import prose
from orchestrator.ports.feeds import Fetched
from orchestrator.ports.runtime import Clock

ATTEMPTS = 5
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0
"""Seconds between attempts: each wait is twice the one before. Whoever asks for more is left for the next sync."""
KEPT_PARTS = timedelta(days=7)
PRIVATE_FOLDER = 0o700


class DownloadSettings(Frozen):
    """``most``: bytes of one file. ``proxy``: a URL, which may hold a password; None: as the environment says
    (``HTTPS_PROXY``, ``NO_PROXY``). ``ca_file``: authorities to trust besides the well-known ones."""

    most: int
    proxy: str | None = None
    ca_file: Path | None = None
    timeout: float = 60.0


class HttpFetch:
    """A context: one sync at a time in a home folder; what it downloaded is gone at its end."""

    def __init__(
        self, folder: Path, settings: DownloadSettings, clock: Clock, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._folder, self._settings, self._clock, self._transport = folder, settings, clock, transport
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "HttpFetch":
        """Raises `Conflict` while another sync is under way, `FeedUnavailable` for an unusable folder or CA file."""
        with contextlib.ExitStack() as opening:
            try:
                self._folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
                lock = opening.enter_context((self._folder / ".lock").open("w"))
                self._client = opening.enter_context(self._connected())
            except (OSError, ssl.SSLError, ValueError, httpx.InvalidURL) as exc:
                raise FeedUnavailable(f"downloads cannot begin: {self._without_passwords(str(exc))}") from exc
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise Conflict(f"another sync is under way in {self._folder}: wait for its end") from exc
            self._tidy()
            self._open = opening.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tidy()
        self._open.close()

    def __call__(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None
    ) -> Fetched | None:
        """Download it, or None where it has not changed; see `Fetch`."""
        attempt = self._attempt(url, etag, last_modified, min(most or self._settings.most, self._settings.most))
        wait = FIRST_WAIT
        for number in range(1, ATTEMPTS + 1):
            try:
                return attempt()
            except PassingFailure as exc:
                pause = wait if exc.wait is None else exc.wait
                if number == ATTEMPTS or pause > LONGEST_WAIT:
                    asked = f"; it asks to wait for {pause:.0f} s" if pause > LONGEST_WAIT else ""
                    raise self._unavailable(url, f"{exc.reason}{asked} (attempt {number} of {ATTEMPTS})") from exc
                self._clock.sleep(pause)
                wait *= 2
        raise AssertionError("the last attempt returns or raises")

    def _attempt(self, url: str, etag: str | None, last_modified: str | None, most: int) -> Attempt:
        conditions = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        return Attempt(
            client=self._client,
            clock=self._clock,
            url=url,
            path=self._path(url),
            conditions={name: value for name, value in conditions.items() if value is not None},
            most=most,
            unavailable=lambda reason: self._unavailable(url, reason),
        )

    def _path(self, url: str) -> Path:
        """Where it is written: a name that says what it is, and that no other URL has."""
        last = re.sub(r"[^A-Za-z0-9._-]", "_", without_secrets(url).rpartition("/")[2])[-60:].lstrip(".")
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{last or 'file'}"

    def _connected(self) -> httpx.Client:
        verify = httpx.create_ssl_context()
        if self._settings.ca_file is not None:
            verify.load_verify_locations(cafile=self._settings.ca_file)
        return httpx.Client(
            verify=verify,
            proxy=self._settings.proxy,
            transport=self._transport,
            timeout=self._settings.timeout,
            headers={"User-Agent": "patchwave"},
        )

    def _tidy(self) -> None:
        """Remove what was downloaded whole, and parts that nobody came back for."""
        oldest = (self._clock.now() - KEPT_PARTS).timestamp()
        for file in self._folder.iterdir():
            is_part = file.suffix in {".part", ".about"}
            if file.name != ".lock" and not (is_part and file.stat().st_mtime > oldest):
                file.unlink(missing_ok=True)

    def _unavailable(self, url: str, reason: str) -> FeedUnavailable:
        """The error that names URL and reason, without secrets."""
        return FeedUnavailable(f"{without_secrets(url)}: {self._without_passwords(reason, url)}")

    def _without_passwords(self, text: str, *urls: str) -> str:
        """Libraries quote what they were given in their messages."""
        for url in (*urls, self._settings.proxy or ""):
            for secret in _secrets(url):
                text = text.replace(secret, HIDDEN)
        return prose(text, 300) or ""


def _secrets(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return (url,)
    return tuple(one for one in (parts.password, unquote(parts.password or ""), parts.query) if one)
