"""A PostgreSQL server of the tests' own, from Debian's package: a temporary folder, a Unix socket, no network.

PostgreSQL refuses to run as root; where the tests do, the server runs as ``postgres`` (or ``nobody``).
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from orchestrator.store import upgrade
from tests.needs import require

SUPERUSER = "patchwave"

FAST = ("-c", "fsync=off", "-c", "listen_addresses=", "-c", "max_connections=200", "-c", "autovacuum=off")
"""The folder dies with the tests, so nothing needs to survive a power cut; nobody connects but through the socket."""


@dataclass(kw_only=True)
class PostgresServer:
    """The running server. Use as a context manager."""

    folder: Path = field(init=False)
    _process: "subprocess.Popen[bytes]" = field(init=False)
    _count: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        postgres = require("postgres")
        initdb = Path(postgres).resolve().with_name("initdb")
        # Not below pytest's own folder, which only root may enter; short, because a socket's path is limited to 107.
        self.folder = Path(tempfile.mkdtemp(prefix="pwt-pg-"))
        account = _account()
        if account:
            shutil.chown(self.folder, account["user"], account["group"])
        data = str(self.folder / "data")
        options = ("--no-sync", "--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", "--locale=C.UTF-8")
        subprocess.run((initdb, "-D", data, *options), check=True, capture_output=True, cwd="/", timeout=120, **account)
        with (self.folder.parent / f"{self.folder.name}.log").open("wb") as log:
            self._process = subprocess.Popen(
                (postgres, "-D", data, "-k", str(self.folder), *FAST), stderr=log, cwd="/", **account
            )
        self._wait()
        self._execute("CREATE DATABASE migrated")
        upgrade(self.url("migrated"))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)  # "fast shutdown": sessions are ended, nothing is waited for
        self._process.wait(60)
        shutil.rmtree(self.folder)
        (self.folder.parent / f"{self.folder.name}.log").unlink()

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    @contextmanager
    def database(self, *, template: str = "migrated") -> Iterator[str]:
        """The URL of a database that lives for one test; ``template0`` for one without a schema."""
        self._count += 1
        name = sql.Identifier(f"test_{self._count}")
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, sql.Identifier(template))
        try:
            yield self.url(f"test_{self._count}")
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: Any, *names: sql.Identifier) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*names))

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


def _account() -> dict[str, Any]:
    """Whom to run as: keyword arguments of `subprocess.run`, none when we are not root ourselves."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": ()}
