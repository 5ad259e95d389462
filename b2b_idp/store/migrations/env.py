"""Runs the migrations on the connection that `b2b_idp.store.migrate` hands over."""

from alembic import context
from sqlalchemy import Connection, text

from b2b_idp.store.functions import postgresql_fold
from b2b_idp.store.tables import metadata

_OTHERWISE_COLLATED = text(
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND table_name = ANY(:tables) "
    "AND data_type IN ('character varying', 'text') AND collation_name IS DISTINCT FROM 'C'"
)


def _compare_by_code_point(connection: Connection) -> None:
    """Pages and prefixes depend on the order of texts: it is the same whatever collation the database has."""
    for table, column, type_ in connection.execute(_OTHERWISE_COLLATED, {"tables": list(metadata.tables)}).all():
        connection.execute(text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE {type_} COLLATE "C"'))


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
if connection.dialect.name == "postgresql":
    connection.exec_driver_sql(postgresql_fold())
    _compare_by_code_point(connection)
