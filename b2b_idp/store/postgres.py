"""PostgreSQL 14 or newer, by psycopg 3."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.errors import _WaitTimeout  # the only name that a deadline's end has
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError, SQLAlchemyError

from b2b_idp.model.position import Position
from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.breaker import Breaker, Open
from b2b_idp.store.failing import fail
from b2b_idp.store.leading import OfSession
from b2b_idp.store.pipeline import Mark, Pipeline, Waiting

RV = TypeVar("RV")

_KEPT = 8
_POOL = {"pool_size": 16, "max_overflow": 16, "pool_timeout": 5}
_CONNECT: dict[str, object] = {
    "application_name": "b2b-idp",
    "connect_timeout": 2,
    # the pipeline prepares; the driver's DEALLOCATE ALL would take that away as well
    "prepare_threshold": None,
    # a machine that is gone says nothing: seconds, not hours
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
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
_MIGRATING = 0x6232_626D
"""Our numbers among a database's advisory locks."""
_NO_TABLE, _LOCKED = "42P01", "55P03"
_STANDBY = frozenset({"25006", "0A000", "55000"})
"""What a server that only follows another says of a transaction that writes, of a serializable one, of its position."""
_ASKED_FOR = 5.0
"""Seconds in which it is found out whether a commit was kept whose answer was lost: as long as a server takes to
restart."""


class _Primary(Waiting):
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
    given: dict[str, Any] = _CONNECT | {
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        "target_session_attrs": wanted,
    }
    breaker = Breaker()

    def connect() -> psycopg.Connection[Any]:
        try:
            with breaker.attempt():
                # by libpq, which reads several hosts; SQLAlchemy's addresses name one
                return made.connect(url, **given)
        except Open:
            raise psycopg.OperationalError("it could not be reached a moment ago, and is not tried yet") from None

    engine = create_engine("postgresql+psycopg://", creator=connect, **_POOL, **options)
    event.listen(engine, "checkout", _refuse_what_is_over)
    return engine


def _refuse_what_is_over(connection: Any, _record: object, _proxy: object) -> None:
    """A server that stopped, or was replaced, has closed its connections, which a look at the socket tells: those that
    wait in the pool all go at once, and no request fails for one of them."""
    if connection.closed or _has_something(connection.fileno()):
        raise InvalidatePoolError


def _has_something(socket: int) -> bool:
    """Whether there is something to read, or the end, without waiting. (`select` knows the first 1,024 files only.)"""
    look = select.poll()
    look.register(socket, select.POLLIN)
    return bool(look.poll(0))


_PIPELINE = "b2b_pipeline"


def pipeline(connection: Connection) -> Pipeline:
    """What statements are said by on this connection."""
    found: Pipeline | None = connection.info.get(_PIPELINE)
    if found is None:
        found = connection.info[_PIPELINE] = Pipeline(_raw(connection))
    return found


def _begin(connection: Connection) -> None:
    """Where SQLAlchemy begins: a transaction that was lent has begun, or does now. The driver begins a reading of
    SQLAlchemy's with its first statement, in these words."""
    raw = _raw(connection)
    if raw.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        return
    writes = connection.get_execution_options().get("b2b_write", False)
    spoken = pipeline(connection)
    spoken.begin(write=writes)
    if writes:
        _tried(connection, "BEGIN", spoken.begun)
    else:
        raw.isolation_level, raw.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True


def _tried(connection: Connection, sql: str, say: Callable[[], RV]) -> RV:
    try:
        return say()
    except psycopg.Error as e:
        fail(connection, sql, e)


def mark(connection: Connection) -> Mark | None:
    """What to ask for when the answer to this transaction's COMMIT is lost."""
    return _tried(connection, "BEGIN", pipeline(connection).mark)


# a server that has not noticed yet that nobody listens is made to: nothing is decided as long as it goes on
_FATE = (
    "SELECT timeline, CASE WHEN timeline = %(timeline)s THEN pg_xact_status(%(transaction)s::xid8) END,"
    " pg_terminate_backend(pid)"
    " FROM substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline LEFT JOIN pg_stat_activity"
    " ON pid = %(process)s AND application_name = 'b2b-idp' AND backend_xid = %(transaction)s::xid8::xid"
)


def kept(engine: Engine, mark: Mark) -> bool | None:
    """Whether a transaction was committed whose answer was lost; None where that cannot be found out: the database does
    not come back, or another has taken its place, which may have seen the transaction or not."""
    asked = {"timeline": mark.timeline, "transaction": mark.transaction, "process": mark.process}
    ends = time.monotonic() + _ASKED_FOR
    while time.monotonic() < ends:
        try:
            with _alone(engine) as connection:
                timeline, status, _ = connection.exec_driver_sql(_FATE, asked).one()
        except SQLAlchemyError:
            pass  # it restarts
        else:
            if timeline != mark.timeline or status is None:
                return None
            if status != "in progress":
                return bool(status == "committed")
        time.sleep(0.05)
    return None


@contextmanager
def unhurried(connection: Connection) -> Iterator[None]:
    """Outside a transaction: what is done takes as long as it takes, without the limits that requests have."""
    patient(connection)
    for name in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"SET {name} = 0")
    yield
    # what failed leaves its connection; one that did not goes back to requests
    for name in ("statement_timeout", "lock_timeout"):
        connection.exec_driver_sql(f"RESET {name}")
    hurried(connection)


def patient(connection: Connection) -> None:
    """Waits for this connection's server without an end."""
    _raw(connection).deadline = None


def hurried(connection: Connection) -> None:
    """Gives it up again as others are."""
    _raw(connection).deadline = _DEADLINE


def _raw(connection: Connection) -> Waiting:
    raw = connection.connection.driver_connection
    assert isinstance(raw, Waiting)
    return raw


def compact(engine: Engine) -> None:
    """Takes away row versions that nobody sees any more."""
    with _alone(engine) as connection, unhurried(connection):
        connection.exec_driver_sql("VACUUM")


class Lender:
    """Connections for transactions, some of which are kept from one to the next: SQLAlchemy takes longer to hand one
    out, begin and commit than PostgreSQL for what is read in between."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: deque[Connection] = deque()

    @contextmanager
    def transaction(self, *, write: bool, again: bool, lasting: bool) -> Iterator[Connection]:
        """One transaction, committed on exit; `again`, after all others that are run again."""
        connection = self._taken()
        try:
            with _turn(connection) if again else nullcontext():
                said = pipeline(connection)
                said.begin(write=write, lasting=lasting)
                try:
                    yield connection
                    _tried(connection, "COMMIT", said.commit)
                except BaseException:
                    _roll_back(connection, said)
                    raise
                finally:
                    if connection.in_transaction():
                        # SQLAlchemy's own, begun by a statement that it ran inside of ours
                        connection.rollback()
        finally:
            self._back(connection)

    def _taken(self) -> Connection:
        while True:
            try:
                connection = self._free.pop()
            except IndexError:
                return self._engine.connect()
            if not pipeline(connection).is_over():
                return connection
            # a server that stopped has closed all that were kept
            connection.invalidate()
            connection.close()

    def _back(self, connection: Connection) -> None:
        if connection.invalidated or len(self._free) >= _KEPT:
            connection.close()
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Gives back what is kept."""
        while self._free:
            self._free.pop().close()


def _roll_back(connection: Connection, said: Pipeline) -> None:
    """After which the connection is as before the transaction, or parted with."""
    try:
        said.roll_back()
    except psycopg.Error as e:
        connection.invalidate(e)


@contextmanager
def _turn(connection: Connection) -> Iterator[None]:
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


def leader_lock(engine: Engine) -> OfSession:
    """A session's."""
    return OfSession(engine)


@contextmanager
def migrating(engine: Engine) -> Iterator[None]:
    """A lock of a session, which no transaction holds open. Raises Problem(CONFLICT) when somebody else has it."""
    with _alone(engine) as connection:
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


def lost(e: DBAPIError) -> bool:
    """Whether the connection is of no use any more, and with it a transaction that was not committed: it is closed, or
    leads to a server that became a standby."""
    return e.connection_invalidated or getattr(e.orig, "sqlstate", None) in _STANDBY


def unavailable(e: DBAPIError) -> str | None:
    """Why PostgreSQL cannot be used now: unreachable, stopping, full, read-only, without a schema."""
    state = getattr(e.orig, "sqlstate", None)
    if state == _NO_TABLE:
        return "the database has no schema: run `b2b-idp migrate`"
    if state == _LOCKED or state in _STANDBY or (state or "")[:2] in _GONE:
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
