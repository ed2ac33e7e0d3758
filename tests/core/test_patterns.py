"""Host patterns select what Ansible's would, and name what they cannot find."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.bounded_regex import compile_bounded
from orchestrator.core.hosts import LeftOutHost
from orchestrator.core.patterns import parse_pattern
from orchestrator.errors import NotFound, PatternInvalid

HOSTS = ("a", "b", "c", "d", "db.example.com", "fe80::1")
GROUPS = {
    "all": HOSTS,
    "ungrouped": ("d",),
    "web": ("b", "a"),
    "prod": ("a", "c"),
    "canary": ("c",),
    "empty": (),
}


def select(text: str) -> tuple[str, ...]:
    return parse_pattern(text).select(HOSTS, GROUPS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", HOSTS),
        ("*", HOSTS),
        ("web", ("b", "a")),
        ("a", ("a",)),
        ("a,b", ("a", "b")),
        ("a, b,", ("a", "b")),
        ("web:prod", ("b", "a", "c")),
        ("web:&prod", ("a",)),
        ("all:!web", ("c", "d", "db.example.com", "fe80::1")),
        ("web:prod:&prod:!canary", ("a",)),
        ("!canary:&prod:web", ("a",)),
        ("!web", ("c", "d", "db.example.com", "fe80::1")),
        ("&prod", ("a", "c")),
        ("web[0]", ("b",)),
        ("web[-1]", ("a",)),
        ("web[0:1]", ("b", "a")),
        ("web[1:]", ("a",)),
        ("all[1:9]", HOSTS[1:]),
        ("~[ab]", ("a", "b")),
        (r"~.*\.example\.com$", ("db.example.com",)),
        ("*.example.com", ("db.example.com",)),
        ("w?b", ("b", "a")),
        ("a*", ("a",)),
        ("fe80::1", ("fe80::1",)),
        ("all,!fe80::1", ("a", "b", "c", "d", "db.example.com")),
        ("empty", ()),
        ("web:&canary", ()),
        ("all:!legacy*", HOSTS),
        ("all:!~legacy", HOSTS),
    ],
)
def test_a_pattern_selects_what_ansible_selects(text: str, expected: tuple[str, ...]) -> None:
    """Names, groups, globs, regular expressions, positions; unions, then intersections, then exclusions."""
    assert expected == select(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("wev", "did you mean web?"),
        ("all:!canari", "did you mean canary?"),
        ("all:&prd", "did you mean prod?"),
        ("x*", "names no host and no group"),
        ("web[2]", "only 2 hosts"),
        ("web[-3]", "only 2 hosts"),
    ],
)
def test_a_term_that_names_nothing_is_an_error(text: str, hint: str) -> None:
    """A typo in an exclusion would patch what was to be left out: it is refused, with the likely name."""
    with pytest.raises(NotFound, match=re.escape(hint)):
        select(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "web:", ":web", "!", "&", "!&web", "a b", "web[1-2]", "web[2:1]", "we[b", "fe80::1:!web", "web::prod"],
)
def test_a_malformed_pattern_is_refused(text: str) -> None:
    """What could be read in two ways is not read at all."""
    with pytest.raises(PatternInvalid):
        parse_pattern(text)


@pytest.mark.parametrize(
    "expression", ["(a+)+b", "(a|a)*b", "(a?){30}b", "a?" * 40, ".*.*.*.*.*x", "(?=a)", r"(a)\1", "(", "x" * 600]
)
def test_an_unbounded_regular_expression_is_refused(expression: str) -> None:
    """One that could take for ever on some name, or that needs more than plain matching."""
    with pytest.raises(PatternInvalid):
        compile_bounded(expression)


@pytest.mark.parametrize(
    "expression",
    [
        r"web\d+\.example\.com",
        r"^(\d{1,3}\.){3}\d{1,3}$",
        "(web|db|app)[0-9]+-.*",
        "(?:ab)+.*?c",
        r"a\+b",
        "[)(]x",
        "a{2}",
    ],
)
def test_everyday_regular_expressions_are_taken(expression: str) -> None:
    """What people write for host names is bounded."""
    assert expression == compile_bounded(expression).pattern


@pytest.mark.timeout(60)
@given(st.text(alphabet="ab(|)*+?.[]{}12\\", max_size=30))
def test_what_is_accepted_comes_to_an_end(expression: str) -> None:
    """No accepted expression is worked at for ever on an unfriendly name, as one that tries all ways would be."""
    try:
        compiled = compile_bounded(expression)
    except PatternInvalid:
        return
    compiled.match("a" * 60 + "!")


TERMS = st.lists(
    st.tuples(st.sampled_from(["", "&", "!"]), st.sampled_from(["web", "prod", "canary", "all", "a", "d", "empty"])),
    min_size=1,
    max_size=6,
)


@given(TERMS, st.randoms())
def test_the_order_of_terms_does_not_matter(terms: list[tuple[str, str]], random) -> None:  # type: ignore[no-untyped-def]
    """Ansible reorders terms by their sign: any order of the same terms selects the same hosts."""
    shuffled = random.sample(terms, len(terms))
    first, second = (",".join(sign + name for sign, name in order) for order in (terms, shuffled))
    assert set(select(first)) == set(select(second))


@given(TERMS)
def test_a_selection_follows_set_algebra(terms: list[tuple[str, str]]) -> None:
    """The union of the plain terms, cut down by each &, without each !; each host once."""

    def named(sign: str) -> list[set[str]]:
        return [set(GROUPS.get(name, (name,))) for each, name in terms if each == sign]

    expected = set().union(*named("")) if named("") else set(HOSTS)
    for narrowed in named("&"):
        expected &= narrowed
    for excluded in named("!"):
        expected -= excluded
    selected = select(",".join(sign + name for sign, name in terms))
    assert expected == set(selected)
    assert len(expected) == len(selected)


LEFT_OUT = (LeftOutHost(name="localhost", why="ansible_connection=local"),)


@pytest.mark.parametrize("text", ["localhost", "local*", "all:&localhost", "~local"])
def test_a_pattern_that_asks_for_a_host_that_was_left_out_says_so(text: str) -> None:
    """With the reason: it is no typo."""
    with pytest.raises(NotFound, match=r"localhost is in the inventory, but not .* \(ansible_connection=local\)"):
        parse_pattern(text).select(HOSTS, GROUPS, LEFT_OUT)


def test_a_host_that_was_left_out_may_be_taken_away() -> None:
    """As playbooks say it that were written for Ansible."""
    assert select("all") == parse_pattern("all:!localhost").select(HOSTS, GROUPS, LEFT_OUT)
