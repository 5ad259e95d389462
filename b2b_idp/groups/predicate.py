"""Syntax tree → closure. Two-valued: a missing value equals null and no text, and a negation is true wherever its
positive is false (docs/membership-rules.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, assert_never

from b2b_idp.groups.pattern import compiled
from b2b_idp.groups.person import Person
from b2b_idp.groups.syntax import And, Compare, DirectReports, Each, Expression, MemberOf, Not, Now, Or, Tree
from b2b_idp.groups.vocabulary import NEGATIONS

Predicate = Callable[[Person, datetime], bool]
Test = Callable[[Any, datetime], bool]
"""Of one folded value, None where there is none."""


def predicate_of(tree: Tree) -> Predicate:
    """What decides whether a person is in."""
    match tree:
        case MemberOf():
            ids = frozenset(tree.group_ids)
            return lambda person, at: not ids.isdisjoint(person.group_ids)
        case DirectReports():
            return lambda person, at: person.manager_id is not None and person.manager_id.lower() == tree.manager_id
        case _:
            holds = element_predicate(tree)
            return lambda person, at: holds(person.folded, at)


def element_predicate(tree: Expression) -> Test:
    """The predicate over `Person.folded`, or over one element of a collection."""
    match tree:
        case Compare():
            return _compare(tree)
        case Each():
            return _each(tree)
        case Not():
            inner = element_predicate(tree.inner)
            return lambda values, at: not inner(values, at)
        case And():
            every = tuple(map(element_predicate, tree.parts))
            return lambda values, at: all(p(values, at) for p in every)
        case Or():
            some = tuple(map(element_predicate, tree.parts))
            return lambda values, at: any(p(values, at) for p in some)
        case _:
            assert_never(tree)


def _compare(tree: Compare) -> Test:
    positive = NEGATIONS.get(tree.operator)
    if positive:
        holds = _compare(Compare(tree.field, positive, tree.value, tree.inside))
        return lambda values, at: not holds(values, at)
    test = _test(tree)
    if tree.inside:
        if not tree.field.member:
            return test
        member = tree.field.member.casefold()
        return lambda element, at: test(element.get(member), at)
    key = tree.field.key
    if key in ("othermails", "proxyaddresses") and tree.value is not None:
        return lambda values, at: any(test(v, at) for v in values.get(key, ()))
    return lambda values, at: test(values.get(key), at)


def _test(tree: Compare) -> Test:
    value = tree.value
    match tree.operator, value:
        case "-eq", str():
            wanted = value.casefold()
            return lambda v, at: v == wanted
        case "-eq", Now():
            return lambda v, at: v == value.at(at)
        case "-eq", _:
            return lambda v, at: v == value
        case "-startsWith", str():
            start = value.casefold()
            return lambda v, at: v is not None and v.startswith(start)
        case "-endsWith", str():
            end = value.casefold()
            return lambda v, at: v is not None and v.endswith(end)
        case "-contains", str():
            part = value.casefold()
            return lambda v, at: v is not None and part in v
        case "-match", str():
            found = compiled(value)
            return lambda v, at: v is not None and found(v)
        case "-in", tuple():
            among = frozenset(v.casefold() for v in value)
            return lambda v, at: v in among
        case "-le", Now():
            return lambda v, at: v is not None and v <= value.at(at)
        case "-ge", Now():
            return lambda v, at: v is not None and v >= value.at(at)
        case "-le", datetime():
            return lambda v, at: v is not None and v <= value
        case "-ge", datetime():
            return lambda v, at: v is not None and v >= value
    raise AssertionError(f"the parser lets no {tree.operator} through with {value!r}")


def _each(tree: Each) -> Test:
    key, body = tree.property.casefold(), element_predicate(tree.body)
    if tree.quantifier == "-any":
        return lambda values, at: any(body(e, at) for e in values.get(key, ()))
    return lambda values, at: all(body(e, at) for e in values.get(key, ()))


def elements(values: Mapping[str, Any], property: str) -> tuple[Any, ...]:
    """The elements of a collection, none where it is missing."""
    found: tuple[Any, ...] = values.get(property.casefold(), ())
    return found
