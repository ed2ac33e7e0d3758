"""A web of files in memory, for tests of what feeds download."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import FeedUnavailable
from orchestrator.ports.feeds import Fetched


class FakeFetch:
    """Implements `ports.feeds.Fetch`. ``asked`` has what was downloaded, in order; an ETag is the content's digest."""

    def __init__(self, folder: Path, web: Mapping[str, bytes]) -> None:
        self.folder, self.web, self.asked = folder, dict(web), list[str]()

    def __call__(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None, most: int | None = None
    ) -> Fetched | None:
        if url not in self.web:
            raise FeedUnavailable(f"{url}: 404")
        content = self.web[url]
        sha256 = hashlib.sha256(content).hexdigest()
        if etag == sha256:
            return None
        self.asked.append(url)
        path = self.folder / hashlib.sha256(url.encode()).hexdigest()
        path.write_bytes(content)
        return Fetched(path=path, url=url, sha256=sha256, size=len(content), etag=sha256)
