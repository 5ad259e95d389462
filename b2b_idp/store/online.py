"""Migrations while servers run, of this version and of the one before it: expand, move over, contract later.

A revision that says `online = True` may be taken so. It only adds: tables, columns that may be null or have a constant
default, indexes; a server that does not know them works on. What takes long is done before its transaction, by
`ahead(engine)` in steps that can be repeated (`index`, `in_batches`); its transaction then holds locks for a moment,
and gives up and tries again rather than have requests queue behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import postgres, sqlite
from b2b_idp.store.engine import unavailable
from b2b_idp.store.migrate import changing, config, one_migrator, revision

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script

_LOCK = "300ms"
"""How long a step waits for a lock: for so long, requests may have to wait behind it."""
_ATTEMPTS = 100
_PAUSE = 0.5
"""Seconds between two attempts."""
_BATCH = 1000


def migrate_online(
    engine: Engine, more: Path | None = None, pause: Callable[[float], None] = time.sleep
) -> Sequence[str]:
    """Takes the database to the newest revision, one by one; the names of those taken. `more` is a folder with further
    revisions. Raises Problem(CONFLICT), before anything is done, when one of them is not safe or somebody else
    migrates; Problem(UNAVAILABLE) when one did not get its locks: run again, it goes on from there."""
    settings = config(more)
    with one_migrator(engine):
        steps = _steps(engine, settings)
        for step in steps:
            _take(engine, settings, step, pause)
    return [step.revision for step in steps]


def _steps(engine: Engine, settings: Config) -> list[Script]:
    from alembic.script import ScriptDirectory

    now = revision(engine)
    if now is None:
        raise Problem(Code.CONFLICT, "The database has no schema, so no server runs on it. Run: b2b-idp migrate")
    scripts = ScriptDirectory.from_config(settings)
    if now not in {script.revision for script in scripts.walk_revisions()}:
        return []
    steps = list(scripts.iterate_revisions("head", now))[::-1]
    unsafe = [s.revision for s in steps if not getattr(s.module, "online", False)]
    if unsafe:
        raise Problem(
            Code.CONFLICT,
            f"The revision {', '.join(unsafe)} is not safe while servers run. Stop them, and run: b2b-idp migrate",
        )
    return steps


def _take(engine: Engine, settings: Config, step: Script, pause: Callable[[float], None]) -> None:
    from alembic import command

    ahead: Callable[[Engine], None] | None = getattr(step.module, "ahead", None)
    if ahead is not None:
        ahead(engine)
    for _ in range(_ATTEMPTS):
        try:
            with changing(engine) as connection:
                if engine.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK}'")
                settings.attributes["connection"] = connection
                command.upgrade(settings, step.revision)
            return
        except DBAPIError as e:
            if not _in_the_way(engine, e):
                raise
        pause(_PAUSE)
    raise unavailable(f"revision {step.revision} did not get its locks; run again, it goes on from there")


def _in_the_way(engine: Engine, e: DBAPIError) -> bool:
    return postgres.in_the_way(e) if engine.dialect.name == "postgresql" else sqlite.unavailable(e) is not None


def index(engine: Engine, name: str, table: str, columns: Sequence[str]) -> None:
    """Makes an index without keeping writers waiting; one that an interruption left unfinished is made anew."""
    made = f'INDEX {{}} IF NOT EXISTS "{name}" ON "{table}" ({", ".join(columns)})'
    if engine.dialect.name != "postgresql":
        with engine.execution_options(b2b_write=True).begin() as connection:
            connection.exec_driver_sql("CREATE " + made.format(""))
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, postgres.unhurried(connection):
        unfinished = text("SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
        if connection.execute(unfinished, {"name": f'"{name}"'}).first():
            connection.exec_driver_sql(f'DROP INDEX CONCURRENTLY "{name}"')
        connection.exec_driver_sql("CREATE " + made.format("CONCURRENTLY"))


def in_batches(engine: Engine, statement: str, most: int = _BATCH, **given: Any) -> int:
    """Runs an UPDATE of at most `:most` rows until it finds none, each time in a transaction of its own; how many it
    changed. It has to choose rows that it has not changed yet."""
    changed = 0
    while True:
        try:
            with engine.execution_options(b2b_write=True).begin() as connection:
                rows = connection.execute(text(statement), {"most": most, **given}).rowcount
        except DBAPIError as e:
            if not _in_the_way(engine, e):
                raise
            time.sleep(_PAUSE)
            continue
        if not rows:
            return changed
        changed += rows
