"""Regular expressions from users, compiled only where matching one name cannot take for ever.

Python's engine backtracks: ``(a+)+b`` takes exponential time. What is accepted: literals, ``.``, classes, escapes,
anchors, groups, alternation, and quantifiers that do not nest. Every choice multiplies the ways in which a name can
be tried; their product is bounded, which leaves room for three ``.*`` and a few alternatives, but not for an attack.
"""

import re
import warnings
from dataclasses import dataclass

from orchestrator.errors import PatternInvalid

MAX_LENGTH = 500

MAX_WAYS = 4_000_000
"""Backtracking steps for one name, in the worst case: well under a second."""

_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<klass>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\((?:\?(?::|P<\w+>)?)?)"
    r"|(?P<close>\))|(?P<bar>\|)|(?P<repeat>[*+?]|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\})|(?P<other>.)",
    re.DOTALL,
)

_UNBOUNDED = 64
"""A repeat may end at any character of a name; few are longer than this."""


@dataclass
class _Group:
    """What stands inside one pair of parentheses so far.

    ``ways`` is in how many ways it can be tried, ``last`` the same for the piece that a quantifier would repeat.
    """

    ways: int = 1
    branches: int = 1
    last: int = 1

    @property
    def all_ways(self) -> int:
        return min(self.ways * self.branches, MAX_WAYS + 1)

    def add(self, ways: int) -> None:
        self.ways, self.last = min(self.ways * ways, MAX_WAYS + 1), ways


def compile_bounded(expression: str) -> re.Pattern[str]:
    """Compile it. Raises `PatternInvalid` for what is not a regular expression or is not bounded."""
    if len(expression) > MAX_LENGTH:
        raise PatternInvalid(f"a regular expression of {len(expression)} characters; at most {MAX_LENGTH} are read")
    try:
        with warnings.catch_warnings():
            # "[[" and its like may mean something else to a later Python; a warning helps nobody here.
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as exc:
        raise PatternInvalid(f"~{expression}: not a regular expression: {exc}") from exc
    if _ways(expression) > MAX_WAYS:
        raise PatternInvalid(
            f"~{expression}: too many repeats and alternatives in one expression; split it with commas"
        )
    return compiled


def _ways(expression: str) -> int:
    """In how many ways the expression can be tried against a name, in the worst case."""
    stack, before = [_Group()], ""
    for token in _TOKEN.finditer(expression):
        kind = token.lastgroup if token["repeat"] is None else "repeat"
        if kind == "repeat" and before == "repeat":
            before = ""  # only says how the quantifier before it is tried: .*? or .*+
            continue
        _step(expression, token, kind or "other", stack)
        before = kind or "other"
    return stack[0].all_ways


def _step(expression: str, token: re.Match[str], kind: str, stack: list[_Group]) -> None:
    if kind == "open":
        if token["open"] == "(?":
            raise PatternInvalid(f"~{expression}: (?…) is not supported; groups are (…) or (?:…)")
        stack.append(_Group())
    elif kind == "close":
        closed = stack.pop()
        stack[-1].add(closed.all_ways)
    elif kind == "bar":
        stack[-1].branches += 1
    elif kind == "repeat":
        _repeat(expression, token, stack[-1])
    elif kind == "escape" and token.group()[1].isdigit():
        raise PatternInvalid(f"~{expression}: references to groups are not supported")
    else:
        stack[-1].add(1)


def _repeat(expression: str, token: re.Match[str], group: _Group) -> None:
    least, most = _bounds(token)
    if most is None:
        if group.last > 1:
            raise PatternInvalid(
                f"~{expression}: a repeated group may not hold repeats, options or alternatives: it can take for ever"
            )
        group.add(_UNBOUNDED)
    else:
        # The piece itself is counted once already.
        group.add(min(group.last ** max(most - 1, 0) * (most - least + 1), MAX_WAYS + 1))


def _bounds(token: re.Match[str]) -> tuple[int, int | None]:
    simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
    if (bounds := simple.get(token["repeat"])) is not None:
        return bounds
    least = int(token["least"] or 0)
    if not token["comma"]:
        return least, least
    return least, int(token["most"]) if token["most"] else None
