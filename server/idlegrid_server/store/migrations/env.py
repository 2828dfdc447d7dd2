"""Run by Alembic on the connection that :func:`migrate` hands over; there is no other way in."""

from alembic import context

from idlegrid_server.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
