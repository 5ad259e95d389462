"""SQL functions that databases spell differently or lack, and the order of texts."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from typing import Any

from sqlalchemy import JSON, ColumnElement, Dialect, String, Table, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine


class fold(FunctionElement[str]):  # noqa: N801 - named as in SQL
    """A text without regard to case, as `str.casefold` has it."""

    name = "fold"
    type = String()
    inherit_cache = True


@compiles(fold, "postgresql")
def _fold_postgresql(element: fold, compiler: Any, **more: Any) -> str:
    return f'(fold({compiler.process(element.clauses, **more)}) COLLATE "C")'


@compiles(fold)
def _fold(element: fold, compiler: Any, **more: Any) -> str:
    return f"fold({compiler.process(element.clauses, **more)})"


def add_functions(connection: sqlite3.Connection) -> None:
    """Teaches a new connection the functions that SQLite lacks."""
    connection.create_function("fold", 1, lambda t: t.casefold() if isinstance(t, str) else None, deterministic=True)


def postgresql_fold() -> str:
    """The statement that teaches PostgreSQL `fold`: lower case by ICU, then what case folding does beyond it."""
    beyond = {c: c.casefold() for c in map(chr, range(0x110000)) if c.lower() == c != c.casefold()}
    alone = {c: f for c, f in beyond.items() if len(f) == 1}
    folded = f"translate(lower($1 COLLATE \"und-x-icu\"), '{''.join(alone)}', '{''.join(alone.values())}')"
    for letter, letters in beyond.items():
        if letter not in alone:
            folded = f"replace({folded}, '{letter}', '{letters}')"
    return (
        "CREATE OR REPLACE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE "
        f"AS $fold$ SELECT {folded} $fold$"
    )


class parsed(FunctionElement[Any]):  # noqa: N801
    """The JSON document that a text is."""

    name = "parsed"
    type = JSON()
    inherit_cache = True


@compiles(parsed, "postgresql")
def _parsed_postgresql(element: parsed, compiler: Any, **more: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **more)} AS JSON)"


@compiles(parsed)
def _parsed(element: parsed, compiler: Any, **more: Any) -> str:
    return str(compiler.process(element.clauses, **more))


class elements(FunctionElement[str]):  # noqa: N801
    """The elements of a list in a JSON document, as rows with one column `value`."""

    name = "elements"
    inherit_cache = True


@compiles(elements, "postgresql")
def _elements_postgresql(element: elements, compiler: Any, **more: Any) -> str:
    document = f"CAST({compiler.process(element.clauses, **more)} AS JSONB)"
    return f"jsonb_array_elements_text(CASE jsonb_typeof({document}) WHEN 'array' THEN {document} ELSE '[]'::jsonb END)"


@compiles(elements)
def _elements(element: elements, compiler: Any, **more: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **more)})"


class spaced(FunctionElement[str]):  # noqa: N801
    """All values of a column that holds no spaces, such as ids, in one text with spaces between them; NULL where there
    is no row."""

    name = "spaced"
    type = String()
    inherit_cache = True


@compiles(spaced, "postgresql")
def _spaced_postgresql(element: spaced, compiler: Any, **more: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **more)}, ' ')"


@compiles(spaced)
def _spaced(element: spaced, compiler: Any, **more: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **more)}, ' ')"


class Texts(TypeDecorator[Collection[str]]):
    """A list of texts as one parameter."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.ARRAY(String()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Collection[str] | None, dialect: Dialect) -> Any:
        listed = list(value or ())
        return listed if dialect.name == "postgresql" else json.dumps(listed)


class unfolded(FunctionElement[str]):  # noqa: N801
    """The texts of a list, as IN takes them."""

    name = "unfolded"
    inherit_cache = True


@compiles(unfolded, "postgresql")
def _unfolded_postgresql(element: unfolded, compiler: Any, **more: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **more)}))"


@compiles(unfolded)
def _unfolded(element: unfolded, compiler: Any, **more: Any) -> str:
    rows = compiler.process(element.clauses, **more)
    return f"(SELECT value FROM json_each({rows}))"  # noqa: S608


def among(looked_up: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Whether a column is one of the texts in the parameter `name`, a list: the same text of SQL for any number."""
    return looked_up.bool_op("IN")(unfolded(bindparam(name, type_=Texts())))


def upsert_into(table: Table, dialect: Dialect) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say what happens to a row that is there: both databases can, SQLAlchemy has it for each."""
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)


def successor(start: str) -> str | None:
    """The least text behind all that begin with `start`, by code points; None when there is none."""
    while start:
        last = ord(start[-1])
        if last < 0x10FFFF:
            # surrogates are no characters
            return start[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        start = start[:-1]
    return None
