"""PostgreSQL 14 or newer, by psycopg 3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_POOL = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 5}
_CONNECT_SECONDS = 5
_SETTINGS = {
    # nothing of ours runs as long; a lock that is not given is somebody's forgotten transaction
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    # an answer given is an answer kept
    "synchronous_commit": "on",
}

# PostgreSQL's error codes, by class (the first two characters) or whole
_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected"""
_GONE = frozenset({"08", "53", "57", "58", "XX"})
"""connection, resources (disk full, too many connections), operator's doing (shutdown, timeout), system, internal"""
_TURNS = 0x6232_6269
"""Our number among a database's advisory locks."""
_READ_ONLY, _NO_TABLE, _LOCKED = "25006", "42P01", "55P03"


def open(url: str, **options: Any) -> Engine:
    """An engine whose writing transactions are serializable: as if they came one after another, or they are undone."""
    _, _, rest = url.partition("://")
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    connect = {"connect_timeout": _CONNECT_SECONDS, "options": settings, "application_name": "b2b-idp"}
    engine = create_engine(f"postgresql+psycopg://{rest}", connect_args=connect, **_POOL, **options)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("b2b_write", False)
    connection.exec_driver_sql(
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE"
        if write
        else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
    )


@contextmanager
def turn(connection: Connection) -> Iterator[None]:
    """A lock of the session, taken before the transaction: one within it would wait with a view of the database that is
    old when it is given."""
    with connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_TURNS})")
    try:
        yield
    finally:
        # a connection that is lost has lost its locks
        if not connection.invalidated:
            with connection.begin():
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_TURNS})")


def conflict(e: DBAPIError) -> bool:
    """Whether another transaction, committed meanwhile, made this one impossible."""
    return getattr(e.orig, "sqlstate", None) in _CONFLICTS


def unavailable(e: DBAPIError) -> str | None:
    """Why PostgreSQL cannot be used now: unreachable, stopping, full, read-only, without a schema."""
    state = getattr(e.orig, "sqlstate", None)
    if state == _NO_TABLE:
        return "the database has no schema: run `b2b-idp migrate`"
    if state in (_READ_ONLY, _LOCKED) or (state or "")[:2] in _GONE:
        return f"database: {state} {_first_line(e)}"
    if state is None and (e.connection_invalidated or isinstance(e, OperationalError | InterfaceError)):
        return f"database: {_first_line(e)}"
    return None


def _first_line(e: DBAPIError) -> str:
    return str(e.orig).partition("\n")[0][:200]
