"""Connections and transactions. Nothing outside `store` sees SQL, a connection or a driver's exception."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.functions import add_functions

_BUSY_SECONDS = 3


class Database:
    """One database: `sqlite:///file` (WAL, synchronous=FULL) or `sqlite://` in memory."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.in_memory = url in ("sqlite://", "sqlite:///:memory:")
        self._one_at_a_time = threading.RLock() if self.in_memory else None
        self._engine = self._open()
        self._writer = self._engine.execution_options(b2b_write=True)

    def _open(self) -> Engine:
        if not self.url.startswith("sqlite:"):
            raise Problem(
                Code.BAD_SETTING,
                "DATABASE_URL must be a sqlite:/// address; PostgreSQL is not supported by this version.",
            )
        options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": _BUSY_SECONDS}}
        if self.in_memory:
            options["poolclass"] = StaticPool
        else:
            options |= {"pool_size": 16, "max_overflow": 48, "pool_timeout": 5}
        # parameters are sealed letters, evidence, addresses: an error's text is logged
        engine = create_engine(self.url, hide_parameters=True, **options)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @property
    def engine(self) -> Engine:
        """For migrations only."""
        return self._engine

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[Connection]:
        """One transaction: committed on exit, rolled back on any exception. A busy, full or missing database is
        Problem(UNAVAILABLE)."""
        with self._one_at_a_time or nullcontext():
            try:
                with (self._writer if write else self._engine).connect() as connection, connection.begin():
                    yield connection
            except DBAPIError as e:
                raise _problem(e) from e

    def close(self) -> None:
        self._engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # transactions are begun by us: the driver's own BEGIN would be deferred and could deadlock on upgrade
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        cursor.execute("PRAGMA " + pragma)
    cursor.close()
    add_functions(connection)


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("b2b_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _problem(e: DBAPIError) -> Exception:
    """What a driver's failure means: unavailable is an honest 503, anything else is a defect of ours."""
    said = str(e.orig).lower()
    if isinstance(e, OperationalError) and any(
        word in said for word in ("locked", "busy", "full", "unable to open", "i/o error", "readonly", "no such table")
    ):
        why = "the database has no schema: run `b2b-idp migrate`" if "no such table" in said else f"database: {said}"
        return Problem(
            Code.UNAVAILABLE, "The service is busy. Please try again in a moment.", why, timedelta(seconds=2)
        )
    return e


def ping(connection: Connection) -> None:
    """Raises unless the database answers and holds the schema."""
    connection.execute(text("SELECT id FROM tenant")).first()
