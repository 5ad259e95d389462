"""Lists asked by filter, order and place: the one translation of queries to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, String, and_, false, func, not_, or_, select
from sqlalchemy import column as column_
from sqlalchemy.sql.elements import ColumnElement

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import (
    And,
    AnyOf,
    Compare,
    Filter,
    KeyValue,
    Listing,
    Not,
    OneOf,
    Or,
    Path,
    Search,
    TextTest,
    Value,
)
from b2b_idp.store.columns import (
    ALWAYS,
    Column,
    Columns,
    Condition,
    Flag,
    Number,
    One,
    Scalar,
    Text,
    Texts,
    Time,
    Word,
    key_value,
    of_key,
)
from b2b_idp.store.connection import Connection
from b2b_idp.store.functions import elements

__all__ = ["Columns", "Flag", "Number", "One", "Page", "Text", "Texts", "Time", "Word", "listing", "where"]

_KEY = "key of page "


@dataclass(frozen=True, slots=True)
class Page:
    """Rows by column name. `last_key` is where the next page begins, None on the last one; `total` counts all rows
    that match, when asked."""

    rows: Sequence[dict[str, Any]]
    last_key: tuple[KeyValue, ...] | None
    total: int | None


def where(asked: Filter, columns: Columns) -> Condition:
    """The rows that a filter means.

    Raises Problem(UNSUPPORTED_QUERY) for a path without column, Problem(BAD_REQUEST) for a value that its property
    cannot have.
    """
    match asked:
        case Compare(path, "ne", value):
            return not_(_equal(path, value, columns))
        case Compare(path, "eq", value):
            return _equal(path, value, columns)
        case Compare(path, op, value):
            column = _scalar(path, columns)
            return false() if value is None else _possible(column.compare(op, value), path, column)
        case OneOf(path, values):
            return or_(false(), *(_equal(path, v, columns) for v in values))
        case TextTest(path, op, text):
            column = _scalar(path, columns)
            return _possible(column.test(op, text), path, column)
        case Search(path, text):
            column = _scalar(path, columns)
            return _possible(column.search(text), path, column)
        case AnyOf(path, inner):
            return _any(path, inner, columns)
        case Not(inner):
            return not_(where(inner, columns))
        case And(terms):
            return and_(ALWAYS, *(where(t, columns) for t in terms))
        case Or(terms):
            return or_(false(), *(where(t, columns) for t in terms))


def listing(
    connection: Connection, rows: Select[Any], columns: Columns, id_column: ColumnElement[str], asked: Listing
) -> Page:
    """One page out of `rows`, a SELECT that has neither order nor limit. Raises as `where` does."""
    for asked_for in (asked.filter, asked.search):
        if asked_for is not None:
            rows = rows.where(where(asked_for, columns))
    total = None
    if asked.count:
        total = connection.execute(rows.with_only_columns(func.count(), maintain_column_froms=True)).scalar_one()
    order = [(_scalar(o.path, columns), o.descending) for o in asked.order]
    order.append((Text(id_column, folded=True), False))
    page = rows.add_columns(*(c.sort.label(f"{_KEY}{n}") for n, (c, _) in enumerate(order)))
    if asked.after is not None:
        page = page.where(_behind(order, asked.after))
    page = page.order_by(
        *(c.sort.desc().nulls_last() if descending else c.sort.asc().nulls_first() for c, descending in order)
    ).limit(asked.top + 1)
    found = [dict(r) for r in connection.execute(page).mappings()]
    keys = [tuple(key_value(row.pop(f"{_KEY}{n}")) for n in range(len(order))) for row in found]
    more = len(found) > asked.top
    return Page(found[: asked.top], keys[asked.top - 1] if more else None, total)


def _behind(order: Sequence[tuple[Scalar, bool]], key: Sequence[KeyValue]) -> Condition:
    """The rows behind a key: equal to it in some of the order's first columns, then beyond it."""
    if len(key) != len(order):
        raise Problem(Code.BAD_REQUEST, "$skiptoken is not one that this query gave.")
    found: list[Condition] = []
    equal: list[Condition] = []
    for (column, descending), value in zip(order, key, strict=True):
        at = column.sort
        beyond: Condition
        same: Condition
        if value is None:
            beyond = false() if descending else at.is_not(None)
            same = at.is_(None)
        else:
            limit = of_key(column, value)
            beyond = or_(at < limit, at.is_(None)) if descending else at > limit
            same = at == limit
        found.append(and_(*equal, beyond))
        equal.append(same)
    first, descending = order[0]
    # implied by the others, and what lets an index begin at the key
    bound = ALWAYS if descending or key[0] is None else first.sort >= of_key(first, key[0])
    return and_(bound, or_(*found))


def _column(path: Path, columns: Columns) -> Column:
    column = columns.get("/".join(path))
    if column is None:
        raise Problem(Code.UNSUPPORTED_QUERY, f"Lists cannot be asked by {_name(path)} here.")
    return column


def _name(path: Path) -> str:
    return "/".join(path)[:80] or "the element itself"


def _scalar(path: Path, columns: Columns) -> Scalar:
    column = _column(path, columns)
    if isinstance(column, Texts | One):
        raise Problem(Code.UNSUPPORTED_QUERY, f"{_name(path)} is a list: ask for it by any().")
    return column


def _possible(condition: Condition | None, path: Path, column: Scalar) -> Condition:
    if condition is None:
        raise Problem(Code.BAD_REQUEST, f"$filter: {_name(path)} compares with {column.takes}.")
    return condition


def _equal(path: Path, value: Value, columns: Columns) -> Condition:
    column = _scalar(path, columns)
    if value is None:
        return column.sort.is_(None)
    return _possible(column.compare("eq", value), path, column)


def _any(path: Path, inner: Filter, columns: Columns) -> Condition:
    column = _column(path, columns)
    if isinstance(column, One):
        return where(inner, column.inner)
    if not isinstance(column, Texts):
        raise Problem(Code.UNSUPPORTED_QUERY, f"{_name(path)} is no list: any() is for lists.")
    each = elements(column.expression).table_valued(column_("value", String))
    element: Columns = {"": Text(each.c.value)}
    return select(1).select_from(each).where(each.c.value.is_not(None), where(inner, element)).exists()
