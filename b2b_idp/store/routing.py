"""A transaction at the primary that asks a replica what it may, and proves the answers before it ends."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import sqlalchemy
from sqlalchemy import String, Uuid, column, select, table
from sqlalchemy.exc import SQLAlchemyError

from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import KEYS
from b2b_idp.store.functions import among
from b2b_idp.store.replicas import Replica
from b2b_idp.store.statements import Parameters, Prepared, Rows

_TOUCHED = table("touched", column("key", String), column("mark", Uuid))
_MARKS = Prepared(select(_TOUCHED.c.key, _TOUCHED.c.mark).where(among(_TOUCHED.c.key, "keys")))


class Stale(Exception):
    """The replica did not know, or not yet: what was read is void, and has to be read at the primary."""


class Routed(Connection):
    """The primary's connection in front of a replica's. What was asked of the replica is worth something only once
    `prove` has returned."""

    def __init__(self, connection: sqlalchemy.Connection, replica: Replica) -> None:
        super().__init__(connection)
        self._replica = replica
        self._asks = True
        self._open = ExitStack()
        self._beside: Connection | None = None
        self._keys: set[str] = set()

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        follow = statement.follow if isinstance(statement, Prepared) else None
        if follow is not None and self._asks:
            given: Parameters = {} if parameters is None else parameters
            rows = self._ask(statement, given)
            if follow.proves(rows.all()):
                self._keys.update(follow.keys(given, rows.all()))
                return rows
        elif self._asks and not statement.is_select and getattr(statement.table, "name", "") in KEYS:
            # what is read from now on has to show what is written here
            self._asks = False
        return super().execute(statement, parameters)

    def _ask(self, statement: Prepared, parameters: Parameters) -> Rows[Any]:
        try:
            if self._beside is None:
                beside = self._open.enter_context(self._replica.engine.connect())
                # undone, not committed: of a connection that was lost there is nothing to commit
                self._open.callback(beside.begin().rollback)
                self._beside = Connection(beside)
            rows = self._beside.execute(statement, parameters)
        except SQLAlchemyError as e:
            self._replica.lost(e)
            raise Stale from e
        self.asked_replica += 1
        return rows

    def is_behind(self) -> None:
        """Raises Stale."""
        raise Stale

    def prove(self) -> None:
        """Raises Stale unless everything that the replica said is what the primary says in this transaction."""
        if not self._keys or self._beside is None:
            return
        keys = {"keys": sorted(self._keys)}
        try:
            said = self._marks(self._beside.execute(_MARKS, keys))
        except SQLAlchemyError as e:
            self._replica.lost(e)
            raise Stale from e
        if said != self._marks(super().execute(_MARKS, keys)):
            raise Stale

    @staticmethod
    def _marks(rows: Iterable[Any]) -> dict[str, Any]:
        return {row.key: row.mark for row in rows}

    def close(self) -> None:
        """Lets go of the replica."""
        try:
            self._open.close()
        except SQLAlchemyError as e:
            self._replica.lost(e)
