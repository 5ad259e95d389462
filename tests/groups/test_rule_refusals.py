"""What is no rule is refused with line, column, what was found and what was expected there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.problem import Code, Problem

AT = datetime(2026, 1, 1, tzinfo=UTC)
GROUPS = ", ".join(f'"{n}"' for n in range(51))
TEXT = "-eq, -ne, -startsWith, -notStartsWith, -endsWith, -notEndsWith, -contains, -notContains, -match, -notMatch, "
EXPECTED = {
    # structure
    "": (1, 1, "found the end of the rule; expected a property"),
    'user.country -eq "US" -and': (1, 27, "found the end of the rule; expected a property"),
    'user.country -eq "US" user.city': (1, 23, "found `user.city`; expected -and, -or or the end"),
    '(user.country -eq "US"': (1, 23, "found the end of the rule; expected -and, -or or `)` for the `(` of column 1"),
    'user.country -eq "US")': (1, 22, "a bracket too many"),
    'user.country -eq "US"\n-and user.x -eq "y"': (2, 6, "found `user.x`; this is no property"),
    # names
    'user.mobilePhone -eq "1"': (1, 1, "did you mean user.mobile?"),
    'user.officeLocation -eq "1"': (1, 1, "did you mean user.physicalDeliveryOfficeName?"),
    'user.departmnet -eq "1"': (1, 1, "did you mean user.department?"),
    'department -eq "1"': (1, 1, "did you mean user.department?"),
    "user.createdDateTime -ge 2024-01-01T00:00:00Z": (1, 1, "found `user.createdDateTime`"),
    'device.deviceOSType -eq "iOS"': (1, 1, "rules about devices are not supported"),
    'user.extension_abc_level -eq "1"': (1, 1, "this is no property"),
    # operators
    'user.department -gt "a"': (1, 17, f"found `-gt`; user.department is a string: expected one of {TEXT}-in, -notIn"),
    'user.department -equals "a"': (1, 17, "did you mean -eq?"),
    'user.department = "a"': (1, 17, "did you mean -eq?"),
    "user.employeeHireDate -gt system.now": (1, 23, "did you mean -ge?"),
    "user.department -not null": (1, 17, "-not compares nothing"),
    'user.accountEnabled -startsWith "t"': (1, 21, "user.accountEnabled is a Boolean: expected one of -eq, -ne"),
    "user.assignedPlans -eq null": (1, 20, "is an object collection: expected one of -any, -all"),
    'user.department -any (_ -eq "a")': (1, 17, "found `-any`; user.department is a string"),
    'user.department -le "a"': (1, 17, "found `-le`"),
    # values
    "user.department -eq Sales": (1, 21, 'found `Sales`; expected a string in quotes: "Sales"'),
    "user.department -eq 5": (1, 21, 'expected a string in quotes: "5"'),
    "user.department -eq “Sales”": (1, 21, "strings stand in straight quotes"),
    'user.department -eq "Sal': (1, 21, "this string has no end"),
    "user.department -eq 'O'Neil'": (1, 28, "this string has no end; close it with ', and write an apostrophe"),
    'user.department -eq "a\\`"': (1, 21, "this string has no end"),
    "user.department -contains null": (1, 27, "null is compared by -eq and -ne only"),
    "user.accountEnabled -eq yes": (1, 25, "expected true, false or null"),
    "user.country -in []": (1, 19, "expected at least one string"),
    'user.country -in "US"': (1, 18, "expected a list in square brackets"),
    'user.country -in ["US" "DE"]': (1, 24, "expected `,` or `]`"),
    'user.country -in ["US", null]': (1, 25, "expected a string in quotes"),
    'user.country -eq ["US"]': (1, 18, "only -in and -notIn take a list"),
    "user.employeeHireDate -ge 2024-01-01": (1, 27, "expected a time as 2026-01-31T00:00:00Z"),
    "user.employeeHireDate -ge 2024-02-30T00:00:00Z": (1, 27, "there is no such time"),
    "user.employeeHireDate -ge 0001-01-01T00:00:00+05:00": (1, 27, "there is no such time"),
    "user.employeeHireDate -ge system.now -plus 5": (1, 44, "expected an ISO 8601 duration"),
    "user.employeeHireDate -ge system.now -plus P": (1, 44, "expected an ISO 8601 duration"),
    # elements
    'user.otherMails -any _ -eq "x" -or user.city -eq "x"': (1, 36, "put brackets round what is said of elements"),
    '_ -eq "x"': (1, 1, "stands only in the brackets of -any or -all"),
    'user.assignedPlans -any (_ -eq "x")': (1, 26, "expected one of assignedPlan.capabilityStatus"),
    # rules that stand alone
    'user.memberOf -any (group.objectId -in ["a"]) -and user.city -eq "x"': (1, 1, "user.memberOf stands alone"),
    '-not user.memberOf -any (group.objectId -in ["a"])': (1, 6, "user.memberOf stands alone"),
    f"user.memberOf -any (group.objectId -in [{GROUPS}])": (1, 36, "at most 50 groups, here are 51"),
    'user.memberOf -eq "a"': (1, 15, "expected -any, as in user.memberOf -any (group.objectId -in"),
    'Direct Reports for "a" -and user.city -eq "x"': (1, 24, "Direct Reports stands alone"),
    "Direct Reports for x": (1, 20, "the manager's id in quotes"),
    # what is no text
    'user.city -eq "a\x00"': (1, 17, "U+0000"),
    'user.city -eq "\ud800"': (1, 16, "U+D800"),
    "\x01": (1, 1, "found `\\u0001`"),
}


@pytest.mark.parametrize("text", EXPECTED, ids=lambda text: ascii(text)[1:60])
def test_what_is_no_rule_is_refused_with_its_place(text: str) -> None:
    line, column, what = EXPECTED[text]
    with pytest.raises(Problem) as refused:
        parse_rule(text)
    assert refused.value.code is Code.BAD_REQUEST
    assert refused.value.say.startswith(f"membershipRule: line {line}, column {column}: ")
    assert what in refused.value.say


BOMBS = {
    "3,073 characters": ('user.city -eq "' + "x" * 3057 + '"', "column 3073: a rule has at most 3072 characters"),
    "2,000 brackets": ("(" * 2000, "column 102: found `(`; a rule is nested at most 100 deep"),
    "1,000 × -not": ("-not" * 1000, "at most 3072 characters"),
    "600 × -not": ("-not " * 600 + 'user.city -eq "x"', "column 506: found `-not`; a rule is nested at most 100 deep"),
    "600 × not": ("not " * 600 + 'user.city -eq "x"', "column 405: found `not`; a rule is nested at most 100 deep"),
    "missing quote": ('user.city -eq "' + "`" * 3000, 'column 15: found `"`; this string has no end'),
    "a long word": ("user." + "x" * 3000, "column 1: found `user.xxx"),
    "list of 1,000 without an end": ("user.city -in [" + '"",' * 1000, "found the end of the rule; expected a string"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_n_149_a_rule_bomb_is_refused_with_its_place(name: str) -> None:
    text, what = BOMBS[name]
    with pytest.raises(Problem) as refused:
        parse_rule(text)
    assert "membershipRule: line 1, column " in refused.value.say
    assert what in refused.value.say
    assert len(refused.value.say) < 400


def test_n_149_a_hostile_pattern_is_matched_in_linear_time() -> None:
    """(x+x+)+y backtracks exponentially in most engines: 28 characters would take a minute, here are 100,000."""
    rule = parse_rule('user.city -match "(x+x+)+y"')
    assert not rule.matches(Person("a", {"city": "x" * 100_000}), AT)


@pytest.mark.parametrize("depth", [100, 101])
def test_nesting_is_100_deep_and_no_deeper(depth: int) -> None:
    """However it nests, and in explanations, too."""
    bracketed = "(" * depth + 'user.city -eq "x"' + ' -or user.city -eq "y") -and user.city -ne "z")' * (depth // 2)
    nested = [bracketed + ")" * (depth % 2), "-not " * depth + "user.city ne null"]
    for text in nested:
        if depth > 100:
            with pytest.raises(Problem, match="nested at most 100 deep"):
                parse_rule(text)
            continue
        rule = parse_rule(text)
        nobody = Person("a", {"city": "y"})
        assert rule.explain(nobody, AT).document()["expressionResult"] == rule.matches(nobody, AT)
