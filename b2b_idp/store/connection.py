"""What readers and writers speak to: prepared statements to the driver itself, all others through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVarTuple, overload

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable
from sqlalchemy.sql.selectable import TypedReturnsRows

from b2b_idp.store import postgres, sqlite
from b2b_idp.store.failing import fail
from b2b_idp.store.statements import Form, Parameters, Prepared, Rows, said

_Columns = TypeVarTuple("_Columns")
_Given = Parameters | Sequence[Parameters] | None
_SAVEPOINT, _ROLLBACK, _RELEASE = map(said, ("SAVEPOINT part", "ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part"))


class Driver(Protocol):
    """What is said to the driver of one kind of database, without SQLAlchemy. Raises the driver's errors."""

    makes_trips: bool
    """Whether a statement goes to another process, so that two of them in one trip are cheaper."""

    def begun(self) -> None:
        """Makes sure that the transaction has begun."""

    def ask(self, form: Form, values: Sequence[Any]) -> tuple[list[Any], int]:
        """Runs a statement: its rows, and how many it changed."""

    def foresee(self, form: Form, values: Sequence[Any]) -> Callable[[], tuple[list[Any], int]]:
        """Runs a statement in the trip of the next that is asked; gives what tells as `ask` does."""

    def run(self, form: Form, values: Sequence[Any]) -> None:
        """Runs a statement; what goes wrong with it may be raised later in the transaction."""

    def run_each(self, form: Form, rows: Sequence[Sequence[Any]]) -> None:
        """Runs a statement once for each row of parameters."""


_NOTHING = None, None
_DRIVERS: Mapping[str, Callable[[sqlalchemy.Connection], Driver]] = {
    "sqlite": sqlite.Cursor,
    "postgresql": postgres.pipeline,
}


class Connection:
    """One transaction's connection. Raises as SQLAlchemy does, and Problem(BAD_REQUEST) for a text that no database
    can keep."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection
        self._driver: Driver = _DRIVERS[connection.dialect.name](connection)
        self.dialect: Dialect = connection.dialect
        self.asked = 0
        """How many readings this database was asked for."""
        self.asked_replica = 0
        """How many a replica was asked for in its place."""
        self._foreseen: dict[Prepared, tuple[Parameters, Callable[[], tuple[list[Any], int]]]] = {}
        self.written = 0
        """Another number each time that something may have been changed."""

    def foresee(self, statement: Prepared, parameters: Parameters) -> None:
        """Says that this statement is going to be run with these parameters: where statements are trips it is done now,
        in the trip of the next. What was read like that counts until something is written."""
        if not self._driver.makes_trips:
            return
        self._count(statement)
        form = statement.form(self.dialect)
        try:
            self._foreseen[statement] = parameters, self._driver.foresee(form, form.parameters(parameters))
        except Exception as e:
            fail(self._connection, form.sql, e)

    def _count(self, statement: Any) -> None:
        if statement.is_select:
            self.asked += 1
        else:
            self._changed()

    def _changed(self) -> None:
        """What was read before does not count any more."""
        self.written += 1
        self._foreseen.clear()

    @overload
    def execute(self, statement: Prepared, parameters: _Given = None) -> Rows[Any]: ...

    @overload
    def execute(self, statement: TypedReturnsRows[*_Columns], parameters: _Given = None) -> CursorResult[*_Columns]: ...

    @overload
    def execute(self, statement: Executable, parameters: _Given = None) -> CursorResult[*tuple[Any, ...]]: ...

    def execute(self, statement: Any, parameters: _Given = None) -> Any:
        """Runs one statement; with a list of parameters, once for each."""
        given = {} if parameters is None else parameters
        if self._foreseen:
            foreseen, said = self._foreseen.pop(statement, _NOTHING)
            if said is not None and foreseen == given:
                return self._said(statement.form(self.dialect), said)
        self._count(statement)
        if isinstance(statement, Prepared):
            return self._run(statement.form(self.dialect), given, awaited=statement.awaited)
        return self._by_sqlalchemy.execute(statement, parameters)

    def stream(self, statement: Executable, at_once: int) -> Iterator[Any]:
        """The rows of a SELECT without holding them all: `at_once` at a time."""
        yield from self._by_sqlalchemy.execute(statement, execution_options={"yield_per": at_once})

    def take_its_time(self) -> None:
        """Lifts the limits that requests have off this transaction; its database is closed behind it."""
        if self.dialect.name == "postgresql":
            postgres.patient(self._connection)
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                self._by_sqlalchemy.exec_driver_sql(f"SET LOCAL {name} = 0")

    def is_behind(self) -> None:
        """Told by a reader that has seen a later state before: worth nothing more where it was to be proved."""

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        """A part of the transaction that an exception undoes alone."""
        self._run(_SAVEPOINT, {})
        try:
            yield
            # what was not awaited goes wrong here at the latest
            self._run(_RELEASE, {})
        except BaseException:
            # a lost connection has lost its savepoints
            if not self._connection.invalidated:
                self._run(_ROLLBACK, {})
                self._run(_RELEASE, {})
                self._changed()
            raise

    @property
    def _by_sqlalchemy(self) -> sqlalchemy.Connection:
        """SQLAlchemy's own, within the transaction."""
        try:
            self._driver.begun()
        except Exception as e:
            fail(self._connection, "BEGIN", e)
        return self._connection

    def _said(self, form: Form, said: Callable[[], tuple[list[Any], int]]) -> Rows[Any]:
        """What was foreseen."""
        try:
            return Rows(*said())
        except Exception as e:
            fail(self._connection, form.sql, e)

    def _run(self, form: Form, parameters: _Given, awaited: bool = True) -> Rows[Any]:
        """One statement, or one for each of the parameters."""
        try:
            if not isinstance(parameters, Mapping):
                self._driver.run_each(form, [form.parameters(each) for each in parameters or ()])
            elif awaited:
                return Rows(*self._driver.ask(form, form.parameters(parameters)))
            else:
                self._driver.run(form, form.parameters(parameters))
        except Exception as e:
            fail(self._connection, form.sql, e)
        return Rows([])
