"""Schema migrations: Alembic, with its scripts inside the package. Alembic is imported only when it is used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from b2b_idp.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0005"
"""The newest revision; a test compares it with the scripts."""


def config() -> Config:
    """Alembic's configuration of this package's scripts."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def create_all(engine: Engine) -> None:
    """The newest schema at once, for a database in memory."""
    metadata.create_all(engine)


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
