"""What is true of every feed: a good file is taken in; a spoiled one changes nothing and says where it is spoiled."""

import importlib
import random
import re
from collections.abc import Callable, Generator, Iterator
from itertools import permutations
from pathlib import Path

import pytest

from orchestrator.core.advisories import Entry, Likelihood
from orchestrator.errors import FeedInvalid
from orchestrator.feeds.registry import FEEDS, LIKELIHOODS
from orchestrator.ports.advisories import FeedFile
from orchestrator.services.import_advisories import FeedState
from tests.feeds.conftest import Desk
from tests.feeds.feed_case import FeedCase, Pointer

NAMES = sorted([*FEEDS, *LIKELIHOODS])
ODD: tuple[object, ...] = (None, True, 1, 1.5, "", "x", [], {}, [[]], [{}], {"x": {}}, -(2**62), "\ud800", "\x00")
ABSURD = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2099-13-45", "soon", "", 12345678901234, "+262143-01-01")
MOST_CUTS, MOST_LONG, MOST_ODD = 100, 3, 300


def _case(name: str) -> FeedCase:
    module = importlib.import_module(f"tests.feeds.cases.{name.replace('-', '_')}")
    case = module.CASE
    assert isinstance(case, FeedCase)
    return case


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest) -> FeedCase:
    """Each feed's; a feed without one fails."""
    return _case(request.param)


@pytest.fixture(params=[name for name in NAMES if _case(name).document is not None])
def json_case(request: pytest.FixtureRequest) -> FeedCase:
    """Those that are JSON, or hold it."""
    return _case(request.param)


def _reads(file: FeedFile) -> Generator[Entry | Likelihood, None, None]:
    name = file.feed.partition("/")[0]
    yield from LIKELIHOODS[name].likelihoods(file) if name in LIKELIHOODS else FEEDS[name].entries(file)


def _is_refused(desk: Desk, case: FeedCase, content: bytes) -> bool:
    """Whether the file is refused, at its door or in the middle, with a place; and nothing has changed then."""
    before, told = desk.said(), len(desk.changes)
    error = _error(desk, case, content)
    if error is None:
        return False
    assert isinstance(error, FeedInvalid), error
    assert error.file is not None
    assert (before, told) == (desk.said(), len(desk.changes))
    return True


def _error(desk: Desk, case: FeedCase, content: bytes) -> Exception | None:
    try:
        return desk.brings(case.name, content).error
    except FeedInvalid as exc:
        return exc


def test_a_good_file_says_what_it_says(desk: Desk, case: FeedCase) -> None:
    """Recognised as its feed's and no other's, and read entry by entry."""
    file = desk.take.recognise(desk.write(case.name, case.content))
    assert case.part == file.feed
    assert case.says == tuple(_reads(file))


def test_a_good_file_is_taken_in(desk: Desk, case: FeedCase) -> None:
    """It is imported whole, and who is concerned is told of it once; scores concern nobody's exposure."""
    result = desk.brings(case.name, case.content)
    assert (None, FeedState.IMPORTED) == (result.error, result.state)
    assert len({one.id if isinstance(one, Entry) else one.cve for one in case.says}) == result.imported.added
    assert ([] if case.feed in LIKELIHOODS else [result.imported]) == desk.changes


def test_the_same_again_changes_nothing(desk: Desk, case: FeedCase) -> None:
    """The second time everything is unchanged, and nobody is told."""
    first = desk.brings(case.name, case.content)
    known, told = desk.said(), len(desk.changes)
    again = desk.brings(case.name, case.content)
    assert (0, 0, 0, first.imported.added) == (
        again.imported.added,
        again.imported.changed,
        again.imported.withdrawn,
        again.imported.unchanged,
    )
    assert (known, told) == (desk.said(), len(desk.changes))


def test_a_file_that_ends_too_early_changes_nothing(desk: Desk, case: FeedCase) -> None:
    """Wherever it was cut, after another state of the feed or before anything."""
    desk.brings(case.name, case.content)
    cuts = range(len(case.content.rstrip()))
    for cut in cuts if len(cuts) <= MOST_CUTS else sorted(random.Random(1).sample(cuts, MOST_CUTS)):
        assert _is_refused(desk, case, case.content[:cut]), cut


def test_rubbish_is_refused(desk: Desk, case: FeedCase) -> None:
    """An empty file, zeros, random bytes, a web page, and each of them where the rest of a good file should be."""
    half = case.content[: len(case.content) // 2]
    for rubbish in (b"", b"\x00" * 512, random.Random(2).randbytes(2048), b"<html><body>Log in</body></html>\n"):
        assert _is_refused(desk, case, rubbish)
        assert _is_refused(desk, case, half + rubbish)


def test_an_id_that_comes_twice_is_refused(desk: Desk, case: FeedCase) -> None:
    """Nobody can tell which of the two is meant."""
    if case.twice is not None:
        desk.brings(case.name, case.content)
        assert _is_refused(desk, case, case.twice)


def test_an_interrupted_import_changes_nothing(desk: Desk, case: FeedCase) -> None:
    """Whatever is raised in the middle is raised, and the same import works afterwards."""

    class Interrupted(Exception):
        pass

    file = desk.take.recognise(desk.write(case.name, case.content))
    before = desk.said()

    def broken() -> Iterator[Entry | Likelihood]:
        yield from tuple(_reads(file))[:1]
        raise Interrupted

    class Broken:
        name = case.feed
        recognise = staticmethod(lambda _path: file)
        entries = likelihoods = staticmethod(lambda _file: broken())

    feeds, scores = desk.take.feeds, desk.take.scores
    spoiled = type(desk.take)(
        feeds={**feeds, case.feed: Broken} if case.feed in feeds else feeds,  # type: ignore[dict-item]
        scores={**scores, case.feed: Broken} if case.feed in scores else scores,  # type: ignore[dict-item]
        store=desk.store.feeds,
        clock=desk.clock,
        digest=desk.take.digest,
        on_change=desk.changes.append,
    )
    with pytest.raises(Interrupted):
        spoiled.take_in(file)
    assert before == desk.said()
    assert FeedState.IMPORTED is desk.brings(case.name, case.content).state


def test_values_of_other_types_are_refused_or_of_no_concern(desk: Desk, json_case: FeedCase) -> None:
    """Whatever stands in the place of any value: the file is taken in or refused with its place, and nothing else."""
    anywhere = [(at, odd) for at in json_case.places() for odd in ODD]
    chosen = random.Random(5).sample(anywhere, min(MOST_ODD, len(anywhere)))
    for at, odd in [*chosen, *((at, odd) for at in json_case.needed for odd in ODD)]:
        content = _written(json_case, at, odd)
        if content is not None:
            refused = _is_refused(desk, json_case, content)
            assert refused or at not in json_case.needed or _is_alike(json_case, at, odd), (at, odd)


def test_values_that_are_needed_are_missed(desk: Desk, json_case: FeedCase) -> None:
    """Without one of them the file is refused."""
    for at in json_case.needed:
        if at and isinstance(at[-1], str):
            assert _is_refused(desk, json_case, json_case.without(at)), at


def test_a_text_of_ten_megabytes_is_refused(desk: Desk, json_case: FeedCase) -> None:
    """Wherever it stands; the error names its place and its length."""
    texts = [at for at in json_case.places() if at and isinstance(_value(json_case, at), str)]
    for at in random.Random(3).sample(texts, min(MOST_LONG, len(texts))):
        content = json_case.with_value(at, "x" * 10_000_000)
        assert _is_refused(desk, json_case, content), at


def test_absurd_dates_are_refused_or_none(desk: Desk, json_case: FeedCase) -> None:
    """No entry comes to have a date before 1990 or after 2099, and nothing breaks."""
    for at in json_case.dates:
        for absurd in ABSURD:
            if _is_refused(desk, json_case, json_case.with_value(at, absurd)):
                continue
            file = desk.take.recognise(desk.folder / json_case.name)
            for entry in _reads(file):
                years = {int(year) for year in _years(entry.model_dump_json())}
                assert not years or (1990 <= min(years) and max(years) <= 2099), (at, absurd)


def test_the_order_of_feeds_does_not_matter(new_desk: Callable[[str], Desk]) -> None:
    """Whoever is taken in first, the same is known in the end."""
    cases = [_case(name) for name in NAMES]
    orders = list(permutations(range(len(cases))))
    known = []
    for number, order in enumerate(random.Random(4).sample(orders, min(4, len(orders)))):
        desk = new_desk(f"desk{number}")
        for index in order:
            desk.write(cases[index].name, cases[index].content)
            desk.take.take_in(desk.take.recognise(desk.folder / cases[index].name))
        known.append(desk.said())
    assert [known[0]] * len(known) == known


def test_what_was_half_read_leaves_nothing_open(desk: Desk, case: FeedCase) -> None:
    """Reading can stop after the first entry; unclosed files would be warned of, which is an error here."""
    entries = _reads(desk.take.recognise(desk.write(case.name, case.content)))
    next(entries)
    entries.close()
    Path(desk.folder / case.name).unlink()


def _written(case: FeedCase, at: Pointer, value: object) -> bytes | None:
    """The file with that value, unless it cannot be written in UTF-8."""
    try:
        return case.with_value(at, value)
    except UnicodeEncodeError:
        return None


def _is_alike(case: FeedCase, at: Pointer, odd: object) -> bool:
    """Whether it is of the same type as what it stands in for."""
    return type(odd) is type(_value(case, at))


def _value(case: FeedCase, at: Pointer) -> object:
    found = case.document
    for step in at:
        found = found[step]
    return found


def _years(text: str) -> Iterator[str]:
    """Of what looks like a date; CVE ids do not."""
    yield from re.findall(r'"([0-9]{4,})-[0-9]{2}-[0-9]{2}', text)
