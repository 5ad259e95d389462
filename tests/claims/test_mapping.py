"""claimsMappingPolicy: plain entries, restricted names, hostile definitions."""

from __future__ import annotations

import json

import pytest

from b2b_idp.claims.mapping import compile_mapping
from b2b_idp.model.problem import Problem

USER = {"department": "Sales", "employeeid": "E77", "country": None, "othermail": ["a@x.example", "b@x.example"]}


def definition(*entries, **members):
    return [json.dumps({"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": list(entries)} | members})]


def claims(*entries, **members):
    made = compile_mapping(definition(*entries, **members)).apply({"user": USER})
    return {c.name: c.value for c in made}


def test_source_and_id_become_a_claim_and_ids_are_compared_without_case():
    assert claims({"Source": "user", "ID": "EmployeeId", "JwtClaimType": "no"}) == {"no": "E77"}


def test_a_constant_is_a_claim():
    assert claims({"Value": "b2b", "JwtClaimType": "channel"}) == {"channel": "b2b"}


def test_missing_data_makes_no_value():
    assert claims({"Source": "user", "ID": "country", "JwtClaimType": "country"}) == {"country": None}


def test_a_collection_gives_its_first_value():
    assert claims({"Source": "user", "ID": "othermail", "JwtClaimType": "m"}) == {"m": "a@x.example"}


def test_an_entry_without_claim_type_is_legal_and_emits_nothing():
    assert claims({"Source": "user", "ID": "department"}) == {}


def test_a_claim_says_which_entry_made_it():
    made = compile_mapping(definition({"Source": "user", "ID": "department", "JwtClaimType": "d"}))
    assert made.apply({"user": USER})[0].origin == "claims mapping policy, ClaimsSchema[0]: user.department"


@pytest.mark.parametrize("value", ["false", False, "False"])
def test_include_basic_claim_set_is_taken_as_text_or_boolean(value):
    assert compile_mapping(definition(IncludeBasicClaimSet=value)).include_basic is False


@pytest.mark.parametrize(
    "name", ["iss", "sub", "aud", "amr", "acr", "groups", "xms_x", "cnf", "oid", "AMR", "Iss", "extn.a", "act"]
)
def test_n_147_a_restricted_name_is_refused_when_written(name):
    with pytest.raises(Problem, match="restricted"):
        compile_mapping(definition({"Value": "x", "JwtClaimType": name}))


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        [],
        [1],
        ["{}"],
        ["{"],
        ['{"ClaimsMappingPolicy": 1}'],
        ['{"ClaimsMappingPolicy":{"Version":1,"Version":1}}'],
        ['{"ClaimsMappingPolicy":{"Version":NaN}}'],
        ['{"ClaimsMappingPolicy":{"Version":2}}'],
        ['{"ClaimsMappingPolicy":{"Version":true}}'],
        ["[" * 100_000],
        ['{"ClaimsMappingPolicy":' + '{"a":' * 40 + "1" + "}" * 41],
        ["x" * 70_000],
        definition({"Source": "user", "ID": "nosuch", "JwtClaimType": "a"}),
        definition({"Source": "moon", "ID": "mail", "JwtClaimType": "a"}),
        definition({"Value": "x", "Source": "user", "JwtClaimType": "a"}),
        definition({"Value": "x", "JwtClaimType": "a"}, {"Value": "y", "JwtClaimType": "a"}),
        definition({"Value": "x", "JwtClaimType": ""}),
        definition({"Value": 1, "JwtClaimType": "a"}),
        definition({"Value": "x", "JwtClaimType": "a", "Surprise": "y"}),
        definition("text"),
        definition(Surprise=1),
        definition(IncludeBasicClaimSet="maybe"),
        definition(ClaimsTransformation=[{"ID": "a"}]),
    ],
)
def test_a_wrong_definition_is_a_problem_with_a_sentence(bad):
    with pytest.raises(Problem, match="claimsMappingPolicy"):
        compile_mapping(bad)
