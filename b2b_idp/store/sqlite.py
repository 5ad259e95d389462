"""SQLite, in a file (WAL, synchronous=FULL but where a transaction need not last) or in memory."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import StaticPool

from b2b_idp.store.functions import add_functions
from b2b_idp.store.leading import OfFile
from b2b_idp.store.statements import Form
from b2b_idp.store.turns import Alone, NextProcess, Turns

_BUSY_SECONDS = 3
_KEPT = 8
_LASTING = "b2b_lasting"
_BEGIN, _BEGIN_WRITING = "BEGIN", "BEGIN IMMEDIATE"
_SYNCHRONOUS = {True: "synchronous=FULL", False: "synchronous=NORMAL"}
"""By whether what is committed outlasts a power cut. NORMAL leaves out the wait for the disk at the COMMIT only: the
next transaction that lasts takes along what was written before it."""
_NOT_OURS = ("locked", "busy", "full", "unable to open", "i/o error", "readonly")


def open(url: str, **options: Any) -> Engine:
    """An engine whose writing transactions come one after another."""
    options["connect_args"] = {"check_same_thread": False, "timeout": _BUSY_SECONDS}
    if url in ("sqlite://", "sqlite:///:memory:"):
        options["poolclass"] = StaticPool
    else:
        options |= {"pool_size": 16, "max_overflow": 48, "pool_timeout": 5}
    engine = create_engine(url, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # transactions are begun by us: the driver's own BEGIN would be deferred and could deadlock on upgrade
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_SECONDS * 1000}",
        "journal_mode=WAL",
        _SYNCHRONOUS[True],
        "foreign_keys=ON",
        # what is deleted is overwritten: an erased person's data stay in no free page
        "secure_delete=ON",
    ):
        cursor.execute("PRAGMA " + pragma)
    cursor.close()
    add_functions(connection)


def _begin(connection: Connection) -> None:
    if not _driver(connection).in_transaction:
        _make_lasting(connection, True)
        writes = connection.get_execution_options().get("b2b_write", False)
        _say(connection, _BEGIN_WRITING if writes else _BEGIN)


def _begin_reading(connection: Connection) -> None:
    _say(connection, _BEGIN)


def _make_lasting(connection: Connection, lasting: bool) -> None:
    """Between two transactions: how the next one is committed. It is a matter of the driver's connection."""
    if connection.info.get(_LASTING, True) != lasting:
        _say(connection, "PRAGMA " + _SYNCHRONOUS[lasting])
        connection.info[_LASTING] = lasting


def _say(connection: Connection, sql: str) -> None:
    try:
        _driver(connection).execute(sql)
    except sqlite3.Error as e:
        raise DBAPIError.instance(sql, None, e, sqlite3.Error, dialect=connection.dialect) from e


def _locked() -> DBAPIError:
    """What SQLite says to a writer that waited too long."""
    return OperationalError(_BEGIN_WRITING, None, sqlite3.OperationalError("database is locked"))


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


class Cursor:
    """The driver's cursor of one transaction."""

    makes_trips = False

    def __init__(self, connection: Connection) -> None:
        self._cursor = _driver(connection).cursor()

    def begun(self) -> None:
        """Whoever lends a connection has begun."""

    def ask(self, form: Form, values: Sequence[Any]) -> tuple[list[Any], int]:
        """The rows of a statement, and how many it changed."""
        self._cursor.execute(form.sql, values)
        found = self._cursor.fetchall() if self._cursor.description else []
        return form.rows(found), self._cursor.rowcount

    def foresee(self, form: Form, values: Sequence[Any]) -> Callable[[], tuple[list[Any], int]]:
        """Runs a statement when what it said is wanted."""
        return partial(self.ask, form, values)

    def run(self, form: Form, values: Sequence[Any]) -> None:
        """Runs a statement that gives nothing."""
        self._cursor.execute(form.sql, values)

    def run_each(self, form: Form, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a statement for each of these parameters."""
        self._cursor.executemany(form.sql, rows)


class Lender:
    """Connections for transactions, some of which stay open between two: SQLAlchemy takes longer to hand one out, begin
    and commit than SQLite for what is read in between."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._free: deque[Connection] = deque()
        self._turns = Turns()
        file = engine.url.database
        alone = file in (None, "", ":memory:") or os.name == "nt"
        self._next = Alone() if alone else NextProcess(f"{file}-next")

    @contextmanager
    def transaction(self, *, write: bool, again: bool, lasting: bool) -> Iterator[Connection]:
        """One transaction, committed on exit. Writers have their turns anyway, so `again` is nothing to them."""
        if not write:
            with self._lent(_begin_reading) as connection:
                yield connection
            return
        if not self._turns.take(_BUSY_SECONDS):
            raise _locked()
        try:
            with self._lent(partial(self._begin_writing, lasting=lasting)) as connection:
                yield connection
        finally:
            self._turns.release()

    @contextmanager
    def _lent(self, begin: Callable[[Connection], None]) -> Iterator[Connection]:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._engine.connect()
        try:
            begin(connection)
            yield connection
            _say(connection, "COMMIT")
            if connection.in_transaction():
                # SQLAlchemy's own, begun by a statement that it ran inside of ours
                connection.rollback()
        except BaseException:
            # which undoes all that is left, and parts with a connection that cannot
            connection.close()
            raise
        if len(self._free) < _KEPT:
            self._free.append(connection)
        else:
            connection.close()

    def _begin_writing(self, connection: Connection, lasting: bool) -> None:
        _make_lasting(connection, lasting)
        self._next.take(_BUSY_SECONDS)
        try:
            _say(connection, _BEGIN_WRITING)
        finally:
            self._next.release()

    def close(self) -> None:
        """Gives back what is kept."""
        while self._free:
            self._free.pop().close()
        self._next.close()


def compact(engine: Engine) -> None:
    """Writes the file anew, without what lies in its free space, and empties the log beside it."""
    with engine.connect() as connection:
        # no transaction is begun: VACUUM stands alone
        file = _driver(connection)
        file.execute("VACUUM")
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@contextmanager
def tables_replaced(connection: Connection) -> Iterator[None]:
    """Around a transaction in which tables are made anew, as SQLite changes columns: dropping the old one would
    otherwise delete what refers to its rows."""
    file = _driver(connection)
    file.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        file.execute("PRAGMA foreign_keys=ON")


def conflict(e: DBAPIError) -> bool:
    """Never: writers wait for one another."""
    return False


def leader_lock(engine: Engine) -> OfFile:
    """A file's, beside the database's own."""
    assert engine.url.database is not None
    return OfFile(engine.url.database)


def lost(e: DBAPIError) -> bool:
    """Never: nothing lies between us and the file."""
    return False


def mark(_connection: Connection) -> None:
    """Nothing: a COMMIT that failed here was not kept."""


def kept(_engine: Engine, _mark: object) -> bool:
    """Never asked for."""
    return False


def unavailable(e: DBAPIError) -> str | None:
    """Why SQLite cannot be used now: locked for long, full, gone, without a schema."""
    said = str(e.orig).lower()
    if not isinstance(e, OperationalError):
        return None
    if "no such table" in said:
        return "the database has no schema: run `b2b-idp migrate`"
    return f"database: {said}" if any(word in said for word in _NOT_OURS) else None


def position(engine: Engine) -> None:
    """There is one copy, which is always at its newest."""
