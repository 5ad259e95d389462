"""docs/membership-rules.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from b2b_idp.groups.rule import parse_rule
from b2b_idp.groups.vocabulary import OPERATORS, PLAN_MEMBERS, PROPERTIES
from b2b_idp.model.problem import Problem

MANUAL = (Path(__file__).parents[2] / "docs" / "membership-rules.md").read_text(encoding="utf-8")
EXAMPLES = [line for block in re.findall(r"```text\n(.*?)```", MANUAL, re.DOTALL) for line in block.splitlines()]
ERRORS = re.findall(r"^\| `(.+?)` \| (membershipRule: .+) \|$", MANUAL, re.MULTILINE)


@pytest.mark.parametrize("rule", EXAMPLES)
def test_each_rule_of_the_manual_is_one(rule: str) -> None:
    assert parse_rule(rule).text == rule


@pytest.mark.parametrize(("rule", "message"), ERRORS)
def test_each_message_of_the_manual_is_the_one_that_is_given(rule: str, message: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_rule(rule)
    assert refused.value.say == message


def test_the_manual_has_examples_and_errors() -> None:
    assert len(EXAMPLES) >= 10
    assert len(ERRORS) >= 7


def test_the_manual_names_every_property_and_operator() -> None:
    between = {f"extensionAttribute{n}" for n in range(2, 15)}
    names = {p.name for p in PROPERTIES.values()} - between
    names |= {f"assignedPlan.{m}" for m in PLAN_MEMBERS.values()}
    names |= {operator for operators in OPERATORS.values() for operator in operators}
    assert {n for n in names if f"`{n}`" not in MANUAL} == set()
