"""A policy that is kept: whatever became bad of it is left out and told, the rest holds, and nothing fails."""

from __future__ import annotations

import json

import pytest
from mapping_documents import SOURCES, definition, document, made_by, transformation, user

from b2b_idp.claims.mapping import compile_stored

LOWER = transformation("L", "ToLowercase", {"sourceClaim": "mail"})
GOOD = user("department", "dept")


def kept(*entries, **members):
    mapping = compile_stored(definition(*entries, **members))
    return {c.name: c.value for c in mapping.apply(SOURCES)}, mapping.problems


@pytest.mark.parametrize(
    "bad",
    [
        {"Value": "1", "JwtClaimType": "sub"},
        {"Value": "1", "JwtClaimType": "ＡＭＲ"},
        user("shoesize", "shoe"),
        made_by("none", "m"),
        user("mail", "dept"),
        {"JwtClaimType": "x"},
        "text",
    ],
    ids=str,
)
def test_n_147_an_entry_that_cannot_be_is_left_out_and_the_others_stay(bad):
    claims, problems = kept(GOOD, bad)
    assert claims == {"dept": "Sales"}
    assert len(problems) == 1 and "line 1, column" in problems[0] and "ClaimsSchema[1]" in problems[0]


def test_what_a_bad_transformation_feeds_goes_with_it_and_each_is_told():
    bad = transformation("B", "RegexReplace", {"sourceClaim": "mail"}, {"regex": "(?=x)", "replacement": ""})
    after = transformation("A", "ToUppercase", {"sourceClaim": "B"})
    entries = [user("mail"), made_by("L", "low"), made_by("B", "b"), made_by("A", "a")]
    claims, problems = kept(*entries, ClaimsTransformation=[bad, after, LOWER])
    assert claims == {"low": "alice@fabrikam.example"}
    assert len(problems) == 4 and "lookahead" in problems[0]


def test_of_a_cycle_all_goes_and_the_rest_stays():
    cycle = [transformation(a, "ToLowercase", {"sourceClaim": b}) for a, b in (("X", "Y"), ("Y", "X"))]
    entries = [user("mail"), made_by("L", "low"), made_by("X", "x"), made_by("Y", "y")]
    claims, problems = kept(*entries, ClaimsTransformations=[*cycle, LOWER])
    assert claims == {"low": "alice@fabrikam.example"}
    assert "feed each other" in problems[0]


def test_an_unknown_member_is_told_and_the_rest_holds():
    assert kept(GOOD, Surprise=1)[0] == {"dept": "Sales"}


@pytest.mark.parametrize(
    "members",
    [{"IncludeBasicClaimSet": "maybe"}, {"GroupFilter": {"MatchOn": "x"}}, {"audienceOverride": "x"}],
    ids=str,
)
def test_what_cannot_be_read_gives_nothing_away(members):
    mapping = compile_stored(definition(GOOD, **members))
    assert mapping.include_basic is ("IncludeBasicClaimSet" not in members)
    assert mapping.group_filter is None or not mapping.group_filter.admits("anything")
    assert ("GroupFilter" in members) is (mapping.group_filter is not None)
    assert mapping.audience_override is None
    assert len(mapping.problems) == 1


@pytest.mark.parametrize(
    "unreadable",
    [None, [], ["{"], [json.dumps({"ClaimsMappingPolicy": {"Version": 2}})], ["[" * 70_000], 7, {"x": 1}],
    ids=repr,
)
def test_a_policy_that_cannot_be_read_at_all_makes_no_claims_and_lets_no_group_through(unreadable):
    mapping = compile_stored(unreadable)
    assert mapping.apply(SOURCES) == []
    assert not mapping.include_basic and not mapping.group_filter.admits("x")
    assert mapping.problems


def test_a_good_policy_has_no_problems_and_is_compiled_once():
    assert compile_stored(definition(GOOD)) is compile_stored(definition(GOOD))
    assert compile_stored(document(GOOD)).problems == ()
