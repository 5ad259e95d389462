"""Whatever a request object is, it is taken or refused: never a failure of ours (RFC 9101 §6, RFC 8725)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import replace

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from openid_world import AT, CLIENT_KEY, ISSUER

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.request_object import RequestObject, read_request_object

PUBLIC = jwt.get_algorithm_by_name("ES256").to_jwk(CLIENT_KEY.public_key(), as_dict=True)
APP = App(id="o", app_id="c", sp_id="s", display_name="C", jwks=(PUBLIC,), request_object_alg=None, created_at=AT)
UNSIGNED = replace(APP, request_object_alg="none")
NOW = int(AT.timestamp())
GOOD = {"iss": "c", "aud": ISSUER, "client_id": "c"}

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = some.sampled_from("iss aud exp nbf iat sub jti client_id request scope resource max_age claims state x".split())
CLAIMS = some.dictionaries(NAMES, VALUES, max_size=4)
HEADERS = some.dictionaries(some.sampled_from("kid typ crit b64 jwk jku x5c cty zip".split()), VALUES, max_size=3)


def part(value):
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")


def read(app, text):
    """What was read, or the code of the refusal."""
    try:
        return read_request_object(app, text, {ISSUER}, AT)
    except Problem as refused:
        return refused.code


REFUSED = {Code.INVALID_REQUEST_OBJECT, Code.REQUEST_NOT_SUPPORTED}


@settings(max_examples=150, deadline=None)
@given(HEADERS, CLAIMS)
def test_an_unsigned_one_of_any_content_is_read_or_refused(header, claims):
    found = read(UNSIGNED, f"{part(header | {'alg': 'none'})}.{part(GOOD | claims)}.")
    assert found in REFUSED or (isinstance(found, RequestObject) and not found.signed)


@settings(max_examples=80, deadline=None)
@given(HEADERS, CLAIMS)
def test_a_signed_one_of_any_content_is_read_or_refused(header, claims):
    signed = f"{part(header | {'alg': 'ES256'})}.{part(GOOD | claims)}"
    signature = part(jwt.get_algorithm_by_name("ES256").sign(signed.encode(), CLIENT_KEY))
    found = read(APP, f"{signed}.{signature}")
    assert found is Code.INVALID_REQUEST_OBJECT or (isinstance(found, RequestObject) and found.signed)


@settings(max_examples=150, deadline=None)
@given(some.text(max_size=40) | some.binary(max_size=40).map(lambda b: f"{part(b)}.{part(b)}.{part(b)}"))
def test_what_nobody_made_is_refused(text):
    assert read(APP, text) in REFUSED


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", ["x"]), (600, ["600"]), (True, ["true"]), ({"a": [1]}, ['{"a":[1]}']), (None, []), (["a", "b"], ["a", "b"])],
)
def test_a_value_is_its_text_and_a_resource_may_be_several(value, text):
    found = read(UNSIGNED, jwt.encode(GOOD | {"resource": value}, None, "none"))
    assert [v for k, v in found.pairs if k == "resource"] == text


def test_claims_about_the_object_itself_are_no_parameters():
    about = {"exp": NOW + 60, "nbf": NOW, "iat": NOW, "jti": "j", "sub": "somebody"}
    found = read(UNSIGNED, jwt.encode(GOOD | about | {"state": "s"}, None, "none"))
    assert found.pairs == (("client_id", "c"), ("state", "s"))


def test_one_that_is_nested_very_deep_or_very_large_is_refused():
    deep = f"{part({'alg': 'none'})}.{part(b'[' * 20_000)}."
    assert read(UNSIGNED, deep) is Code.INVALID_REQUEST_OBJECT
    large = jwt.encode(GOOD | {"state": "s" * 40_000}, None, "none")
    assert read(UNSIGNED, large) is Code.INVALID_REQUEST_OBJECT
