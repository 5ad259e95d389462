"""Runs the migrations on the connection that `b2b_idp.store.migrate` hands over."""

from alembic import context

from b2b_idp.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
