"""What tells one state of a host from another."""

from orchestrator.core.facts import Deep, Facts, OutdatedProcess, PatchState, Tool, ToolState, UserspacePatch


def facts(*, carry: int, run_old: int, library: str = "libc.so.6") -> Facts:
    """A host where so many processes carry a patch, and so many run an old library."""
    old = OutdatedProcess(command="sshd", libraries=(library,), count=run_old)
    return Facts(
        tools=(
            Tool(name="kernelcare", state=ToolState.ABSENT),
            Tool(name="userspace", state=ToolState.READY, deep=Deep(outdated=(old,))),
        ),
        userspace_patches=(
            UserspacePatch(tool="libcare", target="libz.so.1", state=PatchState.APPLIED, processes=carry),
        ),
    )


def test_how_many_processes_there_are_is_no_state_of_the_host() -> None:
    """They come and go from look to look; which programs and libraries they are counts."""
    one = facts(carry=3, run_old=4)
    assert one.content_hash() == facts(carry=30, run_old=40).content_hash()
    assert one.content_hash() != facts(carry=3, run_old=4, library="libz.so.1").content_hash()


def test_words_that_nobody_understood_split_no_sighting() -> None:
    """Times may stand in them."""
    first, second = (
        Facts(tools=(Tool(name="canonical", state=ToolState.ERROR, detail=f"checked at {minute}"),))
        for minute in (1, 2)
    )

    assert first.content_hash() == second.content_hash()
