"""What is left out of a file, counted."""

from orchestrator.feeds.skipped import Skipped


def test_what_is_left_out_is_counted_by_kind() -> None:
    """And by name, where one was given."""
    skipped = Skipped()
    for _ in range(3):
        skipped.add("no CVE id")
    skipped.add("unknown release", "hamm")
    assert skipped.counts == {"no CVE id": 3, "unknown release: hamm": 1}


def test_names_are_bounded() -> None:
    """A hostile file has as many names as it likes: the first ones are named, the others counted together."""
    skipped = Skipped()
    for number in range(1_000):
        skipped.add("other ecosystem", f"ecosystem {number:04}")
    assert len(skipped.counts) == 21
    assert skipped.counts["other ecosystem: others"] == 980
