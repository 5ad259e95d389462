"""The laws of the rule language, for whatever rule and person there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rule_oracle import naive
from rule_worlds import AT, comparisons, people, trees

from b2b_idp.groups.index import RuleIndex
from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule
from b2b_idp.groups.syntax import And, Compare, DirectReports, Expression, MemberOf, Not, Or, Tree
from b2b_idp.groups.vocabulary import NEGATIONS, Field
from b2b_idp.model.problem import Code, Problem

CASES = 300 if os.environ.get("CI") else 100


def law(*strategies: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A property test, of thousands of cases where nobody waits for it."""
    return lambda test: settings(max_examples=CASES, deadline=None)(given(*strategies)(test))


def matches(tree: Tree, person: Person) -> bool:
    return parse_rule(str(tree)).matches(person, AT)


@law(trees)
def test_a_printed_rule_parses_to_the_same_rule(tree: Expression) -> None:
    assert parse_rule(str(tree)).tree == tree


@law(trees, people)
def test_a_rule_says_what_a_naive_reading_says(tree: Expression, person: Person) -> None:
    assert matches(tree, person) == naive(tree, person, AT)


@law(trees, people)
def test_an_explanation_has_the_same_answer(tree: Expression, person: Person) -> None:
    rule = parse_rule(str(tree))
    assert rule.explain(person, AT).document()["expressionResult"] == rule.matches(person, AT)


@law(trees, trees, people)
def test_not_and_or_are_those_of_logic(a: Expression, b: Expression, person: Person) -> None:
    in_a, in_b = matches(a, person), matches(b, person)
    assert matches(Not(a), person) == (not in_a)
    assert matches(And((a, b)), person) == (in_a and in_b)
    assert matches(Or((a, b)), person) == (in_a or in_b)
    assert matches(Not(And((a, b))), person) == matches(Or((Not(a), Not(b))), person)


@law(comparisons.filter(lambda c: c.operator in NEGATIONS), people)
def test_a_negative_operator_takes_exactly_the_others(tree: Compare, person: Person) -> None:
    """-ne is not -eq, -notContains not -contains, and so on, also where there is no value."""
    assert matches(tree, person) != matches(replace(tree, operator=NEGATIONS[tree.operator]), person)


@law(st.lists(trees, min_size=1, max_size=12), people)
def test_the_index_says_what_every_rule_says_alone(found: list[Expression], person: Person) -> None:
    rules = {f"g{n}": parse_rule(str(tree)) for n, tree in enumerate(found)}
    expected = {id for id, rule in rules.items() if rule.matches(person, AT)}
    assert RuleIndex(rules).groups_of(person, AT) == expected


@law(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.builds(MemberOf, st.lists(st.sampled_from("abcdefx"), min_size=1, max_size=2, unique=True).map(tuple))
        | st.builds(DirectReports, st.sampled_from(["m1", "m2"]))
        | trees,
    ),
    people,
)
def test_groups_of_groups_are_the_least_fixed_point(found: dict[str, Tree], person: Person) -> None:
    """Asking each rule again and again, with what is known so far, ends with what the index says at once."""
    rules = {id: parse_rule(str(tree)) for id, tree in found.items()}
    assigned = person.group_ids - rules.keys()
    inside: set[str] = set()
    for _ in range(len(rules) + 1):
        known = replace(person, group_ids=assigned | inside)
        inside |= {id for id, rule in rules.items() if rule.matches(known, AT)}
    assert RuleIndex(rules).groups_of(person, AT) == inside


REGEX = st.text(st.sampled_from("ab01()[]{}?*+|^$.-,:=!<>'\\\\PpdwSZxu#imnk L"), max_size=20)


@law(REGEX)
def test_any_pattern_is_matched_or_refused_with_a_place(pattern: str) -> None:
    try:
        parse_rule(str(Compare(Field("city"), "-match", pattern))).matches(Person("u1", {"city": "ab01 "}), AT)
    except Problem as problem:
        assert problem.say.startswith("membershipRule: line 1, column 18: found ")


PIECES = [
    *"user.mail user.othermails user.employeeHireDate -eq -in -any -not and null _ 1 Direct reports system.now".split(),
    *'" \' ` `" ( ) [ ] , \\ $ – 2026-01-01T'.split(),
]


@law(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_a_rule_or_refused_with_a_place(text: str) -> None:
    try:
        parse_rule(text)
    except Problem as problem:
        assert problem.code is Code.BAD_REQUEST
        assert problem.say.startswith("membershipRule: line ")
        assert problem.say.isprintable()
