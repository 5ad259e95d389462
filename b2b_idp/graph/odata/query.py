"""What a query makes of a list: the page that it asks for, and the link to the next one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from b2b_idp.graph.odata import skiptoken
from b2b_idp.graph.odata.options import DEFAULT_PAGE, LARGEST_PAGE, Query, parse_query
from b2b_idp.graph.odata.predicate import value_at
from b2b_idp.graph.odata.refusals import bad
from b2b_idp.keys.vault import Vault
from b2b_idp.model.query import KeyValue, Order

__all__ = ["DEFAULT_PAGE", "LARGEST_PAGE", "Query", "answered", "context_suffix", "page", "parse_query", "selected"]

Row = Mapping[str, Any]


def own_id(row: Row) -> str:
    """What a row is known by."""
    return str(row.get("id", row.get("tenantId", "")))


def page(
    rows: Sequence[Row],
    query: Query,
    context: str,
    base: str,
    vault: Vault,
    scope: str,
    *,
    order: tuple[Order, ...] = (),
    id_of: Callable[[Row], str] = own_id,
    more: Callable[[Row], Row] | None = None,
) -> dict[str, Any]:
    """A collection's answer out of all its rows: filtered, ordered, cut to a page.

    A page continues at a place in the list, not after a number of rows, so that rows which come or go between two
    pages neither repeat nor lose others. With $orderby, or the `order` that a collection declares for itself, rows
    stand in that order and then by id, and the place is the last row's values and id. Without, rows stand as they
    are given (by creation, newest first) and the place is between two rows: behind the last one shown or, when that
    has gone, at the one that followed it. When both have gone the place is lost, which is a 400 that says so.
    """
    orders = query.orders or order
    ordered = _sorted(rows, orders, id_of) if orders else list(rows)
    start = 0
    if query.after_key is not None:
        start = (
            _behind(ordered, orders, query.after_key, id_of) if orders else _between(ordered, query.after_key, id_of)
        )
    keeps = query.predicate or (lambda row: True)
    shown: list[Row] = []
    next_row: Row | None = None
    for row in ordered[start:]:
        if keeps(row):
            if len(shown) == query.top:
                next_row = row
                break
            shown.append(row)
    key: skiptoken.Key | None = None
    if next_row is not None:
        last = shown[-1]
        key = (*_values(last, orders), id_of(last)) if orders else (id_of(last), id_of(next_row))
    total = sum(1 for r in rows if keeps(r)) if query.count else None
    return answered(shown, query, context, base, vault, scope, last_key=key, total=total, more=more)


def answered(
    rows: Sequence[Row],
    query: Query,
    context: str,
    base: str,
    vault: Vault,
    scope: str,
    *,
    last_key: skiptoken.Key | None,
    total: int | None,
    more: Callable[[Row], Row] | None = None,
) -> dict[str, Any]:
    """A collection's answer out of the rows of one page, with an absolute link to the next if there is a `last_key`.

    `more` gives what $expand adds to a row, out of the whole row.
    """
    answer: dict[str, Any] = {"@odata.context": context + context_suffix(query.select, query.expand)}
    if total is not None:
        answer["@odata.count"] = total
    if last_key is not None:
        token = skiptoken.make(last_key, vault, scope, query.options)
        pairs = "&".join(f"{k}={quote(v, safe='')}" for k, v in [*query.options.items(), ("$skiptoken", token)])
        answer["@odata.nextLink"] = f"{base}?{pairs}"
    answer["value"] = [selected(r, query.select) | (dict(more(r)) if more else {}) for r in rows]
    return answer


def context_suffix(select: Sequence[str], expand: Mapping[str, Sequence[str]]) -> str:
    """What a context says of the properties chosen (OData 4.01 §10.7, §10.8): `(id,manager(displayName))`."""
    parts = [*select, *(f"{name}({','.join(inner)})" for name, inner in expand.items())]
    return f"({','.join(parts)})" if parts else ""


def selected(row: Row, select: Sequence[str]) -> dict[str, Any]:
    """The row, or of it what `$select` names; annotations stay."""
    if not select:
        return dict(row)
    return {k: v for k, v in row.items() if k in select or k.startswith("@odata.")}


def _values(row: Row, orders: Sequence[Order]) -> tuple[KeyValue, ...]:
    return tuple(_sort_value(value_at(row, o.path)) for o in orders)


def _sort_value(value: Any) -> KeyValue:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).casefold()


def _rank(value: KeyValue) -> tuple[int, Any]:
    """Values of all types in one order, null first."""
    if value is None:
        return 0, 0
    return (2, value) if isinstance(value, str) else (1, value)


def _sorted(rows: Sequence[Row], orders: Sequence[Order], id_of: Callable[[Row], str]) -> list[Row]:
    ordered = sorted(rows, key=id_of)
    for o in reversed(orders):
        ordered.sort(key=lambda r, path=o.path: _rank(_sort_value(value_at(r, path))), reverse=o.descending)  # type: ignore[misc]
    return ordered


def _behind(ordered: Sequence[Row], orders: Sequence[Order], key: skiptoken.Key, id_of: Callable[[Row], str]) -> int:
    """Where the rows behind a key begin."""
    if len(key) != len(orders) + 1:
        raise bad("$skiptoken is not one that this query gave.")

    def beyond(row: Row) -> bool:
        for value, limit, o in zip(_values(row, orders), key, orders, strict=False):
            if value != limit:
                return (_rank(value) > _rank(limit)) != o.descending
        return id_of(row) > str(key[-1])

    return next((n for n, row in enumerate(ordered) if beyond(row)), len(ordered))


def _between(ordered: Sequence[Row], key: skiptoken.Key, id_of: Callable[[Row], str]) -> int:
    """The place between a row that was the last of a page and the one that followed it."""
    if len(key) != 2:
        raise bad("$skiptoken is not one that this query gave.")
    last, following = key
    at: int | None = None
    for n, row in enumerate(ordered):
        if id_of(row) == last:
            return n + 1
        if id_of(row) == following:
            at = n
    if at is None:
        raise bad("The rows that this $skiptoken stands between are gone; begin again without it.")
    return at
