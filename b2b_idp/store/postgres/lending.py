"""Connections lent for one transaction each, begun and committed by our own pipeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import psycopg
from sqlalchemy import Connection, Engine

from b2b_idp.store.postgres.connections import is_over, raw_of
from b2b_idp.store.postgres.locks import turn
from b2b_idp.store.postgres.speaking import pipeline, tried
from b2b_idp.store.postgres.trips import Pipeline

_KEPT = 8


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
            with turn(connection) if again else nullcontext():
                said = pipeline(connection)
                said.begin(write=write, lasting=lasting)
                try:
                    yield connection
                    tried(connection, "COMMIT", said.commit)
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
            if not is_over(raw_of(connection)):
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
