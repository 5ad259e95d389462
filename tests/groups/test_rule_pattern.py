"""Patterns are written as .NET writes them; what RE2 cannot match in linear time is refused with its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from b2b_idp.groups.pattern import compiled
from b2b_idp.groups.person import Person
from b2b_idp.groups.rule import parse_rule
from b2b_idp.model.problem import Problem


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("^Da.*", "david", "aDa"),
        (".*vid", "David", "Dave"),
        ("(?<first>a)(?'second'b)", "ab", "a"),
        ("a(?#a comment)b", "ab", "a"),
        ("(?n)a", "A", "b"),
        ("(?-i)A", "A", "a"),
        ("(?:a|b)c", "BC", "a"),
        (r"^\w+$", "Zoë_1", "a b"),
        (r"^[\w ]+$", "Zoë 1", "a-b"),
        (r"^\d$", "\u0665", "x"),
        (r"^\W$", "-", "é"),
        (r"^[\W]$", "-", "é"),
        (r"^\s$", "\xa0", "x"),
        (r"^[\S]$", "é", "\x85"),
        (r"^[^\S]$", "\u2003", "é"),
        (r"^\D$", "x", "\u0665"),
        (r"\u0041\x42\x43", "ABC", "A"),
        (r"^\cI\t\e\0$", "\t\t\x1b\x00", "\t"),
        ("^[a[]$", "[", "b"),
        ("^[[:alpha:]]$", "a]", "a"),
        ("^[]a]$", "]", "b"),
        (r"^[\b]$", "\b", "b"),
        (r"\bab\b", "x ab.", "xab"),
        (r"\p{Lu}{2}", "ab", "a"),
        (r"a\Z", "a\n", "a\nb"),
        ("a$", "a\n", "a\nb"),
        ("(?m)a$", "a\nb", "ab"),
        (r"a\z", "A", "a\n"),
        (r"\.\@\-\/\ ", ".@-/ ", "x@-/ "),
        (r"a\$", "a$", "a"),
        ("(('b')|(=a))", "=A", "a"),
        ("((?'n'a)(<b))", "a<b", "ab"),
    ],
)  # fmt: skip
def test_a_pattern_means_what_dotnet_means_by_it(pattern: str, found: str, not_found: str) -> None:
    assert compiled(pattern)(found)
    assert not compiled(pattern)(not_found)


@pytest.mark.parametrize(
    ("pattern", "character", "what"),
    [
        ("a(?=b)", 2, "lookahead `(?=`"),
        ("(?!b)", 1, "lookahead `(?!`"),
        ("((?=b))", 2, "lookahead `(?=`"),
        ("ab(?<=b)", 3, "lookbehind `(?<=`"),
        ("(?<!b)", 1, "lookbehind `(?<!`"),
        ("(?>a)", 1, "an atomic group"),
        ("(a)?(?(1)b)", 5, "a conditional"),
        ("(?<a-b>x)", 1, "a balancing group"),
        (r"(a)\1", 4, r"a backreference `\1`"),
        (r"(?<n>a)\k<n>", 8, r"a backreference `\k`"),
        ("[a-z-[aeiou]]", 5, "subtraction in a character class"),
        ("a(?x) b", 2, "the flag x"),
        (r"\Qa\E", 1, r"there is no escape `\Q`"),
        (r"a\C", 2, r"there is no escape `\C`"),
        ("x[a", 2, "this character class has no end"),
        ("(?U)a", 1, "this kind of group"),
    ],
)
def test_what_is_not_matched_in_linear_time_is_refused_with_its_place(pattern: str, character: int, what: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_rule(f"user.city -match '{pattern}'")
    said = refused.value.say
    assert said.startswith("membershipRule: line 1, column 18: found ")
    assert f"character {character} of this pattern: {what}" in said


@pytest.mark.parametrize(
    "pattern", ["(", "a{1001}", "*", "((a{100}){100}){100}", r"\p{IsGreek}", "a\\", "[b-a]", "a**"]
)
def test_what_is_no_pattern_is_refused_and_nothing_is_printed(pattern: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Problem, match=r"expected a regular expression|of this pattern"):
        parse_rule(f"user.city -match '{pattern}'")
    assert capfd.readouterr() == ("", "")


def test_a_pattern_sees_the_value_as_it_is_written() -> None:
    """Case folding, which makes ss of ß, is for the other operators."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    person = Person("u1", {"city": "Straße", "othermails": ("ß",)})
    for rule in (
        'user.city -match "^stra.e$"',
        'user.otherMails -any (_ -match "^.$")',
        'user.otherMails -match "^.$"',
    ):
        assert parse_rule(rule).matches(person, at)


def test_a_value_that_is_no_unicode_is_matched_without_an_error() -> None:
    assert compiled("^a.$")("a\ud800")
