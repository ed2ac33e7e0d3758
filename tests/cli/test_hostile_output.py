"""What a host says is shown, and nothing of it is obeyed: no escape sequence, no markup, no forged line."""

import re
from collections.abc import Iterator

import pytest

from orchestrator.cli.output import json_text, print_json_rows, safe
from orchestrator.core.facts import Facts, Kernel, LivePatch, Os, PatchState
from tests.cli.terminal import Terminal

EVIL = "\x1b[2J\x9b31m[red]owned[/red][link=http://x]\u202e\nweb2: covered\r"
RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

HOSTILE = Facts(
    os=Os(id=EVIL, version=EVIL),
    kernel=Kernel(running=EVIL, build_id="aa" * 20, package_version=EVIL),
    boot_id=EVIL,
    live_patches=(LivePatch(tool="klp", name=EVIL, state=PatchState.APPLIED),),
    unknown={"taints": EVIL},
)


@pytest.mark.parametrize(
    "command", [("hosts", "list"), ("hosts", "show", "web1"), ("check", "web1", "--stored"), ("exposure", "list")]
)
def test_nothing_raw_reaches_the_terminal(terminal: Terminal, command: tuple[str, ...]) -> None:
    """Neither as text nor as JSON, where it is escaped and still the same value."""
    terminal.initialised()
    terminal.run("hosts", "list")
    terminal.saw(HOSTILE)

    plain, as_json = terminal.run(*command), terminal.run(*command, "--json")

    assert [] == RAW.findall(plain.out + plain.err + as_json.out)
    assert not [line for line in plain.out.splitlines() if line.startswith("web2: covered")]
    assert isinstance(as_json.json, dict)


def test_markup_is_shown_as_it_is_written(terminal: Terminal) -> None:
    """Square brackets of a host are text."""
    terminal.initialised()
    terminal.run("hosts", "list")
    terminal.saw(HOSTILE)
    assert "[red]owned[/red]" in terminal.run("hosts", "show", "web1").out.replace("\n", "")


def test_json_keeps_the_value(terminal: Terminal) -> None:
    """Escaped on the way, not changed."""
    terminal.initialised()
    terminal.run("hosts", "list")
    terminal.saw(HOSTILE.model_copy(update={"boot_id": "\x9b31m\u202ex"}))
    assert "\x9b31m\u202ex" == terminal.run("hosts", "show", "web1", "--json").json["boot_id"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb\r\n\tc", "a b c"), ("\x1b[0m", "�[0m"), ("\udc80", "�"), ("[bold]", "\\[bold]"), (None, ""), (3, "3")],
)
def test_safe_text(text: object, shown: str) -> None:
    """One line, without control characters and without markup."""
    assert shown == safe(text)


@pytest.mark.parametrize("rows", [[], [{}], [{"a": [1, {"b": EVIL}], EVIL: None}, [], {"a\nb": "\n    "}, 3]])
def test_rows_are_one_document(capsys: pytest.CaptureFixture[str], rows: list[object]) -> None:
    """To the byte what they are when they are written together, also without any."""
    print_json_rows("rows", iter(rows))
    assert json_text({"rows": rows}) + "\n" == capsys.readouterr().out


def test_rows_are_written_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    """None of them waits for the others; and nothing is written where there is no first one."""
    written = []

    def rows(most: int) -> Iterator[int]:
        for number in range(most):
            written.append(capsys.readouterr().out)
            yield number
        raise ValueError

    for most in (0, 3):
        with pytest.raises(ValueError, match=r"^$"):
            print_json_rows("rows", rows(most))
    assert ["", '{\n  "rows": [\n    0', ",\n    1"] == written
    assert ",\n    2" == capsys.readouterr().out
