"""Locks of a session, which servers of one database take: to migrate it alone, and to run again one after another.
(The leader's is in `store/leading.py`.)"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store.postgres.connections import alone

_TURNS = 0x6232_6269
_MIGRATING = 0x6232_626D
"""Our numbers among a database's advisory locks."""


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
    with alone(engine) as connection:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_MIGRATING})").scalar():
            raise Problem(Code.CONFLICT, "Somebody else is migrating this database. Wait for them, and look again.")
        try:
            yield
        finally:
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_MIGRATING})")
