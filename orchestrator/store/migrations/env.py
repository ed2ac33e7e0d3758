"""Alembic runs this. The connection comes from `orchestrator.store.revisions`, inside a transaction of its own."""

from alembic import context

from orchestrator.store.rows import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()
