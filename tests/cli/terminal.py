"""The command line in this process, as a person with nothing but a home folder has it."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from orchestrator.cli.main import main
from orchestrator.core.facts import Facts, Observation, Volatile
from orchestrator.core.sightings import CheckRecord
from orchestrator.store import open_store
from tests.services.fleets import ids

HOSTS = """\
all:
  vars: {ansible_port: 1}
  hosts: {web1: {ansible_host: 127.0.0.1}, web2: {ansible_host: 127.0.0.2}}
"""
"""Nothing listens there."""


class Printed(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.out)


class Terminal:
    """A shell without any variable but those given, standing in an empty folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.home = folder, folder / "home"
        self._capsys, self._monkeypatch = capsys, monkeypatch
        monkeypatch.chdir(folder)

    def run(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Printed:
        """One command with the home folder."""
        return self.plainly("--home", str(self.home), *arguments, environ=environ)

    def plainly(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Printed:
        """One command as it is written."""
        with self._monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith("PATCHWAVE_")]:
                patched.delenv(name)
            for name, value in {"HOME": str(self.folder), **(environ or {})}.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main(arguments)
        printed = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Printed(ended.value.code, printed.out, printed.err)

    def initialised(self, hosts: str = HOSTS) -> "Terminal":
        """With a home and an inventory in it."""
        assert 0 == self.run("init").code
        (self.home / "inventory").mkdir()
        (self.home / "inventory" / "hosts.yml").write_text(hosts)
        return self

    def saw(self, facts: Facts) -> None:
        """Every listed host was checked a moment ago, and showed these facts."""
        now = datetime.now(tz=UTC)
        seen = facts.model_copy(update={"volatile": Volatile(uptime=timedelta(days=1))})
        store = open_store(f"sqlite:///{self.home / 'patchwave.db'}", new_id=ids("s"))
        try:
            store.sightings.record(
                [
                    CheckRecord(
                        host_id=one.id,
                        started_at=now,
                        finished_at=now,
                        expected_by=now + timedelta(hours=3),
                        observation=Observation(started_at=now, observed_at=now, facts=seen),
                    )
                    for one in store.hosts.all()
                ]
            )
        finally:
            store.close()
