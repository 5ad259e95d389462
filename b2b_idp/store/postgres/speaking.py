"""What is said on a connection that is lent: the transaction that SQLAlchemy begins, and ours, by one pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
from psycopg import pq
from sqlalchemy import Connection

from b2b_idp.store.failing import fail
from b2b_idp.store.postgres.connections import raw_of
from b2b_idp.store.postgres.trips import Pipeline

RV = TypeVar("RV")
_PIPELINE = "b2b_pipeline"


def pipeline(connection: Connection) -> Pipeline:
    """What statements are said by on this connection."""
    found: Pipeline | None = connection.info.get(_PIPELINE)
    if found is None:
        found = connection.info[_PIPELINE] = Pipeline(raw_of(connection))
    return found


def begin(connection: Connection) -> None:
    """Where SQLAlchemy begins: a transaction that was lent has begun, or does now. The driver begins a reading of
    SQLAlchemy's with its first statement, in these words."""
    raw = raw_of(connection)
    if raw.pgconn.transaction_status != pq.TransactionStatus.IDLE:
        return
    writes = connection.get_execution_options().get("b2b_write", False)
    spoken = pipeline(connection)
    spoken.begin(write=writes)
    if writes:
        tried(connection, "BEGIN", spoken.begun)
    else:
        raw.isolation_level, raw.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True


def tried(connection: Connection, sql: str, say: Callable[[], RV]) -> RV:
    """What `say` gives; what the driver raises is raised as SQLAlchemy does."""
    try:
        return say()
    except psycopg.Error as e:
        fail(connection, sql, e)
