"""Ansible's host patterns: ``web:&prod:!canary``.

As in Ansible, the order of the terms does not matter: plain terms are joined, then every ``&`` narrows, then every
``!`` takes away; without a plain term it starts from ``all``. Stricter than Ansible in one thing: a term that names
nothing is an error and not a warning, because a typo in ``!canary`` would patch what was to be left out. Only a glob
or a regular expression behind ``!`` may match nothing. The groups ``all`` and ``ungrouped`` answer to their names only.
Source: https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html
"""

import difflib
import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import chain

from orchestrator.core.bounded_regex import compile_bounded
from orchestrator.core.hosts import LeftOutHost
from orchestrator.core.model import Frozen
from orchestrator.errors import NotFound, PatternInvalid

MAX_LENGTH = 100_000
"""Of a whole pattern: a list of some thousand names fits."""

MAX_TERMS = 10_000

_BUILT_IN = ("all", "ungrouped")

_PIECES = re.compile(r"(?:[^:\[\]]|\[[^\]]*\])+")
_SUBSCRIPT = re.compile(r"(?P<rest>.+)\[(?:(?P<index>-?[0-9]{1,9})|(?P<first>[0-9]{1,9}):(?P<last>[0-9]{0,9}))\]")
_OLD_SUBSCRIPT = re.compile(r".+\[[0-9]+-[0-9]*\]")

Groups = Mapping[str, Sequence[str]]


class TermKind(StrEnum):
    """What a term does to the selection."""

    UNION = "union"
    """Adds its hosts."""
    INTERSECTION = "intersection"
    """``&``: keeps only its hosts."""
    EXCLUSION = "exclusion"
    """``!``: takes its hosts away."""


_SIGNS = {"&": TermKind.INTERSECTION, "!": TermKind.EXCLUSION}


class Slice(Frozen):
    """``[0]``, ``[-1]``, ``[0:2]`` (both ends included), ``[1:]``."""

    first: int
    last: int | None = None
    single: bool = False

    def of(self, names: Sequence[str]) -> Sequence[str]:
        """The hosts at these positions; a single position that is not there gives none."""
        if not self.single:
            return names[self.first : None if self.last is None else self.last + 1]
        return names[self.first : self.first + 1 or None]


class Term(Frozen):
    """One part of a pattern: a name, a glob (``web*``) or a regular expression (``~web\\d+``), maybe with positions."""

    kind: TermKind
    text: str
    expression: str
    positions: Slice | None = None

    @property
    def is_regex(self) -> bool:
        """``~…``: matched from the start of a name, not necessarily to its end."""
        return self.expression.startswith("~")

    @property
    def is_name(self) -> bool:
        """Neither glob nor regular expression."""
        return not self.is_regex and not any(special in self.expression for special in "*?[")

    @cached_property
    def matches(self) -> Callable[[str], bool]:
        """Whether a host's or group's name answers to the expression. Case matters."""
        if self.is_name:
            return self.expression.__eq__
        found = (
            compile_bounded(self.expression[1:]) if self.is_regex else re.compile(fnmatch.translate(self.expression))
        )
        return lambda name: found.match(name) is not None

    def hosts(self, hosts: Sequence[str], groups: Groups, left_out: Sequence[LeftOutHost] = ()) -> tuple[str, ...]:
        """The hosts this term names, each once, in the inventory's order. Raises `NotFound` when it names nothing."""
        by_group = self._matching_groups(groups)
        own = [] if by_group and self._groups_suffice else [name for name in hosts if self.matches(name)]
        if not by_group and not own:
            return self._nothing(hosts, groups, left_out)
        names = tuple(dict.fromkeys(chain(chain.from_iterable(groups[group] for group in by_group), own)))
        return self._at_positions(names)

    def _matching_groups(self, groups: Groups) -> list[str]:
        if self.is_name:
            return [self.expression] if self.expression in groups else []
        # Or ``a*`` would mean all: Ansible's documentation exempts these two, its code does not.
        return [name for name in groups if (name not in _BUILT_IN or self.expression == "*") and self.matches(name)]

    @property
    def _groups_suffice(self) -> bool:
        # As Ansible does it: a plain name that is a group's is not looked for among the hosts, unless it has a dot.
        return self.is_name and "." not in self.expression

    def _at_positions(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if self.positions is None or not names:
            return names
        chosen = tuple(self.positions.of(names))
        if self.positions.single and not chosen:
            raise NotFound(f"{self.text!r}: {self.expression} has only {len(names)} hosts")
        return chosen

    def _nothing(self, hosts: Sequence[str], groups: Groups, left_out: Sequence[LeftOutHost]) -> tuple[str, ...]:
        if self.expression == "all":
            return tuple(hosts)
        outside = next((one for one in left_out if self.matches(one.name)), None)
        if self.kind is TermKind.EXCLUSION and (outside is not None or not self.is_name):
            return ()
        if outside is not None:
            raise NotFound(
                f"{self.text!r}: {outside.name} is in the inventory, but not in the fleet: it is not reached over SSH"
                f" ({outside.why})"
            )
        close = difflib.get_close_matches(self.expression.lstrip("~"), _sample(hosts, groups), n=3, cutoff=0.6)
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise NotFound(f"{self.text!r} names no host and no group of the inventory{hint}")


class Pattern(Frozen):
    """A parsed host pattern."""

    text: str
    terms: tuple[Term, ...]

    def select(self, hosts: Iterable[str], groups: Groups, left_out: Sequence[LeftOutHost] = ()) -> tuple[str, ...]:
        """The names it selects out of `hosts` (names) and `groups` (name to host names, children's hosts included).

        ``left_out`` are hosts that the inventory has and the fleet has not: terms may take them away, not ask for them.
        In the inventory's order. May be empty: ``web:&prod`` where no host is both. Raises `NotFound` for a term that
        names nothing.
        """
        names = tuple(hosts)
        chosen: dict[str, None] = {}
        if not self._of(TermKind.UNION):
            chosen = dict.fromkeys(groups.get("all", names))
        for term in self._of(TermKind.UNION):
            chosen.update(dict.fromkeys(term.hosts(names, groups, left_out)))
        for term in self._of(TermKind.INTERSECTION):
            kept = set(term.hosts(names, groups, left_out))
            chosen = {name: None for name in chosen if name in kept}
        for term in self._of(TermKind.EXCLUSION):
            for name in term.hosts(names, groups, left_out):
                chosen.pop(name, None)
        return tuple(chosen)

    def _of(self, kind: TermKind) -> list[Term]:
        return [term for term in self.terms if term.kind is kind]


def parse_pattern(text: str) -> Pattern:
    """Parse an Ansible host pattern. Raises `PatternInvalid`."""
    if len(text) > MAX_LENGTH:
        raise PatternInvalid(f"a host pattern of {len(text)} characters; at most {MAX_LENGTH} are read")
    pieces = _split(text.strip())
    if len(pieces) > MAX_TERMS:
        raise PatternInvalid(f"a host pattern of {len(pieces)} terms; at most {MAX_TERMS} are read")
    return Pattern(text=text, terms=tuple(_parse_term(piece) for piece in pieces))


def _split(text: str) -> list[str]:
    """Commas separate; where there is none, colons do, unless the whole is one regular expression or IPv6 address."""
    if not text:
        raise PatternInvalid("the host pattern is empty; all hosts are 'all'")
    if "," in text:
        return [piece.strip() for piece in text.removesuffix(",").split(",")]
    if _is_address(text.lstrip("!&")):
        return [text]
    if "::" in text:
        raise PatternInvalid(
            f"{text!r}: '::' leaves an empty term; put commas between terms when there is an IPv6 address"
        )
    if _PIECES.sub("", text).strip(":"):
        raise PatternInvalid(f"{text!r}: a bracket is not closed, or never opened")
    return [piece.strip() for piece in _PIECES.findall(text)] if not _ends_bare(text) else [""]


def _ends_bare(text: str) -> bool:
    return text.startswith(":") or text.endswith(":")


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _parse_term(piece: str) -> Term:
    kind = _SIGNS.get(piece[:1], TermKind.UNION)
    expression = piece if kind is TermKind.UNION else piece[1:].strip()
    if not expression or expression[0] in "&!":
        raise PatternInvalid(f"{piece!r} is not a term of a host pattern: a name, a glob or ~regex is missing")
    if any(character.isspace() or not character.isprintable() for character in expression):
        raise PatternInvalid(f"{piece!r}: separate terms with commas or colons, not with spaces")
    expression, positions = _split_positions(piece, expression)
    term = Term(kind=kind, text=piece, expression=expression, positions=positions)
    if term.is_regex:
        compile_bounded(expression[1:])
    return term


def _split_positions(piece: str, expression: str) -> tuple[str, Slice | None]:
    if expression.startswith("~"):
        return expression, None
    if _OLD_SUBSCRIPT.fullmatch(expression):
        raise PatternInvalid(f"{piece!r}: write [x:y] for the hosts at these positions")
    found = _SUBSCRIPT.fullmatch(expression)
    if found is None:
        return expression, None
    if found["index"] is not None:
        return found["rest"], Slice(first=int(found["index"]), single=True)
    first, last = int(found["first"]), int(found["last"]) if found["last"] else None
    if last is not None and last < first:
        raise PatternInvalid(f"{piece!r}: the range ends before it begins")
    return found["rest"], Slice(first=first, last=last)


def _sample(hosts: Sequence[str], groups: Groups) -> list[str]:
    # Comparing with every name of a large fleet takes seconds; groups and the first few thousand hosts are enough.
    return [*groups, *hosts[:5000]]
