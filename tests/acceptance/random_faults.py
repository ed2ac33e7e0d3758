"""Faults for simulated hosts, drawn from a seeded generator over all that there are."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from orchestrator.lab.simulated.faults import Faults, Licence

Drawn = dict[str, object]

KINDS: Mapping[str, Callable[[Random], Drawn]] = {
    "slow": lambda rng: {"slow": rng.uniform(0.1, 1.0)},
    "refuses": lambda _rng: {"refuses": True},
    "drops_after": lambda rng: {
        "drops_after": rng.choice((0, 40, 300, 3000)),
        "drops_spare": rng.randint(0, 4),
        "drops_times": rng.choice((1, 2, 5, None)),
    },
    "floods": lambda _rng: {"floods": True},
    "transition": lambda rng: {"transition": rng.uniform(0.0, 3.0)},
    "stalls": lambda rng: {"stalls": True, "stalls_reverting": rng.random() < 0.3},
    "stalls_reverting": lambda _rng: {"stalls_reverting": True},
    "lies": lambda _rng: {"lies": True},
    "rejects": lambda rng: {"rejects": rng.choice(("Key was rejected by service", "Invalid module format"))},
    "reboots_after": lambda rng: {"reboots_after": rng.uniform(0.1, 0.8), "boot_seconds": rng.uniform(0.1, 1.5)},
    "disk_full": lambda _rng: {"disk_full": True},
    "licence": lambda rng: {"licence": rng.choice((Licence.EXPIRED, Licence.NONE))},
    "agent_outruns": lambda rng: {"agent_outruns": rng.uniform(0.0, 8.0)},
    "tool_slow": lambda rng: {"tool_slow": rng.choice((0.5, 2.0, 7.0))},
    "garbles": lambda rng: {"garbles": _place(rng)},
    "truncates": lambda rng: {"truncates": _place(rng)},
    "package_lock": lambda rng: {"package_lock": rng.choice((2.0, 5.0, 60.0))},
}
"""Every kind of trouble, with its numbers. What only says how (``boot_seconds``) is drawn with its kind."""


def draw(rng: Random) -> Faults:
    """One kind of trouble, now and then two at once."""
    kinds = rng.sample(sorted(KINDS), 2 if rng.random() < 0.2 else 1)
    return Faults.model_validate({name: value for kind in kinds for name, value in KINDS[kind](rng).items()})


def draw_for(names: Sequence[str], rng: Random, share: float) -> dict[str, Faults]:
    """Trouble for about that share of them, by name."""
    return {name: draw(rng) for name in names if rng.random() < share}


def _place(rng: Random) -> int:
    """After how many bytes what a tool says is spoiled: mostly early, where it matters."""
    return rng.choice((0, 3, 20, 75, 150, 300, 800))
