"""The answer of a check, taken out of its frame: sections that came whole, and only those."""

import re

from orchestrator.core.model import Frozen
from orchestrator.errors import AnswerGarbled, SessionBroken, ShellUnusable
from orchestrator.ports.ssh import Completed
from orchestrator.probe.text import clean

INCOMPLETE = "answer_incomplete"
"""Why something is unknown: its section, or the end of the answer, did not arrive."""

_NOT_RUN = re.compile(rb"currently not available|nologin|not found|permission denied|no such file", re.IGNORECASE)
_FRAME_LINE = re.compile(
    rb"\nPATCHWAVE (?P<nonce>[A-Za-z0-9]{1,64}) (?:(?P<kind>begin|root|done)"
    rb"|section (?P<opens>[a-z][a-z0-9_]{0,39})|err (?P<err>[0-9]{1,3})"
    rb"|end (?P<closes>[a-z][a-z0-9_]{0,39}) (?P<status>[0-9]{1,3}|too_large|absent) (?P<count>[0-9]{1,9}))(?=\n)"
)
"""A line of the frame, anybody's: which are ours tells the nonce. A match ends before the newline that the next one
begins with, so that a forged line hides no true one. Its first bytes are plain: they are what is searched for."""

_CONTINUATION = bytes(range(0x80, 0xC0))
"""Bytes of UTF-8 that begin no character."""


class Section(Frozen):
    """One section that came whole. ``exit_status`` None: its body was left out by the host, because it was too large,
    or because what it is about is not there.

    ``absent`` (what it is about is not there) and ``stderr`` (bounded, printable) are for sections of `ProbePart`s
    only.
    """

    name: str
    body: bytes
    exit_status: int | None
    absent: bool = False
    stderr: str = ""

    @property
    def text(self) -> str:
        """The body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", "replace")


class Answer(Frozen):
    """``sections`` that came whole, by name; ``complete``: the end marker came, too; ``root``: the root part began."""

    sections: dict[str, Section]
    complete: bool
    root: bool
    stderr: str


def read_answer(completed: Completed, *, nonce: str) -> Answer:
    """Take the answer apart. Pure.

    Raises `ShellUnusable` when the login shell clearly did not run our script, `AnswerGarbled` when there is no trace
    of our frame for any other reason. Everything else is an `Answer`, however little of it came.
    """
    data = b"\n" + completed.stdout
    frames = [line for line in _FRAME_LINE.finditer(data) if line["nonce"] == nonce.encode()]
    if not frames:
        raise _no_frame(completed)
    kinds = [frame["kind"] for frame in frames]
    return Answer(
        sections=_sections(data, frames),
        complete=b"done" in kinds,
        root=b"root" in kinds,
        stderr=clean(completed.stderr, 2000),
    )


def _sections(data: bytes, frames: list[re.Match[bytes]]) -> dict[str, Section]:
    found: dict[str, Section | None] = {}
    for at, frame in enumerate(frames):
        if frame["opens"] is None:
            continue
        name = frame["opens"].decode()
        # A section that comes twice was forged or repeated: neither is believed.
        found[name] = None if name in found else _section(data, frame, frames[at + 1 : at + 3])
    return {name: section for name, section in found.items() if section is not None}


def _section(data: bytes, opens: re.Match[bytes], after: list[re.Match[bytes]]) -> Section | None:
    errors = after.pop(0) if after and after[0]["err"] is not None else None
    closes = after[0] if after else None
    if closes is None or closes["closes"] != opens["opens"]:
        return None
    body = data[opens.end() + 1 : closes.start()]
    if not _has_length(body, int(closes["count"])):
        return None
    if closes["status"] == b"absent":
        # Nothing was run: a body beside it is none of ours.
        return Section(name=opens["opens"].decode(), body=b"", exit_status=None, absent=True) if not body else None
    status = None if closes["status"] == b"too_large" else int(closes["status"])
    stderr = ""
    if errors is not None and status is not None:
        body, stderr = data[opens.end() + 1 : errors.start()], clean(data[errors.end() + 1 : closes.start()], 2000)
        status = int(errors["err"])
    return Section(name=opens["opens"].decode(), body=body, exit_status=status, stderr=stderr)


def _has_length(body: bytes, count: int) -> bool:
    """``${#text}`` counts bytes; busybox built with Unicode support counts UTF-8 characters even in the C locale."""
    return count in (len(body), len(body.translate(None, _CONTINUATION)))


def _no_frame(completed: Completed) -> SessionBroken:
    said = clean(completed.stderr, 200) or clean(completed.stdout, 200) or "nothing"
    silent_refusal = completed.exit_status == 1 and not completed.stdout and not completed.stderr
    if (
        completed.exit_status in (126, 127)
        or silent_refusal
        or _NOT_RUN.search(completed.stdout[:2000] + completed.stderr[:2000])
    ):
        return ShellUnusable(
            f"the login shell did not run `sh` (exit {completed.exit_status}, it said: {said}); "
            "give the account a POSIX shell and no forced command"
        )
    return AnswerGarbled(f"the answer has no trace of our script (exit {completed.exit_status}, it said: {said})")
