"""`core.playbooks` and `playbook_files`: every mistake is refused where it stands; every default is the safe one."""

from pathlib import Path

import pytest

from orchestrator.core.playbooks import Playbook, settings
from orchestrator.errors import PlaybookInvalid
from orchestrator.playbook_files import load_playbook, parse_playbook

HEAD = "apiVersion: patchwave/v1\nkind: Playbook\nname: p\napply: {patch: LAB-0001}\n"


def test_the_defaults_are_safe() -> None:
    """One canary per build, three waves, no budget, a soak, limits, and nothing is undone unasked."""
    playbook = parse_playbook(HEAD, "p.yml")
    assert {
        "targets.hosts": "all",
        "targets.labels": {},
        "apply.tool": "auto",
        "apply.persist": False,
        "strategy.canary.per_kernel": 1,
        "strategy.waves": ["10%", "50%", "100%"],
        "strategy.max_in_flight": 50,
        "strategy.per_site": 10,
        "budget.per_wave": 0,
        "budget.total": 0,
        "limits.transition": "90s",
        "limits.host": "10m",
        "limits.rollout": "7d",
        "soak": "5m",
        "gates": [{"host_health": {}}],
        "on_failure": "stop",
    } == {setting.field: setting.value for setting in settings(playbook) if setting.is_default}


def test_a_playbook_survives_json() -> None:
    """A frozen plan carries its playbook through the database."""
    playbook = parse_playbook(HEAD + "soak: 90s\ntargets: {exposed_to: {severity: [high]}}\n", "p.yml")
    assert playbook == Playbook.model_validate_json(playbook.model_dump_json())


def test_another_patch_changes_nothing_else() -> None:
    """``--patch`` replaces the patch and keeps the rest, also what is a default."""
    playbook = parse_playbook(HEAD + "soak: 1m\n", "p.yml")
    other = playbook.with_patch("LAB-0002")
    assert ("LAB-0002", playbook.soak, playbook.budget) == (other.apply.patch, other.soak, other.budget)
    expected = [setting for setting in settings(playbook) if setting.field != "apply.patch"]
    assert expected == [setting for setting in settings(other) if setting.field != "apply.patch"]


@pytest.mark.parametrize(
    ("given", "per_wave", "total"),
    [("{per_wave: 1}", 1, 1), ('{total: "2%"}', "2%", "2%"), ("{per_wave: 1, total: 3}", 1, 3), ("{}", 0, 0)],
)
def test_one_budget_given_alone_stands_for_both(given: str, per_wave: int | str, total: int | str) -> None:
    """Otherwise the other one's default of zero would silently take it back."""
    budget = parse_playbook(HEAD + f"budget: {given}\n", "p.yml").budget
    assert (per_wave, total) == (budget.per_wave, budget.total)


@pytest.mark.parametrize(
    ("more", "line", "field", "message"),
    [
        ("budgets: {}", 5, "budgets", "did you mean 'budget'?"),
        ("strategy:\n  max_inflight: 3", 6, "strategy.max_inflight", "did you mean 'max_in_flight'?"),
        ("zzz: 1", 5, "zzz", "there is no such field"),
        ("windows: []", 5, "windows", "not supported by this version"),
        ("approval: {before: waves}", 5, "approval", "not supported by this version"),
        ("notify: [oncall]", 5, "notify", "not supported by this version"),
        ("gates:\n  - host_health: {}\n  - prometheus: {}", 7, "gates.1.prometheus", "not supported by this version"),
        ("targets: {exposed_to: {kev: true}}", 5, "targets.exposed_to.kev", "not supported by this version"),
        ("targets:\n  exposed_to:\n    - nonsense", 7, "targets.exposed_to.0", "pattern"),
        ("targets: {exposed_to: CVE-2099-0001}", 5, "targets.exposed_to", "tuple"),
        ("soak: 5", 5, "soak", "write 90s, 5m, 1h or 7d"),
        ("limits: {transition: 11m}", 5, "limits", "must not shrink"),
        ("limits: {transition: 0s}", 5, "limits", "longer than 0s"),
        ('strategy: {waves: ["50%"]}', 5, "strategy.waves", "last wave"),
        ('strategy: {waves: ["50%", "10%", "100%"]}', 5, "strategy.waves", "cumulative"),
        ('strategy: {waves: ["101%"]}', 5, "strategy.waves.0", "percentage"),
        ("strategy: {canary: {count: 1, per_kernel: 1}}", 5, "strategy.canary", "exactly one"),
        ("strategy: {canary: {percent: 5}}", 5, "strategy.canary.percent", "5%"),
        ("strategy: {max_in_flight: 0}", 5, "strategy.max_in_flight", "greater"),
        ("gates: []", 5, "gates", "at least 1"),
        ("budget: {total: true}", 5, "budget.", "neither a count"),
        ("on_failure: pray", 5, "on_failure", "'stop'"),
        ("soak: 5m\nsoak: 6m", 6, "", "twice"),
        ("kind: [", 6, "", "not valid YAML"),
    ],
)
def test_every_mistake_names_file_line_and_field(more: str, line: int, field: str, message: str) -> None:
    """Nothing is ignored, and the message says what to write."""
    with pytest.raises(PlaybookInvalid) as caught:
        parse_playbook(HEAD + more + "\n", "p.yml")
    error = caught.value
    assert ("p.yml", line) == (error.file, error.line)
    assert (error.field or "").startswith(field)
    assert message in error.message


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "apiVersion: patchwave/v2\nkind: Playbook\nname: p\napply: {}\n"]
)
def test_what_is_no_playbook_is_refused(text: str) -> None:
    """An empty file, a list, another format."""
    with pytest.raises(PlaybookInvalid):
        parse_playbook(text, "p.yml")


def test_every_shipped_playbook_is_valid() -> None:
    """Each is named as its file. The one that the README starts with names a patch of the lab."""
    files = sorted((Path(__file__).parents[2] / "playbooks").glob("*.yml"))
    shipped = {file.stem: load_playbook(file) for file in files}
    assert ({name: name for name in shipped}, "LAB-0001", None) == (
        {name: book.name for name, book in shipped.items()},
        shipped["kernel-livepatch"].apply.patch,
        shipped["own-tools"].apply.patch,
    )
