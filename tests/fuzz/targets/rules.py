"""Membership rules: read, asked of people, explained, and put into an index among others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.problem import Problem
from tests.fuzz.mutation import Mutator

SEEDS = [r["rule"] for r in json.loads((Path(__file__).parents[2] / "groups" / "samples.json").read_text())["rules"]]
WORDS = (
    "user.department user.mail user.otherMails user.assignedPlans user.accountEnabled user.memberof user.objectId "
    "-eq -ne -match -notMatch -in -notIn -contains -startsWith -any -all -and -or -not _ null true system.now "
    "(a+)+$ (?=x) [[:alpha:]] \\p{L} (?i)x a{1000} .*.*.* $null -le -ge p1d "
    "direct reports for extension_0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a_level"
).split()
AT = datetime(2026, 6, 1, tzinfo=UTC)
PEOPLE = (
    Person(
        "6b2f0c1e-0000-4000-8000-000000000001",
        {
            "department": "Sales",
            "country": "US",
            "mail": "alice@fabrikam.example",
            "accountenabled": True,
            "othermails": ("alice@fabrikam.example", "s" * 200),
            "employeehiredate": AT,
            "assignedplans": ({"serviceplanid": "a", "capabilitystatus": "Enabled"},),
        },
    ),
    Person("6b2f0c1e-0000-4000-8000-000000000002"),
)


class Rules:
    def make(self, random: Random) -> str:
        edit = Mutator(random, WORDS)
        text = random.choice(SEEDS)
        if edit.often(0.3):
            text = f"({text}) {random.choice(('-and', '-or', 'and', '-not'))} ({random.choice(SEEDS)})"
        return edit.text(text) if edit.often(0.9) else text

    def give(self, made: str) -> bool:
        try:
            rule = parse_rule(made)
        except Problem:
            return False
        for person in PEOPLE:
            assert rule.matches(person, AT) == rule.explain(person, AT).result
        assert rule.reads is not None
        return True

    def close(self) -> None: ...
