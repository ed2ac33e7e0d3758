"""The base of all domain objects: frozen, keyword-only, closed to unknown fields, times aware and in UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value. Equal when its fields are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _to_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware datetime, normalised to UTC. A naive one is refused."""
