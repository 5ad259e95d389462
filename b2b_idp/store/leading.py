"""Which of many servers does the work in the background: exactly one, and another within seconds when it dies.

The lock is one that the operating system or the database takes away from whoever is gone: nobody has to time a
lease, and no clock is asked. Two could still believe it for a moment, where a network parts a leader from its
database: so all the work is claimed piece by piece as well.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

LOOK_SECONDS = 1.0
"""How often a process asks whether it leads; so long may a dead leader's work wait."""
_LEADS = 0x6232_626A
"""Our number among a database's advisory locks; the one before it is of those who take turns."""


class Lock(Protocol):
    """What only one process can hold, and loses when it dies."""

    def take(self) -> bool:
        """Tries to take it, or makes sure that it is still held. Never waits."""

    def release(self) -> None: ...


class Leadership:
    """One process's share in it. Threads may ask at any time."""

    def __init__(self, lock: Lock) -> None:
        self._lock = lock
        self._mutex = threading.Lock()
        self._leads = False
        self._looked_at: float | None = None

    def held(self) -> bool:
        """Whether this process leads, as of `LOOK_SECONDS` ago at most."""
        with self._mutex:
            now = time.monotonic()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._leads = self._lock.take()
                self._looked_at = now
            return self._leads

    def resign(self) -> None:
        """Lets another lead at once."""
        with self._mutex:
            self._lock.release()
            self._leads, self._looked_at = False, None


class Alone:
    """The lock of a database that no other process can open."""

    def take(self) -> bool:
        return True

    def release(self) -> None:
        pass


class OfFile:
    """A lock on a file beside a SQLite database, by SQLite's own means, which every system has."""

    def __init__(self, database: str) -> None:
        self._file = database + "-leader"
        self._held: sqlite3.Connection | None = None

    def take(self) -> bool:
        if self._held is not None:
            return True
        connection = sqlite3.connect(self._file, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            connection.close()
            return False
        self._held = connection
        return True

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


class OfSession:
    """An advisory lock of PostgreSQL, held by a connection outside the pool: it goes with its session."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held: Connection | None = None

    def take(self) -> bool:
        try:
            if self._held is not None:
                self._held.exec_driver_sql("SELECT 1")
                return True
            connection = self._engine.connect()
            if connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LEADS})").scalar():
                connection.detach()
                self._held = connection
                return True
            connection.close()
        except SQLAlchemyError:
            self.release()
        return False

    def release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            with suppress(SQLAlchemyError):
                held.exec_driver_sql(f"SELECT pg_advisory_unlock({_LEADS})")
            with suppress(SQLAlchemyError):
                held.close()
