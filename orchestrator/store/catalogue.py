"""The catalogue's items."""

from sqlalchemy import select, update

from orchestrator.core.catalogue import Catalogue
from orchestrator.core.model import Moment
from orchestrator.core.patches import Patch
from orchestrator.errors import Conflict, NotFound
from orchestrator.store import changes
from orchestrator.store.database import Database
from orchestrator.store.statements import add_missing, as_json
from orchestrator.store.tables import PATCHES


class SqlCatalogue:
    """`ports.store.CatalogueStore` over SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Patch, ...]:
        """The items in force, by id."""
        query = select(PATCHES.c.document).where(PATCHES.c.removed_at.is_(None))
        with self._database.read() as connection:
            patches = [Patch.model_validate(document) for document in connection.scalars(query)]
        return tuple(sorted(patches, key=lambda patch: patch.id))

    def history(self) -> Catalogue:
        """Every item, and since when the removed ones are out."""
        query = select(PATCHES.c.document, PATCHES.c.removed_at).order_by(PATCHES.c.id)
        with self._database.read() as connection:
            rows = [(Patch.model_validate(row.document), row.removed_at) for row in connection.execute(query)]
        return Catalogue(
            patches=tuple(patch for patch, _ in rows),
            removed_at={patch.id: removed_at for patch, removed_at in rows if removed_at is not None},
        )

    def add(self, patch: Patch) -> None:
        """Add an item; a removed one comes back as if it reached us now, because windows ended when it went."""
        row = {"id": patch.id, "document": as_json(patch), "added_at": patch.added_at, "removed_at": None}
        of_this = PATCHES.c.id == patch.id
        with self._database.write() as connection:
            is_new = connection.scalar(select(PATCHES.c.removed_at.is_not(None)).where(of_this)) is not False
            add_missing(connection, PATCHES, [row])
            stored = Patch.model_validate(connection.scalars(select(PATCHES.c.document).where(of_this)).one())
            if stored.model_copy(update={"added_at": patch.added_at}) != patch:
                raise Conflict(
                    f"the catalogue knows {patch.id} with other content: give the new patch an id of its own"
                )
            connection.execute(update(PATCHES).where(of_this, PATCHES.c.removed_at.is_not(None)).values(row))
            if is_new:
                changes.concerning_all(connection)

    def remove(self, patch_id: str, at: Moment) -> None:
        """Take an item out of force; it stays known."""
        in_force = (PATCHES.c.id == patch_id, PATCHES.c.removed_at.is_(None))
        with self._database.write() as connection:
            if connection.execute(update(PATCHES).where(*in_force).values(removed_at=at)).rowcount == 0:
                raise NotFound(f"the catalogue has no patch {patch_id}")
            changes.concerning_all(connection)
