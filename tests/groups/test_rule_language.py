"""The language where samples are silent: spelling, strings, null, collections, times, what a rule says of itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule

AT = datetime(2026, 2, 28, 12, tzinfo=UTC)


def takes(rule: str, **attributes: Any) -> bool:
    return parse_rule(rule).matches(Person("u1", {k.casefold(): v for k, v in attributes.items()}), AT)


@pytest.mark.parametrize(
    "same",
    [
        'USER.CITY eq "a" AND NOT user.city STARTSWITH "b" or user.city -notendswith "c"',
        'user.city\u2013eq"a"\u2014and -not(user.city\u2212startsWith"b")\n-OR\tuser.city\xa0-NotEndsWith "c"',
        "((user.city -eq 'a')) -and -not user.city -startswith 'b' -or (user.city -notEndsWith 'c')",
    ],
)
def test_case_hyphens_dashes_spaces_and_brackets_are_free(same: str) -> None:
    written = 'user.city -eq "a" -and -not user.city -startsWith "b" -or user.city -notEndsWith "c"'
    assert str(parse_rule(same).tree) == written


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"a `"b`" c"', 'a "b" c'),
        ('"a``"', "a`"),
        ('"a`b"', "a`b"),
        ("'it''s \"x\"'", 'it\'s "x"'),
        ("\"David O''Neil\"", "David O'Neil"),
        ('"David O\'Neil"', "David O'Neil"),
        ('`"Sales`"', '"Sales"'),
        ('""', ""),
        ('"null"', "null"),
    ],
)
def test_strings_are_read_as_they_are_escaped(written: str, value: str) -> None:
    assert takes(f"user.city -eq {written}", city=value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("STRASSE", "straße", True), ("İ", "i̇", True), ("İ", "i", False), ("ı", "I", False), ("ſ", "S", True)],
)
def test_strings_are_compared_by_unicode_case_folding(one: str, other: str, same: bool) -> None:
    for a, b in ((one, other), (other, one)):
        assert takes(f'user.city -eq "{a}"', city=b) is same
        assert takes(f'user.city -in ["{a}"]', city=b) is same


def test_a_missing_value_is_null_and_no_string() -> None:
    assert takes("user.city -eq null")
    assert takes("user.city eq $NULL")
    assert not takes('user.city -contains ""')
    assert takes('user.city -notContains ""')
    assert not takes('user.city -match ""')
    assert not takes("user.accountEnabled -eq false")
    assert not takes("user.employeeHireDate -le system.now")
    assert not takes("user.city -eq null", city="")


def test_a_bare_collection_means_any_of_its_elements() -> None:
    mails = ("a@x.example", "b@y.example")
    assert takes('user.otherMails -endsWith "@Y.example"', otherMails=mails)
    assert not takes('user.otherMails -notEndsWith "@y.example"', otherMails=mails)
    assert takes('user.otherMails -notIn ["c@x.example"]', otherMails=mails)
    assert takes("user.otherMails -eq null", otherMails=())


def test_any_of_none_is_false_and_all_of_none_true() -> None:
    assert not takes("user.assignedPlans -any (assignedPlan.service -ne null)")
    assert takes("user.assignedPlans -all (assignedPlan.servicePlanId -eq null)")


def test_conditions_on_a_plan_are_of_one_plan() -> None:
    rule = 'user.assignedPlans -any (assignedPlan.servicePlanId -eq "A" -and assignedPlan.capabilityStatus -eq "On")'
    assert takes(rule, assignedPlans=({"serviceplanid": "a", "capabilitystatus": "On"},))
    split = (
        {"serviceplanid": "a", "capabilitystatus": "Off"},
        {"serviceplanid": "b", "capabilitystatus": "On"},
    )
    assert not takes(rule, assignedPlans=split)


def test_any_without_brackets_reaches_to_the_end() -> None:
    """-any binds loosest of all, so all that follows is said of the element."""
    bare = parse_rule('user.city -eq "x" -or user.otherMails -any _ -startsWith "a" -or _ -startsWith "b"')
    bracketed = parse_rule('user.city -eq "x" -or user.otherMails -any (_ -startsWith "a" -or _ -startsWith "b")')
    assert bare.tree == bracketed.tree


@pytest.mark.parametrize(
    ("operand", "hired", "later"),
    [
        ("system.now", "2026-02-28T12:00:00+00:00", True),
        ("system.now", "2026-02-28T11:59:59+00:00", False),
        ("system.now -plus p1d", "2026-03-01T12:00:00+00:00", True),
        ("system.now -plus P1DT1S", "2026-03-01T12:00:00+00:00", False),
        ("system.now minus P1M", "2026-01-28T12:00:00+00:00", True),
        ("system.now -plus P2Y1M", "2028-03-28T12:00:00+00:00", True),
        ("system.now -minus P99999Y", "0001-01-02T00:00:00+00:00", True),
        ("system.now -plus P99999D", "2299-12-01T00:00:00+00:00", False),
        ("2026-02-28T13:00:00+01:00", "2026-02-28T12:00:00+00:00", True),
        ('"2026-02-28t12:00:00z"', "2026-02-28T12:00:00+00:00", True),
    ],
)
def test_a_hire_date_is_compared_with_a_time_or_with_now(operand: str, hired: str, later: bool) -> None:
    assert takes(f"user.employeeHireDate -ge {operand}", employeeHireDate=datetime.fromisoformat(hired)) is later


def test_extension_properties_take_numbers_and_booleans_without_quotes() -> None:
    name = "extension_" + "0a" * 16 + "_Level"
    assert takes(f"user.{name} -in [1, TRUE]", **{name: "1"})
    assert takes(f"user.{name} -eq true", **{name: "true"})


def test_member_of_takes_direct_members_and_ignores_the_case_of_ids() -> None:
    rule = parse_rule("(user.memberof -ANY (group.objectid -in ['AA', 'bb', 'bb']))")
    assert rule.member_of == {"aa", "bb"}
    assert rule.matches(Person("u1", group_ids=frozenset({"bb"})), AT)
    assert not rule.matches(Person("u1", group_ids=frozenset({"cc"})), AT)


def test_direct_reports_takes_those_of_the_manager() -> None:
    rule = parse_rule('direct REPORTS for "AA"')
    assert rule.manager_id == "aa"
    assert rule.matches(Person("u1", manager_id="aa"), AT)
    assert not rule.matches(Person("u1"), AT)


def test_a_rule_says_what_it_reads() -> None:
    rule = parse_rule(
        'user.MAIL -ne null -and -not (user.othermails -any (_ -eq "x") -or user.employeehiredate -le system.now)'
    )
    assert rule.reads == {"mail", "otherMails", "employeeHireDate"}
    assert rule.reads_clock
    assert not parse_rule("user.employeeHireDate -le 2026-01-01T00:00:00Z").reads_clock


def test_an_explanation_shows_each_clause_with_what_it_read() -> None:
    rule = parse_rule('user.department -eq "sales" -or -not user.otherMails -any (_ -endsWith "@x.example")')
    person = Person("u1", {"department": "Marketing", "othermails": ("a@x.example",)})
    mail = {"propertyName": "otherMails", "propertyValue": "a@x.example"}
    assert rule.explain(person, AT).document() == {
        "expression": 'user.department -eq "sales" -or -not user.otherMails -any (_ -endsWith "@x.example")',
        "expressionResult": False,
        "propertyToEvaluate": None,
        "expressionEvaluationDetails": [
            {
                "expression": 'user.department -eq "sales"',
                "expressionResult": False,
                "propertyToEvaluate": {"propertyName": "department", "propertyValue": "Marketing"},
                "expressionEvaluationDetails": [],
            },
            {
                "expression": '-not user.otherMails -any (_ -endsWith "@x.example")',
                "expressionResult": False,
                "propertyToEvaluate": None,
                "expressionEvaluationDetails": [
                    {
                        "expression": 'user.otherMails -any (_ -endsWith "@x.example")',
                        "expressionResult": True,
                        "propertyToEvaluate": mail,
                        "expressionEvaluationDetails": [
                            {
                                "expression": '_ -endsWith "@x.example"',
                                "expressionResult": True,
                                "propertyToEvaluate": {"propertyName": "_", "propertyValue": "a@x.example"},
                                "expressionEvaluationDetails": [],
                            }
                        ],
                    }
                ],
            },
        ],
    }


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        ("user.objectId -ne null", "objectId", "u1"),
        ("user.accountEnabled -eq true", "accountEnabled", "true"),
        ("user.employeeHireDate -le system.now", "employeeHireDate", "2026-01-31T00:00:00Z"),
        ('user.city -eq "x"', "city", None),
        ("user.otherMails -eq null", "otherMails", "a@x, b@x"),
        ("user.assignedPlans -all (assignedPlan.service -ne null)", "assignedPlans", "service=Exchange"),
        ('user.memberOf -any (group.objectId -in ["g1", "g2"])', "memberOf", "g2"),
        ('Direct Reports for "m1"', "manager", "m1"),
    ],
)
def test_an_explanation_shows_values_as_they_are_stored(rule: str, name: str, value: str | None) -> None:
    attributes = {
        "accountenabled": True,
        "employeehiredate": datetime(2026, 1, 31, tzinfo=UTC),
        "othermails": ("a@x", "b@x"),
        "assignedplans": ({"service": "Exchange"},),
    }
    person = Person("u1", attributes, frozenset({"g2"}), "m1")
    said = parse_rule(rule).explain(person, AT).document()
    assert said["propertyToEvaluate"] == {"propertyName": name, "propertyValue": value}
