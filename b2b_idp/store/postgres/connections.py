"""Connections to PostgreSQL: how long each waits for its server, and those for single statements."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg.errors import _WaitTimeout  # the only name that a deadline's end has
from sqlalchemy import Connection, Engine

from b2b_idp.store.postgres.trips import Waiting

_DEADLINE = 20.0
"""Seconds that we wait for one answer: longer than the server works on any, so that only a server that is gone, or
stopped, is given up."""


class ToPrimary(Waiting):
    """Parted with when its server does not answer in time."""

    deadline = _DEADLINE

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, self.deadline if timeout is None else timeout)
        except _WaitTimeout as e:
            self.close()
            raise psycopg.OperationalError(f"no answer within {self.deadline:g} seconds") from e


class ToReplica(ToPrimary):
    deadline = 2.0


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
    raw_of(connection).deadline = None


def hurried(connection: Connection) -> None:
    """Gives it up again as others are."""
    raw_of(connection).deadline = _DEADLINE


def raw_of(connection: Connection) -> Waiting:
    """The driver's own."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, Waiting)
    return raw


def is_over(raw: psycopg.Connection[Any]) -> bool:
    """Whether the server has closed a connection on which nothing is asked at present, or has something to say that
    nobody waits for: the socket tells, without waiting. (`select` knows the first 1,024 files only.)"""
    if raw.closed:
        return True
    look = select.poll()
    look.register(raw.fileno(), select.POLLIN)
    return bool(look.poll(0))


def alone(engine: Engine) -> AbstractContextManager[Connection]:
    """For single statements: each is a transaction, and nothing is seen as it was before the statement."""
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()
