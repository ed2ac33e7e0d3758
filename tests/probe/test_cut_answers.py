"""Whatever is cut off, flipped or made up: the result is never more patched than the whole answer says."""

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.facts import Facts, PatchState
from orchestrator.errors import AnswerGarbled, SessionBroken, ShellUnusable
from orchestrator.ports.ssh import Completed
from orchestrator.probe import parse_check
from tests.probe.machines import ALPINE, DEBIAN, FINISHED, NONCE, RHEL, STARTED, build, command, patch, read, run, task

MACHINES = {
    "patched": {**DEBIAN, **patch("livepatch_a"), **patch("livepatch_b", build_id="cc" * 20)},
    "half-patched": {
        **RHEL,
        **patch("livepatch_a"),
        **patch("livepatch_b", transition="1"),
        **task(7, "0"),
        "run/reboot-required": "",
    },
    "reverting": {**ALPINE, **patch("livepatch_a", enabled="0", transition="1"), **task(7, "1")},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What each machine answers, whole."""
    return {
        name: run(command(), build(tmp_path_factory.mktemp(name), files)).stdout for name, files in MACHINES.items()
    }


def facts_or_nothing(stdout: bytes, stderr: bytes = b"", exit_status: int | None = 0) -> Facts:
    """The facts; none at all when nothing of ours is in the answer."""
    try:
        return read(Completed(exit_status=exit_status, stdout=stdout, stderr=stderr))
    except (AnswerGarbled, ShellUnusable):
        return Facts(unknown={"live_patches": "answer_garbled", "answer": "answer_garbled"})


def claims_no_more(part: Facts, whole: Facts) -> bool:
    """Everything that the part says, the whole says; what it does not say, it calls unknown."""
    applied = {each.name for each in part.live_patches if each.state is PatchState.APPLIED}
    all_applied = {each.name for each in whole.live_patches if each.state is PatchState.APPLIED}
    fields = (
        "os", "arch", "boot_id", "machine_id", "product_uuid", "taints", "lockdown", "secure_boot",
        "module_signatures_enforced", "livepatch_supported", "virtualization", "reboot_required", "packages",
    )  # fmt: skip
    return (
        applied <= all_applied
        and ({each.name for each in whole.live_patches} == {each.name for each in part.live_patches})
        | ("live_patches" in part.unknown)
        and all(getattr(part, field) in (None, getattr(whole, field)) for field in fields)
        and (part.kernel is None or whole.kernel is None or part.kernel.running == whole.kernel.running)
        and ("answer" in part.unknown or part.unknown == whole.unknown)
    )


@pytest.mark.parametrize("name", MACHINES)
def test_cut_at_every_byte(name: str, answers: dict[str, bytes]) -> None:
    """Cut after every byte, the answer claims nothing that the whole does not, and says that it is incomplete."""
    whole = facts_or_nothing(answers[name])
    worse = [
        cut for cut in range(len(answers[name])) if not claims_no_more(facts_or_nothing(answers[name][:cut]), whole)
    ]
    assert [] == worse


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_lost_in_the_middle(data: st.DataObject, answers: dict[str, bytes]) -> None:
    """A run of bytes lost anywhere makes its sections unknown; it never makes a patch applied that was not."""
    name = data.draw(st.sampled_from(sorted(MACHINES)))
    raw = answers[name]
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, len(raw)))
    part, whole = facts_or_nothing(raw[:start] + raw[end:]), facts_or_nothing(raw)
    applied = {each.name for each in whole.live_patches if each.state is PatchState.APPLIED}
    assert {each.name for each in part.live_patches if each.state is PatchState.APPLIED} <= applied


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_flipped_bytes(data: st.DataObject, answers: dict[str, bytes]) -> None:
    """Flipped and inserted bytes give facts or a named error, nothing else; no control character gets through."""
    raw = bytearray(answers[data.draw(st.sampled_from(sorted(MACHINES)))])
    for at in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=30)):
        raw[at] = data.draw(st.integers(0, 255))
    at = data.draw(st.integers(0, len(raw)))
    raw[at:at] = data.draw(st.binary(max_size=60))
    facts = facts_or_nothing(bytes(raw), stderr=data.draw(st.binary(max_size=60)))
    assert len(facts.content_hash()) == 64
    assert [] == [text for text in _texts(facts.model_dump()) if any(map(_is_control, text))]


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=400), section=st.sampled_from(["os", "kernel", "boot", "livepatch", "kernels", "packages"])
)
def test_any_body(body: bytes, section: str) -> None:
    """A section with any body at all, well framed, gives facts: a host may say what it likes."""
    frame = b"\nPATCHWAVE %s " % NONCE.encode()
    stdout = b"%sbegin\n%ssection %s\n%s%send %s 0 %d\n%sdone\n" % (
        frame, frame, section.encode(), body, frame, section.encode(), len(body), frame,
    )  # fmt: skip
    facts = facts_or_nothing(stdout)
    assert len(facts.content_hash()) == 64
    assert [] == [text for text in _texts(facts.model_dump()) if any(map(_is_control, text))]


@settings(max_examples=200, deadline=None)
@given(stdout=st.binary(max_size=300), stderr=st.binary(max_size=300), status=st.none() | st.integers(0, 255))
def test_anything_at_all(stdout: bytes, stderr: bytes, status: int | None) -> None:
    """Without a trace of our frame there are no facts, but a named error that quotes nothing unprintable."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(SessionBroken) as caught:
        parse_check(
            Completed(exit_status=status, stdout=stdout, stderr=stderr), nonce=NONCE, started_at=now, finished_at=now
        )
    assert not any(map(_is_control, str(caught.value)))


@pytest.mark.parametrize(
    ("completed", "error"),
    [
        (Completed(exit_status=1, stdout=b"This account is currently not available.\n", stderr=b""), ShellUnusable),
        (Completed(exit_status=127, stdout=b"", stderr=b"sh: not found\n"), ShellUnusable),
        (Completed(exit_status=126, stdout=b"", stderr=b""), ShellUnusable),
        (Completed(exit_status=1, stdout=b"", stderr=b""), ShellUnusable),
        (Completed(exit_status=0, stdout=b"", stderr=b""), AnswerGarbled),
        (Completed(exit_status=0, stdout=b"svn: ready\n", stderr=b""), AnswerGarbled),
        (Completed(exit_status=0, stdout=b"\nPATCHWAVE ffffffffffffffff begin\n", stderr=b""), AnswerGarbled),
    ],
    ids=["nologin", "no-sh", "not-executable", "bin-false", "silent", "forced-command", "other-nonce"],
)
def test_no_frame(completed: Completed, error: type[SessionBroken]) -> None:
    """An answer that is not ours is told from a shell that never ran us."""
    with pytest.raises(error):
        parse_check(completed, nonce=NONCE, started_at=STARTED, finished_at=FINISHED)


def test_noise_around_the_answer(answers: dict[str, bytes]) -> None:
    """What the account's shell prints before and after changes nothing."""
    whole = facts_or_nothing(answers["patched"])
    assert whole == facts_or_nothing(b"Welcome!\nPATCHWAVE\n" + answers["patched"] + b"logout\n")


def test_a_section_that_comes_twice_is_not_believed(answers: dict[str, bytes]) -> None:
    """An answer repeated within the answer is nobody's: its sections are unknown."""
    facts = facts_or_nothing(answers["patched"] + answers["patched"])
    assert ((), "answer_incomplete") == (facts.live_patches, facts.unknown["live_patches"])


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    if isinstance(value, (list, tuple)):
        return [text for each in value for text in _texts(each)]
    return []


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}
