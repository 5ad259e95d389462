"""Schema migrations: Alembic, with its scripts inside the package. Alembic is imported only when it is used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from b2b_idp.store import postgres, sqlite
from b2b_idp.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0015"
"""The newest revision; a test compares it with the scripts."""


def config(more: Path | None = None) -> Config:
    """Alembic's configuration of this package's scripts, and of those in `more`."""
    from alembic.config import Config

    config = Config()
    scripts = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts))
    if more is not None:
        config.set_main_option("path_separator", "os")
        config.set_main_option("version_locations", f"{scripts / 'versions'}{os.pathsep}{more}")
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
    """Upgrades to revision `to` in one transaction. Raises Problem(CONFLICT) while somebody else does."""
    from alembic import command

    with one_migrator(engine):
        _run(engine, lambda settings: command.upgrade(settings, to))


def downgrade(engine: Engine, to: str) -> None:
    from alembic import command

    with one_migrator(engine):
        _run(engine, lambda settings: command.downgrade(settings, to))


def _run(engine: Engine, step: Callable[[Config], None]) -> None:
    settings = config()
    with changing(engine) as connection:
        settings.attributes["connection"] = connection
        step(settings)


@contextmanager
def changing(engine: Engine) -> Iterator[Connection]:
    """One transaction that changes the schema."""
    on_sqlite = engine.dialect.name == "sqlite"
    around = sqlite.tables_replaced if on_sqlite else nullcontext
    with engine.execution_options(b2b_write=True).connect() as connection, around(connection), connection.begin():
        if not on_sqlite:
            postgres.patient(connection)
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        yield connection
        if not on_sqlite:
            postgres.hurried(connection)


def one_migrator(engine: Engine) -> AbstractContextManager[None]:
    """Nobody else migrates this database meanwhile; on SQLite the one transaction sees to it."""
    return postgres.migrating(engine) if engine.dialect.name == "postgresql" else nullcontext()


def revision(engine: Engine) -> str | None:
    """The database's revision, None when it has no schema."""
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError:
        return None


def standing(found: str | None) -> Literal["none", "older", "current", "newer"]:
    """How a database's revision stands to the one that this version knows. Names of revisions are in their order."""
    if found is None:
        return "none"
    return "current" if found == HEAD else "newer" if found > HEAD else "older"
