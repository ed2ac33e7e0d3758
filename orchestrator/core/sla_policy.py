"""Service levels: how long a window may stay open, by severity, by CISA's list of exploited CVEs, and by host."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.core.durations import Duration, format_duration, parse_duration
from orchestrator.core.identity import HostRecord
from orchestrator.core.model import Frozen, Moment
from orchestrator.core.patches import WORST_FIRST, Severity

NO_LIMIT = timedelta.max
"""``none`` in a policy: no date is set. Longer than all that can be written."""

DEFAULT_LEVELS: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(days=2),
    Severity.HIGH: timedelta(days=30),
    Severity.MEDIUM: timedelta(days=30),
    Severity.LOW: NO_LIMIT,
}


def _allowance(value: object) -> timedelta:
    if value in ("none", NO_LIMIT):
        return NO_LIMIT
    if value is None:
        raise ValueError("must be a duration (2d), or none for no time limit")
    duration = parse_duration(value)
    if not duration:
        raise ValueError("must be longer than 0s; none is no time limit")
    return duration


def written(allowance: timedelta) -> str:
    """As policies have it."""
    return "none" if allowance == NO_LIMIT else format_duration(allowance)


def _default_levels() -> Any:
    """As they are written: they are validated like those of a file."""
    return {severity.value: written(time) for severity, time in DEFAULT_LEVELS.items()}


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Allowance = Annotated[timedelta, BeforeValidator(_allowance), PlainSerializer(written, return_type=str)]
"""How long a window may stay open; `NO_LIMIT` is written ``none``."""


class KevRule(Frozen):
    """For CVEs of CISA's Known Exploited Vulnerabilities. Written ``none``: their due dates do not count."""

    at_least: Allowance = Field(
        timedelta(days=14), description="The due date of KEV counts, but no less than this from notice."
    )

    @model_validator(mode="before")
    @classmethod
    def _switched_off(cls, data: Any) -> Any:
        return {"at_least": NO_LIMIT} if data == "none" else data


class DueSoon(Frozen):
    """Since when a window that is not yet overdue is ``due_soon``: for the shorter of both before it is due."""

    share: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}%$")] = Field(
        "25%", description="Of the time from detection to the due date."
    )
    at_most: Duration = Field(timedelta(days=3), description="And no longer than this.")

    def before(self, given: timedelta) -> timedelta:
        """How long before the due date, of a window that was given so much time."""
        return min(given * int(self.share.removesuffix("%")) / 100, self.at_most)


class Levels(NamedTuple):
    """What holds for one host: time by severity, and the least from notice for CVEs of KEV. `NO_LIMIT`: no date."""

    allowances: Mapping[Severity, timedelta]
    kev: timedelta


class Match(Frozen):
    """Which hosts a rule is for. All that is given must hold."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels that a host carries, all of them.")
    customer: str | None = Field(None, min_length=1, description="The customer it belongs to.")
    group: str | None = Field(None, min_length=1, description="A group of the inventory that it is in.")

    @model_validator(mode="after")
    def _not_empty(self) -> "Match":
        if not self.labels and self.customer is None and self.group is None:
            raise ValueError("must name labels, customer or group; what is for all hosts is written above the rules")
        return self

    def contains(self, host: HostRecord) -> bool:
        """Whether the rule is for that host."""
        return (
            self.labels.items() <= host.labels.items()
            and self.customer in {None, host.customer}
            and (self.group is None or self.group in host.groups)
        )


class Rule(Frozen):
    """Other levels for some hosts. What it does not give is as for all."""

    name: Name = Field(description="What lists call it.")
    match: Match = Field(description="Which hosts.")
    levels: dict[Severity, Allowance] = Field(default_factory=dict, description="Time by severity.")
    kev: KevRule | None = Field(None, description="For CVEs of KEV. Left out: as for all.")

    def levels_over(self, policy: "Policy") -> Levels:
        """What holds for its hosts."""
        own = dict(self.levels)
        if Severity.MEDIUM in own:
            own.setdefault(Severity.UNKNOWN, own[Severity.MEDIUM])
        return Levels({**policy.levels, **own}, (self.kev or policy.kev).at_least)


class Policy(Frozen):
    """One policy, every default spelled out. Equal content has an equal ``id``."""

    apiVersion: Literal["patchwave/v1"] = Field(description="The format.")  # noqa: N815 - the contract's name
    kind: Literal["ServiceLevels"] = Field(description="The kind of document.")
    name: Name = Field(description="What lists and reports call it.")
    levels: dict[Severity, Allowance] = Field(
        default_factory=_default_levels,
        description="Time by severity, from notice. `none`: no due date. `unknown`: as `medium` where it is not given.",
    )
    kev: KevRule = Field(KevRule(), description="For CVEs of KEV. `none`: its dates do not count.")
    due_soon: DueSoon = Field(DueSoon(), description="When to warn.")
    rules: tuple[Rule, ...] = Field(
        (), max_length=1000, description="Other levels for some hosts: the first that fits."
    )

    @field_validator("levels")
    @classmethod
    def _spelled_out(cls, levels: dict[Severity, timedelta]) -> dict[Severity, timedelta]:
        complete = {**DEFAULT_LEVELS, **levels}
        complete.setdefault(Severity.UNKNOWN, complete[Severity.MEDIUM])
        _require_order(complete)
        return {severity: complete[severity] for severity in Severity}

    @field_validator("rules")
    @classmethod
    def _fit_together(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        names = [rule.name for rule in rules]
        if double := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two rules are called {double}")
        for rule in rules:
            _require_order({**info.data.get("levels", {}), **rule.levels}, f"in rule {rule.name} ")
        return rules

    @cached_property
    def id(self) -> str:
        """The name, and twelve digits of what it says: ``default@0123456789ab``."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def rule_for(self, host: HostRecord) -> Rule | None:
        """The first rule that is for that host."""
        return next((rule for rule in self.rules if rule.match.contains(host)), None)

    def levels_for(self, host: HostRecord) -> Levels:
        """What holds for that host."""
        rule = self.rule_for(host)
        return Levels(self.levels, self.kev.at_least) if rule is None else rule.levels_over(self)


def _require_order(levels: Mapping[Severity, timedelta], where: str = "") -> None:
    known = [severity for severity in WORST_FIRST if severity is not Severity.UNKNOWN]
    graded = [(severity, levels[severity]) for severity in known if severity in levels]
    for (worse, less), (milder, more) in pairwise(graded):
        if less > more:
            raise ValueError(
                f"{where}{worse} has more time ({written(less)}) than {milder} ({written(more)}): the worse, the less"
            )


class Adopted(Frozen):
    """A policy, since when it is in force, and who set it."""

    policy: Policy
    since: Moment
    set_by: str


DEFAULT_POLICY = Policy(apiVersion="patchwave/v1", kind="ServiceLevels", name="default")
"""In force until somebody sets another."""


def in_force(policies: Sequence[Adopted], at: datetime) -> Policy:
    """The policy at that instant. ``policies``: all that were ever set, oldest first."""
    found = next((one.policy for one in reversed(policies) if one.since <= at), None)
    return DEFAULT_POLICY if found is None else found
