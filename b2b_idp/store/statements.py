"""Statements that are written once: compiled once a kind of database, then run on the driver's own cursor."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Delete,
    Dialect,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    insert,
)
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.types import TypeEngine

from b2b_idp.store.followed import Follow, marks_beside

Parameters = Mapping[str, Any]
Statement = Select[Any] | CompoundSelect[Any] | Insert | Update | Delete
T = TypeVar("T")
_Convert = Callable[[Any], Any]
_NAMED = re.compile(r"%\((.+?)\)s|%%")


class Prepared:
    """A statement whose text never changes: all that does is in its `bindparam`s. A list to look in is one parameter
    (`functions.among`), since IN has as many as the list is long."""

    __slots__ = ("_forms", "_statement", "awaited", "follow", "is_select", "marked")

    def __init__(
        self,
        statement: Statement,
        follow: Follow | None = None,
        marked: Marked | None = None,
        *,
        awaited: bool = True,
    ) -> None:
        """`follow`: what proves a replica's answer; without it only the primary is asked. `marked`: the same reading
        with marks beside it. What is not `awaited` gives nothing that anybody looks at: what is wrong with it may be
        raised by a later statement, or by the COMMIT."""
        self._statement = statement
        self._forms: dict[str, Form] = {}
        self.is_select = statement.is_select
        self.follow = follow
        self.marked = marked
        self.awaited = awaited

    @property
    def table(self) -> Any:
        """The table that a statement writes to."""
        return self._statement.table  # type: ignore[union-attr]

    def form(self, dialect: Dialect) -> Form:
        """As it is said to this kind of database."""
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _form(self._statement, dialect)
        return form


@dataclass(frozen=True, slots=True)
class Marked:
    """A reading of the primary that has, in a last column, the marks by which a replica's answers are going to be
    proved: one trip in the place of two. `person`: the column, or the parameter, that says whom a row is about."""

    statement: Prepared
    person: str | None
    given: bool
    """Whether it is a parameter."""


def consumed(statement: Select[Any] | ReturningUpdate[Any], person: ColumnElement[str] | None = None) -> Prepared:
    """What a step consumes, read or changed and told: by the primary alone, and of one row at most."""
    marks = marks_beside(person).label("marks")
    with_marks = statement.add_columns(marks) if isinstance(statement, Select) else statement.returning(marks)
    given = isinstance(person, BindParameter)
    return Prepared(statement, marked=Marked(Prepared(with_marks), None if person is None else person.key, given))


def insert_into(table: Table, columns: Iterable[str], *, awaited: bool = True) -> Prepared:
    """An INSERT of rows that give exactly these columns."""
    return Prepared(insert(table).values({name: bindparam(name) for name in columns}), awaited=awaited)


@dataclass(frozen=True, slots=True)
class Form:
    """A statement in one database's words, its parameters numbered. `binds`: parameters in order, each with what makes
    it the driver's; `constants` are those that the statement itself gives."""

    sql: str
    binds: Sequence[tuple[str, _Convert | None]]
    constants: Parameters
    row: type[tuple[Any, ...]]
    results: Sequence[tuple[int, _Convert]]
    """What makes a column's value ours, by position."""
    encoded: bytes
    """The SQL, as it goes over a wire."""

    def parameters(self, given: Parameters) -> list[Any]:
        """As the driver takes them."""
        if self.constants:
            given = {**self.constants, **given}
        return [given[name] if convert is None else convert(given[name]) for name, convert in self.binds]

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """Rows with an attribute a column."""
        if not found:
            return []
        make: Callable[[Iterable[Any]], Any] = self.row._make  # type: ignore[attr-defined]
        if not self.results:
            return [make(row) for row in found]
        made = []
        for row in found:
            values = list(row)
            for n, convert in self.results:
                values[n] = convert(values[n])
            made.append(make(values))
        return made


def said(sql: str) -> Form:
    """SQL that every database is told in the same words, without parameters or rows."""
    return Form(sql, binds=(), constants={}, row=tuple, results=(), encoded=sql.encode())


class Rows(Generic[T]):
    """What a statement gave; `rowcount` is how many rows it changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[T], rowcount: int = -1) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[T]:
        return iter(self._rows)

    def all(self) -> list[T]:
        return self._rows

    def first(self) -> T | None:
        return self._rows[0] if self._rows else None

    def one(self) -> T:
        if len(self._rows) > 1:
            raise MultipleResultsFound("more rows than one")
        if not self._rows:
            raise NoResultFound("no row")
        return self._rows[0]

    def scalar(self: Rows[Any]) -> Any:
        """The first column of the first row, None when there is no row."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self: Rows[Any]) -> Any:
        return self.one()[0]

    def scalars(self: Rows[Any]) -> Rows[Any]:
        """The first column of each row."""
        return Rows([row[0] for row in self._rows])

    def mappings(self: Rows[Any]) -> Rows[dict[str, Any]]:
        """Rows by column name."""
        return Rows([row._asdict() for row in self._rows])


def _form(statement: Statement, dialect: Dialect) -> Form:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    order = (compiled.positiontup or ()) if compiled.positional else tuple(binds)
    sql = str(compiled) if compiled.positional else _numbered(str(compiled), order)
    columns = list(statement.exported_columns)
    results = ((n, _from_driver(column.type, dialect)) for n, column in enumerate(columns))
    return Form(
        sql=sql,
        binds=[(name, binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in order],
        constants={name: bind.effective_value for name, bind in binds.items() if not bind.required},
        row=namedtuple("Row", [str(column.key) for column in columns], rename=True),
        results=[(n, convert) for n, convert in results if convert is not None],
        encoded=sql.encode(),
    )


def _numbered(sql: str, names: Sequence[str]) -> str:
    """SQL with `$1` in the place of a `%(name)s`: as PostgreSQL itself has parameters."""
    return _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}" if found[1] else "%", sql)


def _from_driver(type_: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    return type_.dialect_impl(dialect).result_processor(dialect, None)
