"""Where built things are kept: outside the repository, each built once, whole or not at all."""

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def cache_root(environ: Mapping[str, str]) -> Path:
    """``PATCHWAVE_LAB_CACHE``, else ``patchwave/lab`` below ``XDG_CACHE_HOME`` (default ``~/.cache``)."""
    own = environ.get("PATCHWAVE_LAB_CACHE")
    if own:
        return Path(own).absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "patchwave" / "lab"


def digest(*parts: str | bytes) -> str:
    """A short name for the whole recipe of a thing. Parts cannot run into each other: each goes in with its length."""
    sha = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        sha.update(str(len(data)).encode() + b":" + data)
    return sha.hexdigest()[:20]


def recipe(*files: str | Path) -> str:
    """The digest of the files that say how something is built, so that changing them builds it again."""
    return digest(*(Path(file).read_bytes() for file in files))


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder of entries ``KIND/NAME-KEY``. An entry that is there is complete; ``say`` gets a line per build."""

    root: Path
    say: Callable[[str], None]

    def entry(self, kind: str, name: str, key: str, build: Callable[[Path], None]) -> Path:
        """The entry's folder; when it is not there yet, ``build`` fills an empty folder that then takes its place.

        The folder is renamed after ``build``: nothing in it may name its own path. A second session that wants the
        same entry waits for the first.
        """
        final = self.root / kind / f"{name}-{key}"
        if final.is_dir():
            return final
        with self.lock(f"{kind}-{name}"):
            if not final.is_dir():
                self._build(final, build)
        return final

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a lock that all sessions over this cache share."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _build(self, final: Path, build: Callable[[Path], None]) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".building-", dir=final.parent))
        try:
            work.chmod(0o755)
            self.say(f"building {final.parent.name}/{final.name}")
            build(work)
            work.rename(final)
        finally:
            shutil.rmtree(work, ignore_errors=True)
