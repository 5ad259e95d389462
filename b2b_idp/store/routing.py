"""A transaction at the primary that asks a replica what it may, and proves the answers before it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

from b2b_idp.store.connection import Connection
from b2b_idp.store.followed import KEYS, MARKS, NAMES, marks_in
from b2b_idp.store.replicas import Replica
from b2b_idp.store.statements import Marked, Parameters, Prepared, Rows

_MARKS = Prepared(MARKS)


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
        self._here: dict[str, str | None] = {}

    def foresee(self, statement: Prepared, parameters: Parameters) -> None:
        """Nothing: who is asked is found out when it is."""

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
        elif self._asks and isinstance(statement, Prepared) and statement.marked is not None:
            return self._with_marks(statement, statement.marked, parameters)
        return super().execute(statement, parameters)

    def _with_marks(self, statement: Prepared, marked: Marked, parameters: Parameters) -> Rows[Any]:
        """What the primary says to `statement`, the marks that it says beside it put aside. They are as good as if they
        were asked for at the end: nothing that has marks was written yet, and a transaction sees one state."""
        rows = super().execute(marked.statement, parameters).all()
        make = statement.form(self.dialect).row._make  # type: ignore[attr-defined]
        found = [make(row[:-1]) for row in rows]
        for row, plain in zip(rows, found, strict=True):
            keys = list(NAMES)
            if marked.person is not None:
                keys.append(parameters[marked.person] if marked.given else getattr(plain, marked.person))
            self._here |= dict.fromkeys(keys) | marks_in(row[-1])
        return Rows(found, len(found))

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
        try:
            said = _marks(self._beside.execute, self._keys)
        except SQLAlchemyError as e:
            self._replica.lost(e)
            raise Stale from e
        # the primary's part of the proof counts as well
        self.asked_replica += 1
        unseen = self._keys - self._here.keys()
        if unseen:
            self._here |= _marks(super().execute, unseen)
        if said != {key: self._here[key] for key in self._keys}:
            raise Stale

    def close(self) -> None:
        """Lets go of the replica."""
        try:
            self._open.close()
        except SQLAlchemyError as e:
            self._replica.lost(e)


def _marks(ask: Callable[[Prepared, Parameters], Rows[Any]], keys: Collection[str]) -> dict[str, str | None]:
    """The mark of each key; None where it has none, since nothing of it ever changed."""
    return dict.fromkeys(keys) | marks_in(ask(_MARKS, {"keys": sorted(keys)}).scalar())
