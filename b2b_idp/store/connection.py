"""What readers and writers speak to: prepared statements on the driver's cursor, all others through SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NoReturn, TypeVarTuple, overload

import sqlalchemy
from sqlalchemy import CursorResult, Dialect, Executable
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.selectable import TypedReturnsRows

from b2b_idp.model.problem import Code, Problem
from b2b_idp.store import postgres
from b2b_idp.store.statements import Form, Parameters, Prepared, Rows, said

_Columns = TypeVarTuple("_Columns")
_Given = Parameters | Sequence[Parameters] | None
_SAVEPOINT, _ROLLBACK, _RELEASE = map(said, ("SAVEPOINT part", "ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part"))


class Connection:
    """One transaction's connection. Raises as SQLAlchemy does, and Problem(BAD_REQUEST) for a text that no database
    can keep."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection
        self.dialect: Dialect = connection.dialect
        self.asked = 0
        """How many readings this database was asked for."""
        self.asked_replica = 0
        """How many a replica was asked for in its place."""
        self.written = 0
        """Another number each time that something may have been changed."""

    @overload
    def execute(self, statement: Prepared, parameters: _Given = None) -> Rows[Any]: ...

    @overload
    def execute(self, statement: TypedReturnsRows[*_Columns], parameters: _Given = None) -> CursorResult[*_Columns]: ...

    @overload
    def execute(self, statement: Executable, parameters: _Given = None) -> CursorResult[*tuple[Any, ...]]: ...

    def execute(self, statement: Any, parameters: _Given = None) -> Any:
        """Runs one statement; with a list of parameters, once for each."""
        if statement.is_select:
            self.asked += 1
        else:
            self.written += 1
        if isinstance(statement, Prepared):
            return self._run(statement.form(self.dialect), {} if parameters is None else parameters)
        return self._connection.execute(statement, parameters)

    def stream(self, statement: Executable, at_once: int) -> Iterator[Any]:
        """The rows of a SELECT without holding them all: `at_once` at a time."""
        yield from self._connection.execute(statement, execution_options={"yield_per": at_once})

    def take_its_time(self) -> None:
        """Lifts the limits that requests have off this transaction; its database is closed behind it."""
        if self.dialect.name == "postgresql":
            postgres.patient(self._connection)
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                self._connection.exec_driver_sql(f"SET LOCAL {name} = 0")

    def is_behind(self) -> None:
        """Told by a reader that has seen a later state before: worth nothing more where it was to be proved."""

    @contextmanager
    def begin_nested(self) -> Iterator[None]:
        """A part of the transaction that an exception undoes alone."""
        self._run(_SAVEPOINT, {})
        try:
            yield
        except BaseException:
            # a lost connection has lost its savepoints
            if not self._connection.invalidated:
                self._run(_ROLLBACK, {})
                self._run(_RELEASE, {})
                self.written += 1
            raise
        self._run(_RELEASE, {})

    @cached_property
    def _cursor(self) -> Any:
        return self._connection.connection.cursor()

    def _run(self, form: Form, parameters: Parameters | Sequence[Parameters]) -> Rows[Any]:
        cursor = self._cursor
        given: Any
        if isinstance(parameters, Mapping):
            run, given = cursor.execute, form.parameters(parameters)
        else:
            run, given = cursor.executemany, [form.parameters(each) for each in parameters]
        try:
            run(form.sql, given)
            found = cursor.fetchall() if cursor.description else []
        except Exception as e:
            self._failed(form, e)
        return Rows(form.rows(found), cursor.rowcount)

    def _failed(self, form: Form, e: Exception) -> NoReturn:
        """Raises the driver's error as SQLAlchemy would, without the parameters, which no log may have."""
        refuse_what_is_no_text(e)
        errors: Any = self.dialect.loaded_dbapi.Error
        if not isinstance(e, errors):
            raise e
        raw = self._connection.connection.dbapi_connection
        gone = self.dialect.is_disconnect(e, raw, self._cursor)
        if gone:
            self._connection.invalidate(e)
        raise DBAPIError.instance(
            form.sql, None, e, errors, hide_parameters=True, connection_invalidated=gone, dialect=self.dialect
        ) from e


def refuse_what_is_no_text(cause: BaseException | None) -> None:
    """What somebody is looked up by may hold what no database can keep: PostgreSQL no NUL, none a lone surrogate."""
    if isinstance(cause, UnicodeEncodeError) or "NUL (0x00)" in str(cause):
        raise Problem(Code.BAD_REQUEST, "A text holds a character that cannot be kept.") from None
