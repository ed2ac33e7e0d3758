"""Playbooks: what to apply, to whom, in which waves, and what may go wrong before it stops.

Every default is the safe one. What a later version will act on (`NOT_YET`) is refused, because a gate that is written
down and not obeyed is worse than none.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, Discriminator, Field, StringConstraints, Tag, field_validator, model_validator

from orchestrator.core.amounts import Amount, rounded_down
from orchestrator.core.durations import Duration
from orchestrator.core.meanings import Meaning
from orchestrator.core.model import Frozen
from orchestrator.core.patches import Cve, PatchId, Severity

NOT_YET = frozenset({"windows", "approval", "notify", "prometheus", "kev", "restore"})
"""Fields of the playbook format that this version does not act on, by their last name: refused, never ignored."""

MAX_HOSTS_IN_FLIGHT = 1000

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Count = Annotated[int, Field(ge=1, le=MAX_HOSTS_IN_FLIGHT, strict=True)]


class OnFailure(Meaning):
    """What happens to hosts that are patched already when the budget is spent."""

    STOP = "stop", "Nothing more is started; hosts stay as they are."
    REVERT_HOST = "revert_host", "The hosts that spent the budget are reverted where the patch may be in memory."
    REVERT_WAVE = "revert_wave", "Every host of the failing wave is reverted."
    REVERT_ALL = "revert_all", "Every host that this rollout patched is reverted, last wave first."


class ExposedTo(Frozen):
    """Hosts exposed to a CVE of these severities."""

    severity: tuple[Severity, ...] = Field(min_length=1, description="Severities.")


def _kind_of_exposed_to(value: object) -> str:
    return "severity" if isinstance(value, dict | ExposedTo) else "cves"


class Targets(Frozen):
    """Which hosts. All conditions must hold."""

    hosts: str = Field("all", min_length=1, description="Host pattern, as in `--limit`: `web:&prod:!canary`.")
    labels: dict[str, str] = Field(default_factory=dict, description="Labels that a host must carry, all of them.")
    exposed_to: (
        Annotated[
            Annotated[tuple[Cve, ...], Field(min_length=1), Tag("cves")] | Annotated[ExposedTo, Tag("severity")],
            Discriminator(_kind_of_exposed_to),
        ]
        | None
    ) = Field(
        None,
        description="Only hosts exposed to one of these: a list of CVEs, or `{severity: [critical, high]}`.",
    )


class Apply(Frozen):
    """What is done to each host."""

    tool: ToolName = Field("auto", description="A backend's name, or `auto`: the host's own, by what is ready.")
    patch: PatchId | None = Field(
        None, description="The catalogue's patch, loaded by `klp` or `kpatch`. None: what the host's own tool offers."
    )
    persist: bool = Field(False, strict=True, description="Install it for the next boot too, after the soak.")


class Canary(Frozen):
    """How the first wave is chosen: exactly one way. It always covers what it can of the kernel builds."""

    per_kernel: Count | None = Field(
        None, description="So many hosts per backend and kernel build (this way with 1 when none is given)."
    )
    count: Count | None = Field(None, description="So many hosts in all, spread over the builds.")
    percent: Amount | None = Field(None, description="That share of the hosts, rounded up, spread over the builds.")
    labels: dict[str, str] | None = Field(None, min_length=1, description="Every host with these labels.")

    @model_validator(mode="before")
    @classmethod
    def _default(cls, data: Any) -> Any:
        return {"per_kernel": 1} if data == {} else data

    @field_validator("percent")
    @classmethod
    def _a_percentage(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) or (value is not None and rounded_down(value, 10**6) == 0):
            raise ValueError('write a percentage above zero: "5%"')
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> "Canary":
        ways = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError(
                f"name exactly one of per_kernel, count, percent, labels, not {' and '.join(ways) or 'none'}"
            )
        return self


class Strategy(Frozen):
    """In which order, and how many at a time."""

    canary: Canary = Field(Canary(per_kernel=1), description="The first wave. A failure in it ends the rollout.")
    waves: tuple[Amount, ...] = Field(
        ("10%", "50%", "100%"),
        min_length=1,
        description="Cumulative shares (rounded up) or counts of the hosts, canaries included. The last is `100%`.",
    )
    max_in_flight: Count = Field(50, description="Hosts changed at the same time.")
    per_site: Count | None = Field(10, description="The same within one site; hosts without a site are not limited.")

    @field_validator("waves")
    @classmethod
    def _grows_to_all(cls, waves: tuple[int | str, ...]) -> tuple[int | str, ...]:
        if waves[-1] != "100%":
            raise ValueError('the last wave must be "100%", or hosts would be left over')
        for unit in (int, str):
            sizes = [rounded_down(wave, 10**6) for wave in waves if isinstance(wave, unit)]
            if 0 in sizes or any(later <= earlier for earlier, later in pairwise(sizes)):
                raise ValueError("waves are cumulative: each must be larger than the one before")
        return waves


class Budget(Frozen):
    """How many hosts may fail, be unreachable, unknown, drifted or lost. One given alone stands for both."""

    per_wave: Amount = Field(
        0, description="Per wave; a percentage is of that wave's hosts, rounded down. Canaries: always 0."
    )
    total: Amount = Field(0, description="In all; a percentage is of all hosts of the plan, rounded down.")

    @model_validator(mode="before")
    @classmethod
    def _one_for_both(cls, data: Any) -> Any:
        if isinstance(data, dict) and len(data) == 1 and (given := next(iter(data))) in cls.model_fields:
            return dict.fromkeys(("per_wave", "total"), data[given])
        return data


class Limits(Frozen):
    """How long things may take."""

    transition: Duration = Field(
        "90s", description="A transition that takes longer is reverted.", validate_default=True
    )
    host: Duration = Field("10m", description="One host, from its start to its verification.", validate_default=True)
    rollout: Duration = Field("7d", description="The whole rollout; then it ends `expired`.", validate_default=True)

    @model_validator(mode="after")
    def _nested(self) -> "Limits":
        if not self.transition.total_seconds() > 0:
            raise ValueError("transition must be longer than 0s")
        if not self.transition <= self.host <= self.rollout:
            raise ValueError("limits must not shrink from transition to host to rollout")
        return self


class Gate(Frozen):
    """A condition to go on."""

    host_health: dict[str, Any] = Field(
        max_length=0, description="What the soak checks anyway: same boot, patch still in force. Takes no options."
    )


class Playbook(Frozen):
    """One playbook, every default spelled out."""

    apiVersion: Literal["patchwave/v1"] = Field(description="The format.")  # noqa: N815 - the contract's name
    kind: Literal["Playbook"] = Field(description="The kind of document.")
    name: Name = Field(description="What lists and reports call it.")
    targets: Targets = Field(Targets(), description="Which hosts.")
    apply: Apply = Field(description="What is done to each of them.")
    strategy: Strategy = Field(Strategy(), description="In which order, and how many at a time.")
    budget: Budget = Field(Budget(), description="How many hosts may fail.")
    limits: Limits = Field(Limits(), description="How long things may take.")
    soak: Duration = Field(
        "5m", description="How long a wave must stay healthy before the next.", validate_default=True
    )
    gates: tuple[Gate, ...] = Field(
        (Gate(host_health={}),), min_length=1, description="What must hold before the next wave."
    )
    on_failure: OnFailure = Field(OnFailure.STOP, description="What happens to patched hosts when the budget is spent.")

    def with_patch(self, patch_id: str) -> "Playbook":
        """The same playbook for another patch."""
        given = {name: getattr(self.apply, name) for name in self.apply.model_fields_set}
        return self.model_copy(update={"apply": Apply.model_validate(given | {"patch": patch_id})})


class Setting(NamedTuple):
    """One value of a playbook as `plan` prints it."""

    field: str
    value: Any
    is_default: bool


def settings(playbook: Playbook) -> tuple[Setting, ...]:
    """Every value in force, with its dotted name and whether it is a default."""
    return tuple(_walk(playbook, playbook.model_dump(mode="json"), "", by_default=False))


def _walk(model: BaseModel, plain: dict[str, Any], prefix: str, *, by_default: bool) -> Iterator[Setting]:
    for name in type(model).model_fields:
        value, is_default = getattr(model, name), by_default or name not in model.model_fields_set
        if isinstance(value, BaseModel):
            yield from _walk(value, plain[name], f"{prefix}{name}.", by_default=is_default)
        elif plain[name] is not None:
            yield Setting(f"{prefix}{name}", plain[name], is_default)
