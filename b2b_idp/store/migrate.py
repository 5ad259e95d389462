"""Schema migrations: Alembic, with its scripts inside the package. Alembic is imported only when it is used."""

from __future__ import annotations

import sqlite3
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from b2b_idp.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0010"
"""The newest revision; a test compares it with the scripts."""


def config() -> Config:
    """Alembic's configuration of this package's scripts."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def create_all(engine: Engine) -> None:
    """The newest schema at once, for a SQLite database in memory: one that was made before is copied."""
    raw = engine.raw_connection()
    cast(sqlite3.Connection, raw.driver_connection).deserialize(_schema())
    raw.close()


@cache
def _schema() -> bytes:
    """A SQLite database with nothing but the schema."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        metadata.create_all(connection)
    raw = engine.raw_connection()
    try:
        return cast(sqlite3.Connection, raw.driver_connection).serialize()
    finally:
        raw.close()
        engine.dispose()


def migrate(engine: Engine, to: str = "head") -> None:
    """Upgrades to revision `to` in one transaction."""
    from alembic import command

    settings = config()
    with engine.execution_options(b2b_write=True).begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, to)


def downgrade(engine: Engine, to: str) -> None:
    from alembic import command

    settings = config()
    with engine.execution_options(b2b_write=True).begin() as connection:
        settings.attributes["connection"] = connection
        command.downgrade(settings, to)


def revision(engine: Engine) -> str | None:
    """The database's revision, None when it has no schema."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError:
        return None
