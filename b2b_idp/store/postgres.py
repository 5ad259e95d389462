"""PostgreSQL 14 or newer, by psycopg 3."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from b2b_idp.store.breaker import Breaker, Open

_POOL = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 5}
_CONNECT: dict[str, object] = {
    "application_name": "b2b-idp",
    "connect_timeout": 2,
    # a machine that is gone says nothing: seconds, not hours
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SETTINGS = {
    # nothing of ours runs as long; a lock that is not given is somebody's forgotten transaction
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    # an answer given is an answer kept
    "synchronous_commit": "on",
    # the server, too, lets go of what a machine held that is gone
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

# PostgreSQL's error codes, by class (the first two characters) or whole
_CONFLICTS = frozenset({"40001", "40P01"})
"""serialization_failure, deadlock_detected"""
_GONE = frozenset({"08", "53", "57", "58", "XX"})
"""connection, resources (disk full, too many connections), operator's doing (shutdown, timeout), system, internal"""
_TURNS = 0x6232_6269
"""Our number among a database's advisory locks."""
_READ_ONLY, _NO_TABLE, _LOCKED = "25006", "42P01", "55P03"
_STANDBY = frozenset({_READ_ONLY, "0A000", "55000"})
"""What a server says that only follows another, of a transaction that writes, of a serializable one, of its position"""
_ASKED_FOR = 5.0
"""Seconds in which it is found out whether a commit was kept whose answer was lost: as long as a server takes to
restart."""


def open(url: str, **options: Any) -> Engine:
    """An engine whose writing transactions are serializable: as if they came one after another, or they are undone."""
    _, _, rest = url.partition("://")
    settings = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
    connect = _CONNECT | {"options": settings}
    engine = create_engine(f"postgresql+psycopg://{rest}", connect_args=connect, **_POOL, **options)
    breaker = Breaker()
    event.listen(engine, "do_connect", lambda dialect, _record, args, more: _connect(breaker, dialect, args, more))
    event.listen(engine, "checkout", _refuse_what_is_over)
    event.listen(engine, "handle_error", _leave_a_standby)
    event.listen(engine, "begin", _begin)
    return engine


def _connect(breaker: Breaker, dialect: Any, args: Any, more: Any) -> DBAPIConnection:
    try:
        with breaker.attempt():
            made: DBAPIConnection = dialect.connect(*args, **more)
            return made
    except Open:
        raise psycopg.OperationalError("it could not be reached a moment ago, and was not tried again yet") from None


def _refuse_what_is_over(connection: Any, _record: object, _proxy: object) -> None:
    """A server that stopped, or was replaced, has closed its connections, which a look at the socket tells: those that
    wait in the pool all go at once, and no request fails for one of them."""
    if connection.closed or select.select([connection.fileno()], [], [], 0)[0]:
        raise InvalidatePoolError


def _leave_a_standby(context: ExceptionContext) -> None:
    """The server became a standby, or one answers at the primary's address: connections to it are of no use."""
    if getattr(context.original_exception, "sqlstate", None) in _STANDBY:
        context.is_disconnect = True


def _begin(connection: Connection) -> None:
    """Says how the transaction is begun, which psycopg does with the first statement. One that writes notes at once
    what it is called, so that it can be asked for when the answer to its COMMIT is lost."""
    write = connection.get_execution_options().get("b2b_write", False)
    driver: Any = connection.connection.driver_connection
    level = IsolationLevel.SERIALIZABLE if write else IsolationLevel.REPEATABLE_READ
    if (driver.isolation_level, driver.read_only) != (level, not write):
        driver.isolation_level, driver.read_only = level, not write
    connection.info["b2b_mark"] = _mark(connection, driver) if write else None


@dataclass(frozen=True, slots=True)
class Mark:
    """Which transaction of which history of the database this is, and the server's process that does it."""

    transaction: str
    timeline: str
    process: int


_NAME = "SELECT pg_current_xact_id()::text, left(pg_walfile_name(pg_current_wal_lsn()), 8)"


def _mark(connection: Connection, driver: Any) -> Mark:
    transaction, timeline = connection.exec_driver_sql(_NAME).one()
    return Mark(transaction, timeline, driver.info.backend_pid)


def mark(connection: Connection) -> Mark | None:
    """What to ask for when the answer to this transaction's COMMIT is lost."""
    found: Mark | None = connection.info.get("b2b_mark")
    return found


_FATE = text(
    "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,"
    " CASE WHEN left(pg_walfile_name(pg_current_wal_lsn()), 8) = :timeline"
    " THEN pg_xact_status(CAST(:transaction AS xid8)) END AS status,"
    # the server has not noticed yet that nobody listens: nothing is decided as long as it goes on
    " pg_terminate_backend(pid) FROM (SELECT 1) AS one"
    " LEFT JOIN pg_stat_activity ON pid = :process AND application_name = 'b2b-idp'"
    " AND backend_xid = CAST(:transaction AS xid8)::xid"
)


def kept(engine: Engine, mark: Mark) -> bool | None:
    """Whether a transaction was committed whose answer was lost; None where that cannot be found out: the database does
    not come back, or another has taken its place, which may have seen the transaction or not."""
    ends = time.monotonic() + _ASKED_FOR
    while time.monotonic() < ends:
        try:
            with engine.connect() as connection:
                fate = connection.execute(
                    _FATE,
                    {"transaction": mark.transaction, "timeline": mark.timeline, "process": mark.process},
                ).one()
        except (DBAPIError, PoolTimeout):
            pass
        else:
            if fate.timeline != mark.timeline:
                return None
            if fate.status != "in progress":
                return None if fate.status is None else bool(fate.status == "committed")
        time.sleep(0.05)
    return None


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


def lost(e: DBAPIError) -> bool:
    """Whether the connection is over, and with it a transaction that was not committed."""
    return e.connection_invalidated


def unavailable(e: DBAPIError) -> str | None:
    """Why PostgreSQL cannot be used now: unreachable, stopping, full, read-only, without a schema."""
    state = getattr(e.orig, "sqlstate", None)
    if state == _NO_TABLE:
        return "the database has no schema: run `b2b-idp migrate`"
    if state in _STANDBY:
        return f"database: a standby answers in the primary's place: {state} {_first_line(e)}"
    if state == _LOCKED or (state or "")[:2] in _GONE:
        return f"database: {state} {_first_line(e)}"
    if state is None and (e.connection_invalidated or isinstance(e, OperationalError | InterfaceError)):
        return f"database: {_first_line(e)}"
    return None


def _first_line(e: DBAPIError) -> str:
    return str(e.orig).partition("\n")[0][:200]
