"""PostgreSQL 14 or newer, by psycopg 3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.errors import _WaitTimeout  # the only name that a deadline's end has
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem

RV = TypeVar("RV")

_POOL = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 5}
_CONNECT_SECONDS = 5
_DEADLINE = 20.0
"""Seconds that we wait for one answer: longer than the server works on any, so that only a server that is gone, or
stopped, is given up."""
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
_MIGRATING = 0x6232_626D
"""Our numbers among a database's advisory locks."""
_READ_ONLY, _NO_TABLE, _LOCKED = "25006", "42P01", "55P03"


class _Primary(psycopg.Connection[Any]):
    """A connection that gives up a server which does not answer: a timeout of the server's own cannot."""

    deadline = _DEADLINE

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.deadline if timeout is None else timeout)
        except _WaitTimeout as e:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.deadline:g} seconds") from e


class _Replica(_Primary):
    deadline = 2.0


def open(url: str, **options: Any) -> Engine:
    """An engine whose writing transactions are serializable: as if they came one after another, or they are undone.

    The address may name several hosts: whichever of them takes writes now is the primary.
    """
    engine = _engine(_Primary, url, _SETTINGS, "read-write", **options)
    event.listen(engine, "begin", _begin)
    return engine


def open_replica(url: str, **options: Any) -> Engine:
    """An engine for a streaming replica: reading transactions only, given up early since the primary can be asked."""
    settings = _SETTINGS | {"statement_timeout": "2s"}
    engine = _engine(_Replica, url, settings, "any", **options)
    event.listen(engine, "begin", _begin)
    return engine


def _engine(made: type[_Primary], url: str, settings: dict[str, str], wanted: str, **options: Any) -> Engine:
    given = {
        "connect_timeout": _CONNECT_SECONDS if made is _Primary else 2,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "application_name": "b2b-idp",
        "target_session_attrs": wanted,
    }

    def connect() -> psycopg.Connection[Any]:
        # by libpq, which reads several hosts; SQLAlchemy's addresses name one
        return made.connect(url, **given)  # type: ignore[arg-type]

    return create_engine("postgresql+psycopg://", creator=connect, **_POOL, **options)


def _begin(connection: Connection) -> None:
    # the driver begins with its first statement, in these words, so that no trip of its own is needed
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    write = connection.get_execution_options().get("b2b_write", False)
    raw.isolation_level = psycopg.IsolationLevel.SERIALIZABLE if write else psycopg.IsolationLevel.REPEATABLE_READ
    raw.read_only = not write


def compact(engine: Engine) -> None:
    """Takes away row versions that nobody sees any more."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("RESET statement_timeout")


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


@contextmanager
def migrating(engine: Engine) -> Iterator[None]:
    """A lock of a session, which no transaction holds open. Raises Problem(CONFLICT) when somebody else has it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_MIGRATING})").scalar():
            raise Problem(Code.CONFLICT, "Somebody else is migrating this database. Wait for them, and look again.")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_MIGRATING})")


def in_the_way(e: DBAPIError) -> bool:
    """Whether a change of the schema did not get its lock, or lost against a transaction."""
    return conflict(e) or getattr(e.orig, "sqlstate", None) == _LOCKED


def conflict(e: DBAPIError) -> bool:
    """Whether another transaction, committed meanwhile, made this one impossible."""
    return getattr(e.orig, "sqlstate", None) in _CONFLICTS


def unavailable(e: DBAPIError) -> str | None:
    """Why PostgreSQL cannot be used now: unreachable, stopping, full, read-only, without a schema."""
    state = getattr(e.orig, "sqlstate", None)
    if state == _NO_TABLE:
        return "the database has no schema: run `b2b-idp migrate`"
    if state in (_READ_ONLY, _LOCKED) or (state or "")[:2] in _GONE:
        return f"database: {state} {first_line(e)}"
    if state is None and (e.connection_invalidated or isinstance(e, OperationalError | InterfaceError)):
        return f"database: {first_line(e)}"
    return None


def only_in_the_way(e: SQLAlchemyError) -> bool:
    """Whether a replica gave up a reading for what it had to replay: it is well itself."""
    return isinstance(e, DBAPIError) and conflict(e)


def first_line(e: SQLAlchemyError) -> str:
    """What happened, in the server's words."""
    return str(e.orig if isinstance(e, DBAPIError) else e).partition("\n")[0][:200]


# --- positions -------------------------------------------------------------------------------------------------------

_POSITION = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text, "
    "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint"
)
_REPLAYED = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"
_LOOK = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text, pg_is_in_recovery(), "
    "(pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint, "
    "extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8, "
    "EXISTS (SELECT FROM touched WHERE key = %s)"
)


def position(engine: Engine) -> Position:
    """How far the primary's log is: everything committed until now is before it. (The control file tells a new timeline
    late; the name of the file being written does not.)"""
    with _alone(engine) as connection:
        cluster, timeline, at = connection.exec_driver_sql(_POSITION).one()
    return Position(cluster, int(timeline, 16), at)


def mark_timeline(engine: Engine, timeline: int) -> None:
    """Leaves a mark on this timeline, by which its followers are told from those of another."""
    with _alone(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO touched (key, mark) VALUES (%s, gen_random_uuid()) ON CONFLICT (key) DO NOTHING",
            (_timeline(timeline),),
        )


def replayed(engine: Engine) -> int:
    """How far a replica shows its primary's changes. Readings begun after this see at least so much."""
    with _alone(engine) as connection:
        at: int | None = connection.exec_driver_sql(_REPLAYED).scalar()
    return -1 if at is None else at


def look_at_replica(engine: Engine, primary: Position) -> tuple[int, float] | str:
    """How far a replica of this primary shows its changes, and how many seconds ago the last of them was made; or why
    it may not be asked."""
    with _alone(engine) as connection:
        row = connection.exec_driver_sql(_LOOK, (_timeline(primary.timeline),)).one()
    cluster, follows, reached, behind, marked = row
    if cluster != primary.cluster:
        return "it is of another cluster"
    if not follows or reached is None:
        return "it is no replica, or not any more"
    if not marked:
        return "it does not follow the primary's timeline yet"
    return reached, max(0.0, behind or 0.0)


def _timeline(number: int) -> str:
    return f"timeline:{number}"


def _alone(engine: Engine) -> AbstractContextManager[Connection]:
    """For single statements: each is a transaction, and nothing is seen as it was before the statement."""
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()
