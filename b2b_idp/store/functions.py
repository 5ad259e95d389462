"""SQL functions that databases spell differently or lack, and the order of texts."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class fold(FunctionElement[str]):  # noqa: N801 - named as in SQL
    """A text without regard to case, as `str.casefold` has it."""

    name = "fold"
    type = String()
    inherit_cache = True


@compiles(fold, "postgresql")
def _fold_postgresql(element: fold, compiler: Any, **more: Any) -> str:
    return f"lower({compiler.process(element.clauses, **more)})"


@compiles(fold)
def _fold(element: fold, compiler: Any, **more: Any) -> str:
    return f"fold({compiler.process(element.clauses, **more)})"


def add_functions(connection: sqlite3.Connection) -> None:
    """Teaches a new connection the functions that SQLite lacks."""
    connection.create_function("fold", 1, lambda t: t.casefold() if isinstance(t, str) else None, deterministic=True)


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


def successor(start: str) -> str | None:
    """The least text behind all that begin with `start`, by code points; None when there is none."""
    while start:
        last = ord(start[-1])
        if last < 0x10FFFF:
            # surrogates are no characters
            return start[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
        start = start[:-1]
    return None
