"""The whole check of an Ubuntu host: the real script in each shell, with a client that prints what clients print."""

from pathlib import Path

import pytest

from orchestrator.backends.canonical import Canonical
from orchestrator.backends.registry import probe_parts, with_tools
from orchestrator.core.facts import Facts, PatchState, Pin, Tool, ToolState
from orchestrator.core.hosts import Become
from orchestrator.core.tools import AS_OF_DEEP
from orchestrator.probe import read_answer
from tests.backends.canonical.answers import AT, CVES, KERNEL, MODULE, raw
from tests.probe.machines import COMMON, NONCE, SHELLS, Files, build, command, patch, read, run

pytestmark = pytest.mark.scripts

CLIENT = "stand-ins/canonical-livepatch"
CONFIG = "var/snap/canonical-livepatch/common/config"
PART_NAMES = ("canonical_status", "canonical_pin", "canonical_pro")
UBUNTU: Files = {
    **COMMON,
    "etc/os-release": 'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
    "proc/sys/kernel/osrelease": "5.15.0-118-generic\n",
    "proc/version_signature": f"Ubuntu {KERNEL} 5.15.158\n",
    "proc/cmdline": "BOOT_IMAGE=/vmlinuz root=/dev/vda1 ro\n",
    **patch(MODULE),
}
every_shell = pytest.mark.parametrize("shell", SHELLS)


def client(script: str) -> Files:
    """The client, which notes its calls."""
    return {CLIENT: f'#!/bin/sh\necho "$*" >>"$PATCHWAVE_ROOT/calls"\n{script}\n'}


def prints(name: str, root: Path) -> Files:
    """A client that prints that answer."""
    return {"answer": raw(name), **client(f"cat {root}/answer")}


def check(
    root: Path, files: Files, shell: str, *, deep: bool = False, become: Become | None = None, uid: int = 0
) -> Facts:
    """One check of it."""
    parts = probe_parts(deep=deep)
    completed = run(command(become, extra=parts), build(root, {**UBUNTU, **files}, shell=shell, uid=uid), shell=shell)
    return with_tools(read(completed), read_answer(completed, nonce=NONCE), at=AT, deep=deep)


def tool(facts: Facts) -> Tool:
    """Ours."""
    found = facts.tool("canonical")
    assert found is not None
    return found


@every_shell
def test_a_patched_host(shell: str, tmp_path: Path) -> None:
    """One process tells it; the patch is the module in sysfs, with what the client says that it fixes."""
    facts = check(tmp_path, prints("json_applied", tmp_path), shell)
    (live,) = facts.live_patches
    assert Tool(name="canonical", state=ToolState.READY, version="10.8.5", level="107.2") == tool(facts)
    assert ("canonical", MODULE, "107.2", PatchState.APPLIED, CVES) == (
        live.tool,
        live.name,
        live.version,
        live.state,
        live.cves,
    )
    assert "status --format json\n" == (tmp_path / "calls").read_text()


@every_shell
def test_noise_on_both_pipes(shell: str, tmp_path: Path) -> None:
    """It does not matter."""
    files = client(f"echo 'ld.so: cannot be preloaded'; echo 'snap: flag of its own' >&2; cat {tmp_path}/answer")
    facts = check(tmp_path, {"answer": raw("json_applied"), **files}, shell)
    assert (ToolState.READY, "107.2") == (tool(facts).state, tool(facts).level)


@every_shell
@pytest.mark.parametrize(
    "words",
    [
        "error: flag provided but not defined: --format",
        'invalid value "json" for flag --format: unknown format',
        "Usage: canonical-livepatch status [--verbose]",
    ],
)
def test_a_client_that_knows_no_json(shell: str, words: str, tmp_path: Path) -> None:
    """It is asked a second time, for its YAML."""
    files = client(f"case $* in *json*) echo '{words}' >&2; exit 2 ;; esac; cat {tmp_path}/answer")
    facts = check(tmp_path, {"answer": raw("yaml_applied"), **files}, shell)
    assert (ToolState.READY, "107.2", "9.8.4") == (tool(facts).state, tool(facts).level, tool(facts).version)
    assert "status --format json\nstatus --verbose\n" == (tmp_path / "calls").read_text()


@every_shell
@pytest.mark.parametrize(
    ("files", "state"),
    [
        ({"var/lib/ubuntu-advantage/machine-token.json": "{}"}, ToolState.DISABLED),
        ({"var/lib/ubuntu-advantage/private/machine-token.json": "{}"}, ToolState.DISABLED),
        ({"var/lib/ubuntu-advantage/": ""}, ToolState.UNLICENSED),
        ({"var/lib/ubuntu-advantage/private/": ""}, ToolState.UNLICENSED),
        ({}, ToolState.DISABLED),
    ],
)
def test_a_client_that_is_not_enabled(shell: str, files: Files, state: ToolState, tmp_path: Path) -> None:
    """Whether the host is attached tells a client that was switched off from one without a subscription. The module
    that it left in the kernel stays Canonical's, and in force."""
    refuses = client("echo 'Machine is not enabled. Please run ...' >&2; exit 1")
    facts = check(tmp_path, {**refuses, **files}, shell)
    assert state is tool(facts).state
    assert [("canonical", PatchState.APPLIED)] == [(live.tool, live.state) for live in facts.live_patches]
    assert "status --format json\n" == (tmp_path / "calls").read_text()


@every_shell
@pytest.mark.parametrize(
    ("files", "pin"),
    [
        ({}, None),
        ({CONFIG: 'http-proxy: "http://10.0.0.1"\ncheck-interval: 60 # minutes\ncutoff-date: ""\n'}, None),
        ({CONFIG: "check-interval: 0"}, Pin(setting="check-interval=0", by_us=False)),
        (
            {CONFIG: 'cutoff-date: "2025-06-01T00:00:00Z"\ncheck-interval: "0"\n'},
            Pin(setting="check-interval=0 cutoff-date=2025-06-01T00:00:00Z", by_us=False),
        ),
        (
            {CONFIG: "check-interval: 0\n", "var/lib/patchwave/pins/canonical": "setting=\n"},
            Pin(setting="check-interval=0", by_us=True),
        ),
        ({"var/lib/patchwave/pins/canonical": "setting=\n"}, Pin(setting="saved", by_us=True)),
        (
            {"proc/cmdline": "ro canonical_livepatch_mode=no-apply quiet\n"},
            Pin(setting="canonical_livepatch_mode=no-apply", by_us=False),
        ),
        (
            {"var/local/canonical_livepatch_mode": "no-refresh\n"},
            Pin(setting="canonical_livepatch_mode=no-refresh", by_us=False),
        ),
        ({"var/local/canonical_livepatch_mode": "normal\n"}, None),
    ],
)
def test_what_holds_the_client(shell: str, files: Files, pin: Pin | None, tmp_path: Path) -> None:
    """Its settings, its mode, and whether the pin is ours; the client is not asked, and no proxy is told."""
    facts = check(tmp_path, {**prints("json_applied", tmp_path), **files}, shell)
    assert pin == tool(facts).pin
    assert "status --format json\n" == (tmp_path / "calls").read_text()


def test_a_client_that_was_stopped(tmp_path: Path) -> None:
    """A daemon that does not answer because its mode says so is switched off."""
    files = {**client("echo 'connection refused' >&2; exit 1"), "var/local/canonical_livepatch_mode": "stop\n"}
    found = tool(check(tmp_path, files, "dash"))
    assert (ToolState.DISABLED, "stopped by canonical_livepatch_mode=stop") == (found.state, found.detail)


def test_a_check_without_root(tmp_path: Path) -> None:
    """What holds the client cannot be told then; everything else can."""
    files = {**prints("json_applied", tmp_path), CONFIG: "check-interval: 0\n"}
    found = tool(check(tmp_path, files, "dash", become=Become(enabled=False), uid=1000))
    assert (ToolState.READY, "107.2", None) == (found.state, found.level, found.pin)


@every_shell
@pytest.mark.parametrize("program", ["pro", "ua", "ubuntu-advantage"])
def test_a_deep_check(shell: str, program: str, tmp_path: Path) -> None:
    """The subscription is asked about by whichever name its program has; what it says against the tool is its state."""
    pro: Files = {f"stand-ins/{program}": f"#!/bin/sh\ncat {tmp_path}/pro\n", "pro": raw("pro_contract_ended")}
    found = tool(check(tmp_path, {**prints("json_applied", tmp_path), **pro}, shell, deep=True))
    ended = f"the contract of Ubuntu Pro ended on 2025-12-31; {AS_OF_DEEP}"
    assert (ToolState.UNLICENSED, ended) == (found.state, found.detail)
    assert () == (found.deep and found.deep.updates)


@every_shell
def test_a_host_without_the_client(shell: str, tmp_path: Path) -> None:
    """Nothing is run."""
    found = tool(check(tmp_path, {}, shell, deep=True))
    assert (ToolState.ABSENT, None) == (found.state, found.deep)


def test_the_parts_are_found() -> None:
    """Each has its function and its condition."""
    parts = (*Canonical.parts, *Canonical.deep_parts)
    assert PART_NAMES == tuple(part.name for part in parts)
    assert {"has_tool canonical-livepatch"} == {part.when for part in parts}
