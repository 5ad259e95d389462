"""What a caller asks of a list: which rows, in what order, from where on. Pure values, known to edge and store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Path = tuple[str, ...]
"""A property and what lies within it; inside an AnyOf relative to the element, which is the empty path."""
Value = str | int | float | bool | datetime | None
"""A literal. Times are aware."""
KeyValue = str | int | float | bool | None
"""A value of a key: what JSON can hold."""
Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
TextOperation = Literal["startsWith", "endsWith", "contains"]


@dataclass(frozen=True, slots=True)
class Compare:
    """Texts compare without regard to case, times as instants. A missing value is null: equal to null, unequal to
    everything else, neither less nor greater than anything."""

    path: Path
    op: Comparison
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equal to one of the values."""

    path: Path
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TextTest:
    """A text begins with, ends with or contains another, without regard to case."""

    path: Path
    op: TextOperation
    value: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some element of a list fulfils `inner`."""

    path: Path
    inner: Filter


@dataclass(frozen=True, slots=True)
class Search:
    """A word of the text begins so, without regard to case."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Not:
    inner: Filter


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms; always true when there are none."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]


Filter = Compare | OneOf | TextTest | AnyOf | Search | Not | And | Or
"""True or false of every row, never unknown: `Not` gives exactly the others."""


def heads(asked: Filter) -> frozenset[str]:
    """First segments of all paths: the row's own properties that a filter names."""
    match asked:
        case Not(inner):
            return heads(inner)
        case And(terms) | Or(terms):
            return frozenset().union(*(heads(t) for t in terms))
        case _:
            return frozenset(asked.path[:1])


@dataclass(frozen=True, slots=True)
class Order:
    """Nulls come before everything else, and last when descending."""

    path: Path
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list. Rows stand in `order`, those that are equal in it by id.

    `after` is the key of the row before the page: its value for each `order`, then its id. It names a place, not a
    number of rows, so that what is added or removed meanwhile neither repeats nor loses another row.
    """

    filter: Filter | None = None
    order: tuple[Order, ...] = ()
    search: Filter | None = None
    after: tuple[KeyValue, ...] | None = None
    top: int = 100
    count: bool = False
