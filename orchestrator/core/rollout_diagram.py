"""The transition tables as Mermaid state diagrams and tables of meanings, for the docs."""

from collections import defaultdict
from collections.abc import Iterable, Set

from orchestrator.core.meanings import Meaning
from orchestrator.core.rollout_states import Transition


def diagram(table: Iterable[Transition], initial: Meaning, final: Set[Meaning]) -> str:
    """A ``stateDiagram-v2``: arrows in the table's order, final states joined to the end and marked."""
    labels: dict[tuple[Meaning, Meaning], list[str]] = defaultdict(list)
    for move in table:
        labels[move.source, move.target].append(move.on)
    reached = [initial, *dict.fromkeys(target for _, target in labels)]
    lines = ["stateDiagram-v2", "    classDef final font-weight:bold,stroke-width:3px", f"    [*] --> {initial}"]
    lines += [f"    {source} --> {target}: {' / '.join(on)}" for (source, target), on in labels.items()]
    for state in reached:
        lines += [f"    {state} --> [*]", f"    class {state} final"] if state in final else []
    return "\n".join(lines)


def meanings(kind: type[Meaning], final: Set[Meaning]) -> str:
    """A Markdown table of the states and what each means."""
    rows = [f"| `{state}` | {'yes' if state in final else ''} | {state.meaning} |" for state in kind]
    return "\n".join(["| state | final | meaning |", "|---|---|---|", *rows])
