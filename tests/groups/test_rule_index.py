"""The index asks few rules; groups that take their members from groups follow in the same answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2b_idp.groups.index import RuleIndex, check_cycles
from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.problem import Code, Problem

AT = datetime(2026, 1, 1, tzinfo=UTC)
MARIA = Person(
    "u1",
    {
        "department": "Straße",
        "city": "Grossenhain",
        "companyname": "Fabrikam",
        "usertype": "Guest",
        "accountenabled": True,
        "mail": "maria@fabrikam.example",
        "othermails": ("m@litware.example",),
        "assignedplans": ({"serviceplanid": "p1"},),
    },
    manager_id="m1",
)


@pytest.mark.parametrize(
    "rule",
    [
        'user.department -eq "d{n}"',
        'user.department -in ["d{n}", "e{n}"]',
        'user.mail -endsWith "@d{n}.example"',
        'user.mail -startsWith "d{n}"',
        'user.otherMails -any (_ -endsWith "@d{n}.example")',
        'user.proxyAddresses -startsWith "SMTP:d{n}"',
        'user.assignedPlans -any (assignedPlan.servicePlanId -eq "d{n}" -and assignedPlan.service -ne "x")',
        'user.userType -eq "Guest" -and user.department -eq "d{n}"',
        'user.accountEnabled -eq true -and -not (user.department -ne "d{n}")',
        'user.department -eq "d{n}" -or user.city -eq "d{n}"',
        '-not (user.department -ne "d{n}" -and user.jobTitle -notStartsWith "d{n}")',
        'user.department -eq "d{n}" -and user.jobTitle -contains "x"',
        "user.companyName -eq null",
        "user.jobTitle -ne null",
        'Direct Reports for "d{n}"',
    ],
)
def test_rules_that_cannot_match_are_not_asked(rule: str) -> None:
    rules = {f"g{n}": parse_rule(rule.replace("{n}", str(n))) for n in range(50)}
    assert RuleIndex(rules).candidates(MARIA) == set()


def test_what_cannot_be_looked_up_is_always_asked() -> None:
    rules = {"g": parse_rule('user.displayName -contains "x" -or user.department -eq "y"')}
    assert RuleIndex(rules).candidates(MARIA) == {"g"}


@pytest.mark.parametrize(
    "rule",
    [
        'user.department -eq "STRASSE"',
        'user.department -startsWith "STRAS"',
        'user.department -endsWith "SE"',
        'user.city -eq "GROẞENHAIN"',
        'user.city -startsWith "GROß"',
        'user.city -endsWith "ßENHAIN"',
        'user.city -in ["x", "großenhain"]',
        'user.mail -startsWith "" -and user.mail -endsWith ""',
        'user.otherMails -endsWith "@LITWARE.example"',
        'user.proxyAddresses -all (_ -startsWith "SMTP:")',
        "-not user.proxyAddresses -any (_ -ne null)",
        '-not (user.department -eq "x" -or user.city -ne "Grossenhain")',
        '-not (user.department -ne "x" -and user.city -ne "Grossenhain")',
        '-not (user.city -eq null -or user.companyName -ne "fabrikam")',
        "user.assignedPlans -any (-not assignedPlan.servicePlanId -eq null)",
        'user.assignedPlans -any (assignedPlan.servicePlanId -in ["P1"] -or assignedPlan.service -eq "x")',
        "user.jobTitle -eq null",
        'Direct Reports for "M1"',
    ],
)
def test_whom_a_rule_takes_is_found(rule: str) -> None:
    """Whatever the rule is looked up by, and by the same folding as it compares."""
    assert parse_rule(rule).matches(MARIA, AT)
    assert RuleIndex({"g": parse_rule(rule)}).groups_of(MARIA, AT) == {"g"}


def member_of(*ids: str) -> str:
    return f"user.memberOf -any (group.objectId -in [{', '.join(map(repr, ids))}])"


def test_groups_of_groups_follow_through_any_number_of_steps() -> None:
    rules = {
        "c": parse_rule(member_of("b", "elsewhere")),
        "b": parse_rule(member_of("a")),
        "a": parse_rule('user.companyName -eq "fabrikam"'),
        "other": parse_rule(member_of("nobody's")),
        "assigned": parse_rule(member_of("static")),
    }
    person = Person("u1", MARIA.attributes, group_ids=frozenset({"static"}))
    assert RuleIndex(rules).groups_of(person, AT) == {"a", "b", "c", "assigned"}


def test_a_stored_membership_of_a_dynamic_group_is_not_believed() -> None:
    rules = {"a": parse_rule('user.companyName -eq "litware"'), "b": parse_rule(member_of("a"))}
    person = Person("u1", MARIA.attributes, group_ids=frozenset({"a"}))
    assert RuleIndex(rules).groups_of(person, AT) == set()


def test_a_circle_of_groups_is_refused_by_name() -> None:
    rules = {
        "a": parse_rule(member_of("b", "x")),
        "b": parse_rule(member_of("c")),
        "c": parse_rule(member_of("d", "a")),
        "d": parse_rule('user.companyName -eq "fabrikam"'),
    }
    with pytest.raises(Problem, match="in a circle: a → b → c → a") as refused:
        check_cycles(rules)
    assert refused.value.code is Code.BAD_REQUEST
    with pytest.raises(Problem, match="in a circle: a → a"):
        check_cycles({"a": parse_rule(member_of("a"))})


def test_a_group_may_be_reached_on_many_ways_and_over_many_steps() -> None:
    """Not every way that meets another is a circle; a chain of thousands is followed."""
    rules = {f"g{n}": parse_rule(member_of(f"g{n + 1}", f"g{n + 2}")) for n in range(3000)}
    check_cycles(rules)
    person = Person("u1", group_ids=frozenset({"g3001"}))
    assert len(RuleIndex(rules).groups_of(person, AT)) == 3000
