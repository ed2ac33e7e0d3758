"""What a host's own tool is to have in force, what it had when it was verified, and when a deep check last looked.

Revision 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Attempts of 0001 were about modules of the catalogue, without a level, in the boot of the intent; no check of it
    was deep."""
    op.add_column("attempt", sa.Column("level", sa.Text(), nullable=True))
    op.add_column("outcome", sa.Column("level", sa.Text(), nullable=True))
    op.add_column("outcome", sa.Column("boot_id", sa.Text(), nullable=True))
    op.add_column("sighting", sa.Column("deep_seen", sa.DateTime(timezone=True), nullable=True))
