"""The base of all tables, and the names of their constraints."""

from typing import cast

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name that is known beforehand, so that a later migration can name it on both databases."""

METADATA = MetaData(naming_convention=NAMING)


class Row(SQLModel, registry=registry(metadata=METADATA)):
    """The base of all tables."""


def table_of(model: type[Row]) -> Table:
    """The table, below the model."""
    return cast("Table", vars(model)["__table__"])
