"""What holds for any text and any policy."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_documents import SOURCES

from b2b_idp.claims.attributes import IDS
from b2b_idp.claims.mapping import ClaimsMapping, compile_mapping, compile_stored
from b2b_idp.claims.regex import RegexError, compile_regex
from b2b_idp.claims.restricted import is_restricted
from b2b_idp.model.problem import Code, Problem

IDENTIFIERS = st.sampled_from(
    ["T", "U", "mail", "department", "displayname", "othermail", "a", "", "sub", "ｓub", "\u200b"]
)
NAMES = IDENTIFIERS | st.text(max_size=4) | st.sampled_from(["acr", "Groups", "xms_a", "EXTN.b", "dept", "m"])
TEXTS = st.text(max_size=8) | IDENTIFIERS
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
METHODS = st.sampled_from(["Join", "ExtractMailPrefix", "ToLowercase()", "ToUppercase", "RegexReplace", "Other"])
INPUTS = st.sampled_from(["string1", "string2", "mail", "sourceClaim", "x"])
PARAMETERS = st.sampled_from(["string1", "string2", "separator", "regex", "replacement"])
PATTERNS = st.text(alphabet="ab(?<n>'):|*+[]^$\\{}.dwW1=!i-", max_size=12)


def objects(required=(), **members):
    optional = {k: v for k, v in members.items() if k not in required}
    return st.fixed_dictionaries({k: members[k] for k in required}, optional=optional)


ENTRIES = objects(
    Value=TEXTS,
    Source=st.sampled_from([*IDS, "transformation", "User"]),
    ID=IDENTIFIERS | st.sampled_from([id for ids in IDS.values() for id in ids]),
    TransformationId=IDENTIFIERS,
    JwtClaimType=NAMES,
    SamlClaimType=NAMES,
) | st.sampled_from(
    [
        {"Source": "user", "ID": "mail"},
        {"Source": "user", "ID": "department", "JwtClaimType": "dept"},
        {"Source": "transformation", "ID": "T", "TransformationId": "T", "JwtClaimType": "m"},
        {"Source": "transformation", "ID": "U", "TransformationId": "U", "JwtClaimType": "sub"},
    ]
)
TRANSFORMATIONS = objects(
    required=("ID", "TransformationMethod", "OutputClaims"),
    ID=IDENTIFIERS,
    TransformationMethod=METHODS,
    InputClaims=st.lists(
        objects(
            required=("ClaimTypeReferenceId", "TransformationClaimType"),
            ClaimTypeReferenceId=IDENTIFIERS,
            TransformationClaimType=INPUTS,
            TreatAsMultiValue=st.booleans(),
        ),
        max_size=3,
    ),
    InputParameters=st.lists(
        objects(required=("ID", "Value"), ID=PARAMETERS, Value=TEXTS | PATTERNS, DataType=TEXTS), max_size=3
    ),
    OutputClaims=st.lists(
        objects(required=("ClaimTypeReferenceId",), ClaimTypeReferenceId=IDENTIFIERS), min_size=1, max_size=1
    ),
)
POLICIES = objects(
    required=("Version", "ClaimsSchema"),
    Version=st.just(1) | SCALARS,
    ClaimsSchema=st.lists(ENTRIES | SCALARS, max_size=6),
    ClaimsTransformation=st.lists(TRANSFORMATIONS | SCALARS, max_size=4),
    IncludeBasicClaimSet=SCALARS,
    GroupFilter=SCALARS | objects(MatchOn=TEXTS, Type=TEXTS, Value=TEXTS),
    audienceOverride=TEXTS,
    issuerWithApplicationId=SCALARS,
)
JSON = st.recursive(SCALARS, lambda x: st.lists(x, max_size=3) | st.dictionaries(TEXTS, x, max_size=3), max_leaves=12)


def outcome(definition):
    """What compiling gives: a mapping, or the problem; any other exception is a failure of the test."""
    try:
        return compile_mapping(definition)
    except Problem as e:
        assert e.code is Code.BAD_REQUEST and e.say.isprintable() and len(e.say) < 5000
        return e


def check(definition):
    strict, stored = outcome(definition), compile_stored(definition)
    assert isinstance(strict, ClaimsMapping) == (not stored.problems)
    for mapping in (strict, stored) if isinstance(strict, ClaimsMapping) else (stored,):
        claims = mapping.apply(SOURCES)
        assert not [c.name for c in claims if is_restricted(c.name)]
        assert len({c.name for c in claims}) == len(claims)
        assert not [c for c in claims if c.value in ("", [], ())]
        assert all((c.value is None) == (c.because is not None) for c in claims)


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")) | JSON.map(json.dumps))
def test_any_text_is_a_mapping_or_a_problem(text):
    check([text])


@given(JSON)
def test_any_value_is_a_mapping_or_a_problem(value):
    check(value)
    check({"ClaimsMappingPolicy": value})


@settings(max_examples=300)
@given(POLICIES)
def test_no_policy_makes_a_restricted_claim_or_an_empty_one_and_each_absence_says_why(policy):
    check({"ClaimsMappingPolicy": policy})
    check([json.dumps({"ClaimsMappingPolicy": policy})])


@settings(max_examples=300)
@given(PATTERNS | st.text(max_size=12), st.text(max_size=20))
def test_any_expression_compiles_or_is_refused_and_matches_without_failing(expression, text):
    try:
        regex = compile_regex(expression)
    except RegexError as e:
        assert str(e)
        return
    for match in regex.matches(text.encode()):
        assert 0 <= match.span()[0] <= match.span()[1] <= len(text.encode())


@given(
    st.lists(st.sampled_from(["string1", "string2"]), max_size=2),
    st.dictionaries(st.sampled_from(["department", "mail"]), SCALARS | st.lists(SCALARS)),
)
def test_whatever_a_source_holds_a_mapping_makes_of_it(inputs, user):
    entries = [{"Source": "user", "ID": id, "JwtClaimType": id[0]} for id in ("department", "mail")]
    claims = compile_mapping({"ClaimsMappingPolicy": {"Version": 1, "ClaimsSchema": entries}}).apply({"user": user})
    assert [c.name for c in claims] == ["d", "m"]
    assert not [c for c in claims if c.value in ("", [])]
