"""The samples: rules as administrators write them, and whom they take."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from b2b_idp.groups.person import Person, person_of
from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.directory import User
from b2b_idp.model.problem import Code, Problem

SAMPLES = json.loads((Path(__file__).parent / "samples.json").read_text())
NOW = datetime.fromisoformat(SAMPLES["now"])


def person(name: str, properties: dict[str, Any]) -> Person:
    own = {"userType", "mail", "accountEnabled"}
    user = User(
        id=name,
        upn=f"{name}@guests.example",
        user_type=properties["userType"],
        mail=properties["mail"],
        account_enabled=properties["accountEnabled"],
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        properties={k: v for k, v in properties.items() if k not in own},
    )
    groups = ["11111111-1111-1111-1111-111111111111"] if name == "alice" else []
    return person_of(user, groups, "22222222-2222-2222-2222-222222222222" if name == "bob" else None)


PEOPLE = {name: person(name, properties) for name, properties in SAMPLES["users"].items()}
BY_ID = {24: ["alice"], 25: ["bob"]}


@pytest.mark.parametrize("sample", [s for s in SAMPLES["rules"] if s["valid"]], ids=lambda s: str(s["id"]))
def test_a_valid_rule_takes_whom_the_sample_says(sample: dict[str, Any]) -> None:
    rule = parse_rule(sample["rule"])
    members = BY_ID.get(sample["id"], sample["members"])
    assert [name for name, who in PEOPLE.items() if rule.matches(who, NOW)] == members, sample["why"]


@pytest.mark.parametrize("sample", [s for s in SAMPLES["rules"] if not s["valid"]], ids=lambda s: str(s["id"]))
def test_an_invalid_rule_is_refused_with_a_place(sample: dict[str, Any]) -> None:
    with pytest.raises(Problem) as refused:
        parse_rule(sample["rule"])
    assert refused.value.code is Code.BAD_REQUEST
    assert refused.value.say.startswith("membershipRule: line 1, column ")
