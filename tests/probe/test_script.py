"""The script of a check, and the command that carries it."""

import re
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from orchestrator.core.hosts import Become
from orchestrator.probe import ACCOUNT_SECTIONS, ROOT_SECTIONS, ProbePart, check_command, compose
from orchestrator.probe.sudo import sudo_replies
from tests.needs import require
from tests.probe.machines import NONCE, SHELLS, shell_argv

PIECES = sorted((Path(__file__).parents[2] / "orchestrator" / "probe").glob("*.sh"))
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "check.md"


def test_one_call_on_the_last_line() -> None:
    """Functions, and one call on the last line, with the exit beside it: the shell reads nothing after it."""
    script = compose()
    assert script.splitlines()[-1] == 'main "$@"; exit "$?"'
    assert script.endswith("\n")
    start = script.index("define_root_part() {")
    plain = script[:start] + script[script.index("\n'\n}\n", start) + 5 :]
    outside = re.sub(r"^\w+\(\) \{\n.*?^\}$", "", plain, flags=re.DOTALL | re.MULTILINE)
    statements = [line for line in outside.splitlines() if line and not line.startswith("#")]
    assert ['main "$@"; exit "$?"'] == statements


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_reads_it(shell: str) -> None:
    """Each shell finds no fault in the script, a backend's parts with every quote in them included."""
    parts = [
        ProbePart(name="plain", script="plain() { echo 'a' \"b\" \\c; }"),
        ProbePart(name="asked", script="asked() { :; }", when='has_tool "a" || [ -e "${root}/b" ] && ! has_tool c'),
        ProbePart(name="rooted", script="rooted() { echo 'it'\\''s' \"$(echo \"$nonce\")\"; }", needs_root=True),
    ]
    done = subprocess.run(
        [*shell_argv(shell), "-n"], input=compose(parts).encode(), capture_output=True, timeout=60, check=False
    )
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("piece", PIECES, ids=lambda path: path.name)
def test_pieces_only_define_functions(piece: Path) -> None:
    """A piece does nothing at its top level but define functions."""
    outside = re.sub(r"^\w+\(\) \{\n.*?^\}$", "", piece.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert [] == [line for line in outside.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("piece", PIECES, ids=lambda path: path.name)
def test_pieces_pass_shellcheck(piece: Path) -> None:
    """Each by itself, with the reasons beside what it is allowed. SC2317: it is called by other pieces."""
    done = subprocess.run(
        [require("shellcheck"), "-s", "sh", "-e", "SC2317", str(piece)], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stdout)


def test_the_script_is_a_constant() -> None:
    """The same parts give the same text; nothing that varies is in it."""
    sent = check_command(nonce=NONCE, become=Become(password=SecretStr("s3cret")), known_packages="abc")
    assert compose().encode() == sent.stdin
    assert b"s3cret" not in sent.stdin
    assert NONCE.encode() not in sent.stdin
    assert compose() is compose(())


def test_the_password_waits_for_a_prompt_that_only_sudo_prints() -> None:
    """Neither the script nor its arguments hold the prompt: a shell that echoes them is not sent the password."""
    become = Become(password=SecretStr("x"))
    sent = check_command(nonce=NONCE, become=become, known_packages=None)
    assert ("sh", "-s", "--", NONCE, "password", "-") == sent.argv
    assert sudo_replies(become, NONCE) == sent.replies
    assert sent.replies[0].marker not in sent.stdin + " ".join(sent.argv).encode()


@pytest.mark.parametrize("nonce", ["", "short", "a" * 65, "0123456789abcdef;reboot", "0123456789abcdef\n"])
def test_odd_nonces_are_refused(nonce: str) -> None:
    """A nonce that could mean something to a shell or to a pattern is a mistake of ours."""
    with pytest.raises(ValueError, match="nonce"):
        check_command(nonce=nonce, become=Become(), known_packages=None)


def test_sections_do_not_share_names() -> None:
    """Two parts of one name, or one named like a section of ours, are refused."""
    part = ProbePart(name="tool", script="tool() { :; }")
    with pytest.raises(ValueError, match="tool"):
        compose([part, part])
    with pytest.raises(ValueError, match="livepatch"):
        compose([ProbePart(name="livepatch", script="livepatch() { :; }")])


@pytest.mark.parametrize("name", ["", "Tool", "a b", "x;reboot", "a\n", "9x"])
def test_part_names_are_shell_names(name: str) -> None:
    """A part is named as a shell function can be."""
    with pytest.raises(ValidationError):
        ProbePart(name=name, script="")


@pytest.mark.parametrize(
    "when", ["", "has_tool $(ls)", "has_tool `ls`", "ls | grep x", "ls; true", "ls & true", "true\nls", "[ -e $'x' ]"]
)
def test_conditions_start_no_process(when: str) -> None:
    """The condition of a part is one line, without substitution, pipe or second command."""
    with pytest.raises(ValidationError):
        ProbePart(name="part", script="", when=when)


def test_the_reference_names_every_section() -> None:
    """docs/reference/check.md has a row for each section, and for no other."""
    documented = re.findall(r"^\| `([a-z_]+)` \|", DOCS.read_text(), re.MULTILINE)
    assert [*ACCOUNT_SECTIONS, *ROOT_SECTIONS] == documented
