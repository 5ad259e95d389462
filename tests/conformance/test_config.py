"""OpenID Connect Config OP: what discovery says."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from b2b_idp.openid.metadata import document
from b2b_idp.policy.decide import ACR_VALUES
from tests.conformance import conformance
from tests.openid.openid_world import ISSUER, claims_of

KNOWN = re.compile(
    r"issuer|jwks_uri|acrs?_values_supported|\w+_endpoint|\w+_supported|require_\w+|authorization_response_iss_\w+"
)
"""The forms that all registered members have."""


@pytest.fixture(scope="module")
def found(op):
    answer = op.http.get("/idp/.well-known/openid-configuration")
    assert answer.mimetype == "application/json"
    return answer.json


@conformance("oidcc-discovery-endpoint-verification")
def test_the_issuer_is_where_discovery_stands_and_all_endpoints_are_below_it(found):
    assert found["issuer"] == ISSUER
    addresses = [v for k, v in found.items() if k.endswith(("_endpoint", "_uri"))]
    assert len(addresses) >= 10 and all(a.startswith(ISSUER + "/") for a in addresses)


@conformance("oidcc-discovery-endpoint-verification")
def test_of_an_https_issuer_every_endpoint_is_https():
    said = document("https://idp.example/idp")
    assert {urlsplit(v).scheme for k, v in said.items() if k.endswith(("_endpoint", "_uri"))} == {"https"}


@conformance("oidcc-discovery-endpoint-verification")
def test_what_has_to_be_supported_is_and_lists_are_lists(found):
    assert "code" in found["response_types_supported"] and "authorization_code" in found["grant_types_supported"]
    assert {"openid", "offline_access"} <= set(found["scopes_supported"])
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert {"public", "pairwise"} == set(found["subject_types_supported"])
    assert {"sub", "iss", "auth_time", "acr", "name", "email"} <= set(found["claims_supported"])
    lists = {k: v for k, v in found.items() if k.endswith(("_values_supported", "s_supported"))}
    assert all(isinstance(v, list) for k, v in lists.items() if not isinstance(v, bool))


@conformance("oidcc-discovery-jwks-has-rsa-and-unique-kids")
def test_the_key_set_has_rsa_and_each_kid_once(op):
    keys = op.http.get("/idp/jwks").json["keys"]
    assert "RSA" in {k["kty"] for k in keys}
    assert len({k["kid"] for k in keys}) == len(keys)
    assert not any({"d", "p", "q"} & set(k) for k in keys)


@conformance("oidcc-discovery-no-unknown-members")
def test_no_member_has_an_unknown_form(found):
    assert [name for name in found if not KNOWN.fullmatch(name)] == []


@conformance("oidcc-discovery-request-parameters-said-plainly")
def test_what_is_true_when_absent_is_said(found):
    assert (found["request_parameter_supported"], found["request_uri_parameter_supported"]) == (True, False)
    assert "require_request_uri_registration" not in found


@conformance("oidcc-discovery-locale-tags")
def test_locales_are_well_formed_in_canonical_casing(found):
    assert all(re.fullmatch(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?", tag) for tag in found["ui_locales_supported"])


@conformance("oidcc-discovery-acr-values-are-returned")
def test_an_acr_that_is_listed_is_returned(op, found):
    assert found["acr_values_supported"] == list(ACR_VALUES)
    tokens = op.exchange(op.code(acr_values=found["acr_values_supported"][0])).json
    assert claims_of(tokens["id_token"])["acr"] == found["acr_values_supported"][0]
