"""Filters over rows in memory. The store's SQL gives the same answers."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from b2b_idp.model.query import And, AnyOf, Compare, Filter, Not, OneOf, Or, Path, Search, TextTest, Value

Predicate = Callable[[Mapping[str, Any]], bool]
_Test = Callable[[Any], bool]

_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
}


def predicate(asked: Filter) -> Predicate:
    """Whether a row fulfils the filter."""
    return _test(asked)


def _test(asked: Filter) -> _Test:
    match asked:
        case Compare(path, "eq", value):
            return _at(path, _equals(value))
        case Compare(path, "ne", value):
            equals = _equals(value)
            return _at(path, lambda v: not equals(v))
        case Compare(path, op, value):
            return _at(path, _ordered(_ORDERED[op], value))
        case OneOf(path, values):
            tests = [_equals(v) for v in values]
            return _at(path, lambda v: any(t(v) for t in tests))
        case TextTest(path, op, text):
            holds, folded = _TEXT[op], text.casefold()
            return _at(path, lambda v: isinstance(v, str) and holds(v.casefold(), folded))
        case Search(path, text):
            word = " " + text.casefold()
            return _at(path, lambda v: isinstance(v, str) and word in " " + v.casefold())
        case AnyOf(path, inner):
            test = _test(inner)
            return _at(path, lambda v: isinstance(v, list | tuple) and any(test(e) for e in v))
        case Not(inner):
            test = _test(inner)
            return lambda row: not test(row)
        case And(terms):
            tests = [_test(t) for t in terms]
            return lambda row: all(t(row) for t in tests)
        case Or(terms):
            tests = [_test(t) for t in terms]
            return lambda row: any(t(row) for t in tests)


def _at(path: Path, test: _Test) -> _Test:
    return lambda row: test(value_at(row, path))


def value_at(row: Any, path: Path) -> Any:
    """What a path leads to, None where it leads nowhere."""
    for name in path:
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


def _equals(wanted: Value) -> _Test:
    form, expected = _alike(wanted)
    return lambda v: form(v) == expected


def _ordered(holds: Callable[[Any, Any], bool], wanted: Value) -> _Test:
    form, expected = _alike(wanted)
    if expected is None or isinstance(wanted, bool):
        return lambda v: False

    def test(v: Any) -> bool:
        value = form(v)
        return value is not None and holds(value, expected)

    return test


def _alike(wanted: Value) -> tuple[Callable[[Any], Any], Any]:
    """The form in which values compare with `wanted`, None for those of another type; and `wanted` in it."""
    match wanted:
        case None:
            return (lambda v: None if v is None else ...), None
        case bool():
            return (lambda v: v if isinstance(v, bool) else None), wanted
        case int() | float():
            return (lambda v: v if isinstance(v, int | float) and not isinstance(v, bool) else None), wanted
        case datetime():
            return _instant, wanted
        case str():
            return (lambda v: v.casefold() if isinstance(v, str) else None), wanted.casefold()


def _instant(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None
