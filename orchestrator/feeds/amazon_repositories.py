"""Where Amazon Linux's updateinfo is: a list of mirrors, then the repository's index (repomd.xml), then the file.

The index is small and names the file's checksum: where that is the version that we have, nothing is downloaded, and a
file that has another SHA-256 is refused. Format: createrepo_c, ``repomd.xml``.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from orchestrator.core.advisories import FeedStatus
from orchestrator.errors import FeedInvalid, FeedUnavailable
from orchestrator.feeds.base import Recognises, downloaded
from orchestrator.feeds.dates import moment_of_seconds
from orchestrator.feeds.opening import opened
from orchestrator.feeds.xml_stream import elements
from orchestrator.ports.advisories import FeedFile
from orchestrator.ports.feeds import Fetch, Fetched, Unchanged

URL = "https://cdn.amazonlinux.com"
MIRRORS: Mapping[str, str] = {
    "amazon/2/core": "2/core/latest/x86_64/mirror.list",
    "amazon/2/livepatch": "2/extras/livepatch/latest/x86_64/mirror.list",
    "amazon/2/kernel-5.4": "2/extras/kernel-5.4/latest/x86_64/mirror.list",
    "amazon/2/kernel-5.10": "2/extras/kernel-5.10/latest/x86_64/mirror.list",
    "amazon/2/kernel-5.15": "2/extras/kernel-5.15/latest/x86_64/mirror.list",
    "amazon/2023/core": "al2023/core/mirrors/latest/x86_64/mirror.list",
    "amazon/2023/livepatch": "al2023/kernel-livepatch/mirrors/latest/x86_64/mirror.list",
}
"""By part, below the URL. The updateinfo of one architecture lists the packages of all."""

_SMALL = 4 << 20
_MIRROR = re.compile(r"https?://[!-~]{1,500}")
_PATH = re.compile(r"(?:[A-Za-z0-9_+~-][A-Za-z0-9._+~-]*/)*[A-Za-z0-9_+~-][A-Za-z0-9._+~-]*")
_DIGEST = re.compile(r"[0-9a-f]{64,128}")


class Indexed(NamedTuple):
    """The updateinfo as the index has it. ``path`` is below the repository; ``digest`` is of the kind ``algorithm``."""

    path: str
    algorithm: str
    digest: str
    dated: datetime | None


def synced(
    feed: Recognises, part: str, mirrors: str, status: FeedStatus | None, fetch: Fetch
) -> Iterator[FeedFile | Unchanged]:
    """Download one repository's updateinfo, unless it is the one that we have. ``mirrors``: the URL of the list."""
    base = mirror_of(_fetched(fetch, mirrors).path, mirrors)
    url = f"{base}/repodata/repomd.xml"
    indexed = updateinfo_of(_fetched(fetch, url).path, url)
    if status is not None and status.version == indexed.digest:
        yield Unchanged(feed=part)
        return
    url = f"{base}/{indexed.path}"
    fetched = fetch(url)
    if fetched is None or (indexed.algorithm == "sha256" and fetched.sha256 != indexed.digest):
        raise FeedInvalid("is not the file that the repository's index names (SHA-256)", file=url)
    update = {"version": indexed.digest, "dated": indexed.dated}
    yield downloaded(feed, part, fetched).model_copy(update=update)


def mirror_of(path: Path, source: str) -> str:
    """The first mirror of a list, without a slash at its end. Raises `FeedInvalid` where there is none."""
    with opened(path, name=source) as file:
        lines = file.read(_SMALL).decode("utf-8", "replace").splitlines()
    first = next((line.strip() for line in lines if line.strip()), "")
    base = first.replace("$basearch", "x86_64").rstrip("/")
    if not _MIRROR.fullmatch(base) or (source.startswith("https:") and not base.startswith("https:")):
        raise FeedInvalid("names no mirror by its URL, or one that is not encrypted", file=source, line=1)
    return base


def updateinfo_of(path: Path, source: str) -> Indexed:
    """What the index says of the updateinfo. Raises `FeedInvalid` where it names none."""
    with opened(path, name=source) as file:
        for data in elements(file, source, root="repomd", name="data"):
            if data.attributes.get("type") != "updateinfo":
                continue
            location, checksum = data.first("location"), data.first("checksum")
            href = None if location is None else location.attribute("href", 500)
            digest = data.content("checksum", 200) or ""
            if href is None or not _PATH.fullmatch(href):
                raise data.invalid("names no file below the repository")
            algorithm = None if checksum is None else checksum.attributes.get("type")
            if algorithm not in {"sha256", "sha384", "sha512"} or not _DIGEST.fullmatch(digest):
                raise data.invalid("has no checksum of type sha256, sha384 or sha512")
            return Indexed(href, algorithm, digest, _timestamp(data.content("timestamp", 40)))
    raise FeedInvalid("the repository has no updateinfo", file=source)


def _timestamp(text: str | None) -> datetime | None:
    digits = (text or "").partition(".")[0]
    return moment_of_seconds(int(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None


def _fetched(fetch: Fetch, url: str) -> Fetched:
    found = fetch(url, most=_SMALL)
    if found is None:
        raise FeedUnavailable(f"{url}: the server says that it has not changed, and was not asked that")
    return found
