"""Syntax tree → closure. Two-valued: a missing value equals null and no text, and a negation is true wherever its
positive is false (docs/membership-rules.md)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from b2b_idp.groups.pattern import compiled
from b2b_idp.groups.person import Person
from b2b_idp.groups.syntax import And, Compare, DirectReports, Each, Expression, MemberOf, Not, Now, Or, Tree, Value
from b2b_idp.groups.vocabulary import NEGATIONS

Predicate = Callable[[Person, datetime], bool]
Test = Callable[[Any, datetime], bool]
"""Of a person, or of an element of one of their collections: both have `folded` and `written`."""


def predicate_of(tree: Tree) -> Predicate:
    """What decides whether a person is in."""
    match tree:
        case MemberOf():
            ids = frozenset(tree.group_ids)
            return lambda person, at: not ids.isdisjoint(person.group_ids)
        case DirectReports():
            return lambda person, at: person.manager_id is not None and person.manager_id.lower() == tree.manager_id
        case _:
            return test_of(tree)


def test_of(tree: Expression) -> Test:
    """What decides whether an expression is true of a person or element."""
    match tree:
        case Compare():
            return _compare(tree)
        case Each():
            return _each(tree)
        case Not():
            inner = test_of(tree.inner)
            return lambda who, at: not inner(who, at)
        case And():
            every = tuple(map(test_of, tree.parts))
            return lambda who, at: all(test(who, at) for test in every)
        case Or():
            some = tuple(map(test_of, tree.parts))
            return lambda who, at: any(test(who, at) for test in some)


def _each(tree: Each) -> Test:
    name, body = tree.property.casefold(), test_of(tree.body)
    if tree.quantifier == "-any":
        return lambda who, at: any(body(element, at) for element in who.elements(name))
    return lambda who, at: all(body(element, at) for element in who.elements(name))


def _compare(tree: Compare) -> Test:
    positive = NEGATIONS.get(tree.operator)
    if positive:
        holds = _compare(replace(tree, operator=positive))
        return lambda who, at: not holds(who, at)
    if tree.over_elements:  # a bare collection: any element
        return _each(Each(tree.field.name, "-any", replace(tree, inside=True)))
    key, value = tree.key, tree.value
    if tree.operator == "-match":
        found = compiled(str(value))
        if not key:
            return lambda who, at: found(who.written)
        return lambda who, at: (v := who.written.get(key)) is not None and found(v)
    test = _test(tree.operator, value)
    if not key:
        return lambda who, at: test(who.folded, at)
    if value is None:
        return lambda who, at: key not in who.folded
    return lambda who, at: (v := who.folded.get(key)) is not None and test(v, at)


def _test(operator: str, value: Value) -> Test:
    """What is asked of a folded value that is there."""
    match operator, value:
        case "-eq", str():
            wanted = value.casefold()
            return lambda v, at: bool(v == wanted)
        case "-startsWith", str():
            start = value.casefold()
            return lambda v, at: bool(v.startswith(start))
        case "-endsWith", str():
            end = value.casefold()
            return lambda v, at: bool(v.endswith(end))
        case "-contains", str():
            part = value.casefold()
            return lambda v, at: part in v
        case "-in", tuple():
            among = frozenset(v.casefold() for v in value)
            return lambda v, at: v in among
        case "-eq", Now():
            return lambda v, at: bool(v == value.at(at))
        case "-le", Now():
            return lambda v, at: bool(v <= value.at(at))
        case "-ge", Now():
            return lambda v, at: bool(v >= value.at(at))
        case "-le", datetime():
            return lambda v, at: bool(v <= value)
        case "-ge", datetime():
            return lambda v, at: bool(v >= value)
        case _:  # -eq with a Boolean, a time, or null, which no element of a collection is
            return lambda v, at: bool(v == value)
