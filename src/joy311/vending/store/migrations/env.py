"""What Alembic runs to migrate: always inside the transaction that the caller began."""

from __future__ import annotations

from alembic import context

from joy311.vending.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
