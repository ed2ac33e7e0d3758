"""The base of all domain objects: frozen, keyword-only, closed to unknown fields, times aware and in UTC."""

from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value. Equal when its fields are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


T = TypeVar("T", bound=Frozen)


def altered(one: T, values: dict[str, Any]) -> T:
    """The same with other values, not validated: `model_copy` at a fifth of its price, where there are millions."""
    new = one.__class__.__new__(one.__class__)
    object.__setattr__(new, "__dict__", {**one.__dict__, **values})
    object.__setattr__(new, "__pydantic_fields_set__", one.__pydantic_fields_set__)
    object.__setattr__(new, "__pydantic_extra__", None)
    object.__setattr__(new, "__pydantic_private__", None)
    return new


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware datetime, normalised to UTC. A naive one is refused."""
