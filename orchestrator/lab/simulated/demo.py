"""``patchwave lab demo``: the whole journey on a simulated fleet, told line by line, in about a minute."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from orchestrator.errors import NotAllowed, NotAvailable
from orchestrator.lab.simulated import background
from orchestrator.lab.simulated.handover import state_folder

Say = Callable[[str], None]
Json = dict[str, Any]

PATCHWAVE = (sys.executable, "-c", "from orchestrator.cli.main import main; main()")
START_SECONDS = 60.0
POLL_SECONDS = 0.3
PATCH, STALLING = "LAB-0002", "LAB-STALL"
SHOWN_METRICS = (
    "patchwave_time_to_patch_seconds_count",
    "patchwave_time_to_patch_seconds_sum",
    "patchwave_exposures{",
    "patchwave_reboots_avoided_total",
    "patchwave_live_patches{",
    "patchwave_rollout_hosts_total{",
)


def run(*, home: Path | None, hosts: int, keep: bool, say: Say) -> None:
    """Tell the story. ``home``: an empty folder to do it in; by default a temporary one, which is removed.

    Leaves nothing behind that runs, unless ``keep`` asks for it.
    """
    began = time.monotonic()
    with _home(home, keep=keep) as folder, _fleet_and_service(folder, keep=keep) as stage:
        story = _Story(stage=stage, hosts=hosts, say=say)
        story.tell()
        say("")
        say(f"[bold]That was it[/], in {time.monotonic() - began:.0f} seconds. {_DONE}")
        _say_what_next(stage, keep=keep, say=say)


_DONE = (
    "The fleet was checked over SSH, patched in memory in waves, and verified by a fresh check of every host; no host "
    "was rebooted. A patch that did not get in was taken out again, and stopped at its canaries."
)


def _say_what_next(stage: "_Stage", *, keep: bool, say: Say) -> None:
    if not keep:
        say("Nothing of it runs any more. To look around in it: [bold]patchwave lab demo --keep[/]")
        say("Next, your own hosts: see README.md, 'Point it at your own hosts'.")
        return
    command = f"patchwave --home {stage.home}"
    say(f"It still runs. Open  {stage.url}/metrics   {stage.url}/api/v1/hosts   {stage.url}/api/v1/exposures")
    say(f"Look around:         {command} rollout list     {command} exposure list --limit db     {command} lab status")
    say(f"Take it back:        {command} rollout rollback ID")
    say(f"Stop everything:     {command} lab down; kill {stage.service_pid}; rm -r {stage.home}")


@contextmanager
def _home(given: Path | None, *, keep: bool) -> Iterator[Path]:
    if given is not None:
        if given.exists() and any(given.iterdir()):
            raise NotAllowed(f"{given} is not empty: the demo wants a home of its own, which it fills")
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="patchwave-demo-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _fleet_and_service(home: Path, *, keep: bool) -> Iterator["_Stage"]:
    """Where the story plays. Whatever was started is stopped, also when it breaks off."""
    stage = _Stage(home=home, port=_free_port())
    kept = False
    try:
        yield stage
        kept = keep
    finally:
        if not kept:
            stage.stop()


@dataclass(kw_only=True)
class _Stage:
    """The processes of a demo, and how to talk to them."""

    home: Path
    port: int
    service: "subprocess.Popen[bytes] | None" = None
    opener: urllib.request.OpenerDirector = field(
        default_factory=lambda: urllib.request.build_opener(urllib.request.ProxyHandler({}))
    )

    @property
    def url(self) -> str:
        """Where the service is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def service_pid(self) -> int:
        """Its process id."""
        return 0 if self.service is None else self.service.pid

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """A command line of ours."""
        return (*PATCHWAVE, "--home", str(self.home), *arguments)

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """Run a command as a person would; its stdout. Raises `NotAvailable` when it exits otherwise than expected."""
        done = subprocess.run(
            self.argv(*arguments),
            cwd=self.home if self.home.exists() else None,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in codes:
            raise NotAvailable(
                f"`patchwave {' '.join(arguments)}` exited with {done.returncode}: {done.stderr.strip()[-2000:]}"
            )
        return done.stdout

    def json(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> Json:
        """Its one JSON document."""
        document: Json = json.loads(self.run(*arguments, "--json", codes=codes))
        return document

    def start_service(self) -> None:
        """``patchwave serve``, in a session of its own; returns when it is ready."""
        with (self.home / "serve.log").open("ab") as log:
            self.service = subprocess.Popen(
                self.argv("serve", "--port", str(self.port)),
                cwd=self.home,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if time.monotonic() > deadline or self.service.poll() is not None:
                raise NotAvailable(f"`patchwave serve` did not start: {(self.home / 'serve.log').read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz") == "ok\n"
        except (urllib.error.URLError, OSError):
            return False

    def get(self, path: str) -> str:
        """What the service answers."""
        with self.opener.open(self.url + path, timeout=30) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        """End the service and the fleet."""
        if self.service is not None:
            self.service.terminate()
            try:
                self.service.wait(15)
            except subprocess.TimeoutExpired:
                self.service.kill()
                self.service.wait()
        background.down(state_folder(self.home))


def _environment() -> dict[str, str]:
    """Ours without settings that somebody made for real hosts."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PATCHWAVE_")}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(kw_only=True)
class _Story:
    """The chapters, in their order."""

    stage: _Stage
    hosts: int
    say: Say
    started: float = field(default_factory=time.monotonic)

    def tell(self) -> None:
        """All of it."""
        self._fleet()
        self._check()
        self._exposed()
        self._plan()
        self._patch()
        self._closed()
        self._stall()
        self._metrics()

    def _chapter(self, title: str, *command: str) -> None:
        self.say("")
        self.say(f"[bold cyan]{title}[/]  [dim]({time.monotonic() - self.started:.0f} s)[/]")
        if command:
            self.say(f"[dim]$ patchwave {' '.join(command)}[/]")

    def _fleet(self) -> None:
        command = ("lab", "up", "--debian", "--hosts", str(self.hosts))
        self._chapter("A fleet, and the service", *command)
        self.stage.run(*command)
        self.say(f"  {self.hosts} simulated hosts: each a real SSH server that runs what it is sent with a real sh")
        self.say(f"[dim]$ patchwave serve --port {self.stage.port} &[/]")
        self.stage.start_service()
        self.say(f"  {self.stage.url} answers")

    def _check(self) -> None:
        self._chapter("Check every host", "scan")
        seen = self.stage.json("scan", codes=(0, 1))
        self.say(f"  {seen['reachable']} of {seen['checked']} hosts answered in {seen['seconds']:.1f} s")
        kernels = Counter(
            f"{host['os']['id']} {host['os']['version']}, kernel {host['kernel']['running']}"
            for host in seen["hosts"]
            if host["reachable"]
        )
        for kernel, count in kernels.most_common():
            self.say(f"  {count:3} hosts run {kernel}")

    def _exposures(self) -> list[Json]:
        rows: list[Json] = self.stage.json("exposure", "list")["exposures"]
        return rows

    def _exposed(self) -> None:
        self._chapter("Who is exposed?", "exposure", "list")
        self._show_exposures(self._exposures())

    def _show_exposures(self, rows: list[Json]) -> None:
        for (cve, severity), states in sorted(_by_cve(rows).items()):
            told = ", ".join(f"[{_COLOURS[state]}]{count} {state}[/]" for state, count in sorted(states.items()))
            self.say(f"  {cve}  {severity:8}  {told}")

    def _plan(self) -> None:
        playbook = self.stage.home / "playbooks" / "demo.yml"
        playbook.parent.mkdir()
        playbook.write_text(resources.files(__package__).joinpath("demo.yml").read_text(encoding="utf-8"))
        self._chapter("What would happen?", "plan", "playbooks/demo.yml")
        plan = self.stage.json("plan", str(playbook))
        names = {host["host_id"]: host["name"] for host in plan["hosts"]}
        for wave in plan["waves"]:
            shown = ", ".join(names[host_id] for host_id in wave["host_ids"][:3])
            more = " …" if len(wave["host_ids"]) > 3 else ""
            kind = ": one canary per kernel build" if wave["is_canary"] else ""
            self.say(f"  wave {wave['index']}{kind}: {len(wave['host_ids'])} hosts ({shown}{more})")
        self.say(f"  at most {plan['budget_total']} hosts may fail; {len(plan['left_out'])} are left out")

    def _patch(self) -> None:
        self._chapter("Patch, in waves, without a reboot", "rollout", "start", "playbooks/demo.yml", "--yes")
        self._follow("--patch", PATCH)

    def _follow(self, *options: str) -> Json:
        """Run a rollout and tell of each wave, as the service's API tells it meanwhile."""
        playbook = str(self.stage.home / "playbooks" / "demo.yml")
        before = {row["id"] for row in self._rollouts()}
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                self.stage.argv("rollout", "start", playbook, *options, "--yes", "--json"),
                cwd=self.stage.home,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.DEVNULL,
            )
            try:
                told: dict[int, str] = {}
                while process.poll() is None:
                    self._tell_waves([row for row in self._rollouts() if row["id"] not in before], told)
                    time.sleep(POLL_SECONDS)
            finally:
                process.kill()
                process.wait()
        final = [row for row in self._rollouts() if row["id"] not in before]
        if not final:
            raise NotAvailable("`patchwave rollout start` started nothing")
        self._tell_waves(final, told)
        rollout = final[0]
        self.say(f"  the rollout {rollout['state']}" + (f": {rollout['reason']}" if rollout["reason"] else ""))
        return rollout

    def _rollouts(self) -> list[Json]:
        rows: list[Json] = json.loads(self.stage.get("/api/v1/rollouts"))["rollouts"]
        return rows

    def _tell_waves(self, rollouts: list[Json], told: dict[int, str]) -> None:
        for wave in (wave for rollout in rollouts for wave in rollout["waves"]):
            state, index = wave["state"], wave["index"]
            if state in _TOLD_WAVES and told.get(index) != state:
                told[index] = state
                counts = Counter(host["state"] for host in wave["hosts"])
                hosts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
                self.say(f"  wave {index} {_TOLD_WAVES[state]}: {hosts}")

    def _closed(self) -> None:
        self._chapter("The windows are closed", "exposure", "list")
        rows = self._exposures()
        self._show_exposures(rows)
        closed = [row for row in rows if row["closed_at"] is not None]
        if closed:
            slowest = max(row["exposed_seconds"]["detected"] for row in closed)
            self.say(
                f"  {len(closed)} windows closed by {_joined({row['method'] for row in closed})}, "
                f"the last one {slowest:.0f} s after it was detected"
            )

    def _stall(self) -> None:
        command = ("rollout", "start", "playbooks/demo.yml", "--patch", STALLING, "--yes")
        self._chapter("And a patch that does not get in?", *command)
        self.say(
            "  a kernel thread never leaves the function that this one replaces: the transition would last for ever"
        )
        rollout = self._follow("--patch", STALLING)
        hosts = [host for wave in rollout["waves"] for host in wave["hosts"]]
        untouched = sum(host["state"] == "not_attempted" for host in hosts)
        self.say(f"  nothing was forced: what had begun was reverted, and {untouched} hosts were never touched")

    def _metrics(self) -> None:
        self._chapter("What Prometheus reads")
        self.say(f"[dim]$ curl {self.stage.url}/metrics[/]")
        for line in self.stage.get("/metrics").splitlines():
            if line.startswith(SHOWN_METRICS):
                self.say(f"  {line}")


_COLOURS = {"exposed": "red", "covered": "green", "unknown": "yellow"}
_TOLD_WAVES = {"running": "begins", "soaking": "soaks", "done": "is done", "failed": "failed", "reverted": "reverted"}


def _by_cve(rows: list[Json]) -> Mapping[tuple[str, str], Counter[str]]:
    counted: dict[tuple[str, str], Counter[str]] = {}
    for row in rows:
        counted.setdefault((row["cve"], row["severity"]), Counter())[row["state"]] += 1
    return counted


def _joined(words: set[str]) -> str:
    return " and ".join(sorted(words))
