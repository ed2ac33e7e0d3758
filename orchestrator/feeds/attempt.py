"""One attempt at one download. See `feeds.download`, which makes several."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from orchestrator.core.model import Frozen
from orchestrator.core.urls import without_secrets
from orchestrator.errors import FeedUnavailable
from orchestrator.ports.feeds import Fetched
from orchestrator.ports.runtime import Clock

REDIRECTS = 5
SLOWEST = timedelta(hours=2)
"""For one file: a server that sends a byte a minute never times out by itself."""
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that may be over at the next attempt."""
_COMPRESSED = (".gz", ".xz", ".zst", ".bz2", ".zip", ".tgz")
_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/(?:[0-9]{1,19}|\*)")


class PassingFailure(Exception):
    """A failure that may be over at the next attempt. ``wait``: the seconds that the server asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        self.reason, self.wait = reason, wait
        super().__init__(reason)


class Validator(Frozen):
    """What a partial download is a part of. Source: RFC 9110, 8.8."""

    url: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def if_range(self) -> str | None:
        """What If-Range takes: a strong ETag, or a date. Source: RFC 9110, 13.1.5."""
        return self.etag if self.etag is not None and not self.etag.startswith("W/") else self.last_modified


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """Asks once, follows redirects, and writes the answer.

    ``path`` is where the file comes to be; ``conditions`` are the headers that ask for what is new alone; ``most``
    bounds its bytes; ``unavailable`` makes the error of a reason.
    """

    client: httpx.Client
    clock: Clock
    url: str
    path: Path
    conditions: Mapping[str, str]
    most: int
    unavailable: Callable[[str], FeedUnavailable]

    def __call__(self) -> Fetched | None:
        """The file, or None where it has not changed. Raises `PassingFailure` and `FeedUnavailable`."""
        try:
            return self._ask()
        except httpx.TimeoutException as exc:
            raise PassingFailure(f"timed out ({_words(exc)})") from exc
        except httpx.TransportError as exc:
            if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                hint = "its certificate is not trusted: the setting feed_ca_file adds an authority"
                raise self.unavailable(hint) from exc
            raise PassingFailure(f"{_words(exc)}: {exc}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self.unavailable(f"{_words(exc)}: {exc}") from exc
        except OSError as exc:
            raise self.unavailable(f"{self._data} cannot be written: {exc.strerror}") from exc

    @cached_property
    def _data(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @cached_property
    def _about(self) -> Path:
        return self.path.with_name(self.path.name + ".about")

    def _ask(self) -> Fetched | None:
        part = self._part()
        have = self._data.stat().st_size if part is not None else 0
        with self._answer(part, have) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED and self.conditions:
                return None
            if response.status_code == httpx.codes.PARTIAL_CONTENT and part is not None:
                self._check_range(response, have)
                return self._written(response, part, have)
            if response.status_code == httpx.codes.OK:
                return self._written(response, self._begun(response), 0)
            raise self._refusal(response, had_part=part is not None)

    def _part(self) -> Validator | None:
        """The partial download that is there, if it can be told to be of this URL and of what is there now."""
        try:
            part = Validator.model_validate(json.loads(self._about.read_bytes()))
            is_part = part.url == without_secrets(self.url) and part.if_range is not None
            return part if is_part and self._data.stat().st_size > 0 else None
        except (OSError, ValueError):
            return None

    # The question

    @contextlib.contextmanager
    def _answer(self, part: Validator | None, have: int) -> Iterator[httpx.Response]:
        """The answer at the end of the redirects."""
        url, headers = httpx.URL(self.url), self._headers(part, have)
        for _hop in range(REDIRECTS + 1):
            self._check_scheme(url)
            with self.client.stream("GET", url, headers=headers) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                url = url.join(response.headers["Location"])
        raise self.unavailable(f"there are more than {REDIRECTS} redirects")

    def _headers(self, part: Validator | None, have: int) -> dict[str, str]:
        is_compressed = urlsplit(self.url).path.endswith(_COMPRESSED)
        headers = {"Accept-Encoding": "identity" if is_compressed else "gzip"}
        if part is None or part.if_range is None:
            return headers | dict(self.conditions)
        return headers | {"Range": f"bytes={have}-", "If-Range": part.if_range}

    def _check_scheme(self, url: httpx.URL) -> None:
        """Only HTTP, and nobody leads us from https to http."""
        if url.scheme not in {"http", "https"} or not url.host:
            raise self.unavailable(f"{without_secrets(str(url))} is no http or https URL")
        if url.scheme == "http" and not self.url.lower().startswith("http:"):
            raise self.unavailable(f"it redirects to {without_secrets(str(url))}, which is not encrypted")

    # Answers without a file

    def _refusal(self, response: httpx.Response, *, had_part: bool) -> Exception:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and had_part:
            self._forget()
            return PassingFailure("it has nothing after the part that is here", wait=0.0)
        reason = f"it answered {response.status_code} {response.reason_phrase}".rstrip()
        if response.status_code in _PASSING:
            return PassingFailure(reason, wait=self._asked_wait(response))
        return self.unavailable(reason)

    def _asked_wait(self, response: httpx.Response) -> float | None:
        """Retry-After in seconds, or as a date. Source: RFC 9110, 10.2.3."""
        text = response.headers.get("Retry-After", "")
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, (parsedate_to_datetime(text) - self.clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None

    # Answers with one

    def _check_range(self, response: httpx.Response, have: int) -> None:
        """Refuse an answer that does not begin where the part ends."""
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != have:
            self._forget()
            raise PassingFailure("it answered with another range than was asked for", wait=0.0)

    def _begun(self, response: httpx.Response) -> Validator:
        """Note what is being downloaded before any of it is there."""
        begun = Validator(
            url=without_secrets(self.url),
            etag=_bounded(response, "ETag", 500),
            last_modified=_bounded(response, "Last-Modified", 100),
        )
        self._data.unlink(missing_ok=True)
        self._about.write_text(begun.model_dump_json())
        return begun

    def _written(self, response: httpx.Response, part: Validator, have: int) -> Fetched:
        if response.headers.get("Content-Encoding", "").lower() not in {"", "identity", "gzip", "x-gzip"}:
            raise self.unavailable("it compresses in a way that was not asked for")
        announced = response.headers.get("Content-Length", "")
        self._check_size(have + (int(announced[:19]) if announced.isascii() and announced.isdigit() else 0))
        sha256, size = self._append(response, have)
        self._data.replace(self.path)
        self._about.unlink(missing_ok=True)
        return Fetched(
            path=self.path,
            url=part.url,
            sha256=sha256,
            size=size,
            etag=part.etag,
            last_modified=part.last_modified,
        )

    def _append(self, response: httpx.Response, have: int) -> tuple[str, int]:
        """Hash and size of the whole. The bytes are kept as they come, compressed where the server compressed them."""
        digest, size, until = _digest(self._data, have), have, self.clock.now() + SLOWEST
        with open(self._data, "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            for data in response.iter_raw():
                size += len(data)
                self._check_size(size)
                if self.clock.now() > until:
                    raise self.unavailable(f"it took longer than {SLOWEST}")
                file.write(data)
                digest.update(data)
        return digest.hexdigest(), size

    def _check_size(self, size: int) -> None:
        if size > self.most:
            self._forget()
            raise self.unavailable(f"it is larger than {self.most} bytes: the setting feed_max_bytes is the bound")

    def _forget(self) -> None:
        self._data.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)


def _bounded(response: httpx.Response, header: str, most: int) -> str | None:
    """A validator, which is kept, and sent back as it came."""
    value: str = response.headers.get(header, "")
    return value if 0 < len(value) <= most and value.isascii() and value.isprintable() else None


def _digest(file: Path, have: int) -> Any:
    """The hash of what is there already, which goes on with what comes."""
    digest = hashlib.sha256()
    if have:
        with file.open("rb") as opened:
            while data := opened.read(1 << 20):
                digest.update(data)
    return digest


def _words(exc: Exception) -> str:
    """``ConnectTimeout`` in words: connect timeout."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(exc).__name__).lower()
