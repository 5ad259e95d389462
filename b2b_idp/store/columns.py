"""What stands behind the properties that lists are asked by: kinds of SQL expressions and how each compares.

Every condition here is true or false of a row, never NULL, so that its negation gives exactly the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import String, and_, bindparam, false, literal, or_, true
from sqlalchemy.sql.elements import ColumnElement

from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.query import Comparison, KeyValue, TextOperation, Value
from b2b_idp.store.functions import fold, successor

Condition = ColumnElement[bool]

_SECOND = timedelta(seconds=1)
_END = datetime.max.replace(tzinfo=UTC)


def _compared(left: ColumnElement[Any], op: Comparison, right: ColumnElement[Any]) -> Condition:
    match op:
        case "lt":
            test = left < right
        case "le":
            test = left <= right
        case "gt":
            test = left > right
        case "ge":
            test = left >= right
        case _:
            test = left == right
    return and_(left.is_not(None), test)


@dataclass(frozen=True, slots=True)
class Text:
    """A text. `folded`: the expression holds it case folded already, and so its index serves."""

    expression: ColumnElement[Any]
    folded: bool = False
    takes = "a text in single quotes"

    @property
    def sort(self) -> ColumnElement[Any]:
        return self.expression if self.folded else fold(self.expression)

    def compare(self, op: Comparison, value: Value) -> Condition | None:
        return _compared(self.sort, op, literal(value.casefold(), String())) if isinstance(value, str) else None

    def test(self, op: TextOperation, text: str) -> Condition | None:
        start = text.casefold()
        if op == "startsWith":
            return self._starts(start)
        found = self.sort.endswith if op == "endsWith" else self.sort.contains
        return and_(self.sort.is_not(None), found(start, autoescape=True))

    def _starts(self, start: str) -> Condition:
        # a range, so that an index serves
        least, limit = self.sort >= literal(start, String()), successor(start)
        bounds = [least] if limit is None else [least, self.sort < literal(limit, String())]
        return and_(self.sort.is_not(None), *bounds)

    def search(self, text: str) -> Condition | None:
        word = text.casefold()
        return or_(self._starts(word), and_(self.sort.is_not(None), self.sort.contains(" " + word, autoescape=True)))


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few known words, each with its one spelling."""

    expression: ColumnElement[Any]
    words: Sequence[str]
    takes = "a text in single quotes"

    @property
    def sort(self) -> ColumnElement[Any]:
        return self.expression

    def compare(self, op: Comparison, value: Value) -> Condition | None:
        if not isinstance(value, str):
            return None
        wanted = value.casefold()
        tests: Mapping[str, Callable[[str], bool]] = {
            "lt": lambda w: w < wanted,
            "le": lambda w: w <= wanted,
            "gt": lambda w: w > wanted,
            "ge": lambda w: w >= wanted,
        }
        return self._those(tests.get(op, lambda w: w == wanted))

    def test(self, op: TextOperation, text: str) -> Condition | None:
        wanted = text.casefold()
        tests: Mapping[TextOperation, Callable[[str], bool]] = {
            "startsWith": lambda w: w.startswith(wanted),
            "endsWith": lambda w: w.endswith(wanted),
            "contains": lambda w: wanted in w,
        }
        return self._those(tests[op])

    def search(self, text: str) -> Condition | None:
        return self._those(lambda w: " " + text.casefold() in " " + w)

    def _those(self, holds: Callable[[str], bool]) -> Condition:
        found = [w for w in self.words if holds(w.casefold())]
        return and_(self.expression.is_not(None), self.expression.in_(found)) if found else false()


class _NoText:
    __slots__ = ()

    def test(self, op: TextOperation, text: str) -> Condition | None:
        return None

    def search(self, text: str) -> Condition | None:
        return None


@dataclass(frozen=True, slots=True)
class Time(_NoText):
    """An instant, known to the whole second that callers are shown."""

    expression: ColumnElement[Any]
    takes = "a time, 2026-01-31T10:00:00Z without quotes"

    @property
    def sort(self) -> ColumnElement[Any]:
        return self.expression

    def compare(self, op: Comparison, value: Value) -> Condition | None:
        if not isinstance(value, datetime):
            return None
        second = value.replace(microsecond=0)
        whole = second == value
        after = second + _SECOND if second <= _END - _SECOND else _END
        first = second if whole else after
        """The first second that is not before `value`."""
        at = self.expression
        match op:
            case "ge":
                test = at >= first
            case "gt":
                test = at >= after
            case "lt":
                test = at < first
            case "le":
                test = at < after
            case _:
                test = and_(at >= second, at < after) if whole else false()
        return and_(at.is_not(None), test)


@dataclass(frozen=True, slots=True)
class Flag(_NoText):
    """True or false."""

    expression: ColumnElement[Any]
    takes = "true or false"

    @property
    def sort(self) -> ColumnElement[Any]:
        return self.expression

    def compare(self, op: Comparison, value: Value) -> Condition | None:
        if not isinstance(value, bool):
            return None
        return self.expression.is_(value) if op == "eq" else false()


@dataclass(frozen=True, slots=True)
class Number(_NoText):
    expression: ColumnElement[Any]
    takes = "a number"

    @property
    def sort(self) -> ColumnElement[Any]:
        return self.expression

    def compare(self, op: Comparison, value: Value) -> Condition | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return _compared(self.expression, op, literal(value))


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts in a JSON document."""

    expression: ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class One:
    """A list that always has one element, whose properties are `inner`."""

    inner: Mapping[str, Column] = field(default_factory=dict)


Scalar = Text | Word | Time | Flag | Number
Column = Scalar | Texts | One
Columns = Mapping[str, Column]
"""Graph's path of a property (`department`, `status/errorCode`) → what stands behind it."""


def key_value(value: Any) -> KeyValue:
    """A sort column's value as keys carry it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def of_key(column: Scalar, value: KeyValue) -> ColumnElement[Any]:
    """A key's value as SQL. Raises Problem(BAD_REQUEST) when it is not of the column's type."""
    kept: Any = value
    try:
        if isinstance(column, Time):
            kept = datetime.fromisoformat(str(value))
    except ValueError:
        raise Problem(Code.BAD_REQUEST, "$skiptoken is not one that this query gave.") from None
    return bindparam(None, kept, type_=column.sort.type)


ALWAYS: Condition = true()
