"""Schema migrations: Alembic, with its scripts inside the package."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from b2b_idp.store.tables import metadata


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def create_all(engine: Engine) -> None:
    """The newest schema at once, for a database in memory."""
    metadata.create_all(engine)


def migrate(engine: Engine, to: str = "head") -> None:
    """Upgrades to revision `to` in one transaction."""
    config = _config()
    with engine.execution_options(b2b_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def downgrade(engine: Engine, to: str) -> None:
    config = _config()
    with engine.execution_options(b2b_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def head() -> str:
    """The newest revision's name."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def revision(engine: Engine) -> str | None:
    """The database's revision, None when it has no schema."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()
