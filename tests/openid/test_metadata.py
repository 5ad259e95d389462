"""Discovery and the key set: what is there, and nothing that is not (Discovery 1.0 §3, RFC 8414, RFC 7517)."""

from __future__ import annotations

import pytest
from openid_world import FORM, ISSUER

from b2b_idp.policy.decide import ACR_VALUES
from tests.conformance import rfc

WELL_KNOWN = ("openid-configuration", "oauth-authorization-server")


@pytest.fixture(scope="module")
def found(unchanged):
    return unchanged.http.get("/idp/.well-known/openid-configuration").json


@rfc("OIDC Discovery", "4.3")
def test_the_issuer_is_byte_for_byte_the_settings(found):
    assert found["issuer"] == ISSUER


@rfc("8414", "3")
def test_both_well_known_addresses_say_the_same(unchanged):
    first, second = (unchanged.http.get(f"/idp/.well-known/{n}") for n in WELL_KNOWN)
    assert first.data == second.data


def test_every_address_is_built_from_the_issuer_never_from_the_request(unchanged, found):
    foreign = unchanged.http.get("/idp/.well-known/openid-configuration", headers={"Host": "evil.example"}).json
    assert foreign == found
    assert all(v.startswith(ISSUER + "/") for k, v in found.items() if k.endswith(("_endpoint", "_uri")))


def test_every_endpoint_is_there(unchanged, found):
    for name, address in found.items():
        if name.endswith("_endpoint"):
            answer = unchanged.http.post(address.removeprefix("http://localhost"), data="", content_type=FORM)
            assert answer.status_code not in (404, 405, 500), name


def test_nothing_is_listed_that_is_not_built(found):
    assert not [k for k in found if k.startswith(("mtls_", "tls_"))]
    assert "authorization_details_types_supported" not in found
    assert found["request_uri_parameter_supported"] is False


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("response_types_supported", {"code"}),
        (
            "grant_types_supported",
            {
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            },
        ),
        ("dpop_signing_alg_values_supported", {"ES256", "PS256", "EdDSA"}),
        ("code_challenge_methods_supported", {"S256"}),
        ("subject_types_supported", {"pairwise", "public"}),
        ("id_token_signing_alg_values_supported", {"RS256", "ES256", "PS256"}),
        ("response_modes_supported", {"query", "form_post", "query.jwt", "form_post.jwt", "jwt"}),
        ("authorization_signing_alg_values_supported", {"RS256", "ES256", "PS256"}),
        ("request_object_signing_alg_values_supported", {"RS256", "ES256", "PS256", "EdDSA", "none"}),
        ("acr_values_supported", set(ACR_VALUES)),
        (
            "token_endpoint_auth_methods_supported",
            {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
        ),
    ],
)
def test_what_is_supported(found, name, members):
    assert set(found[name]) == members


def test_requests_are_pushed_or_sent_by_value_and_never_fetched(found):
    assert found["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert found["request_parameter_supported"] is True
    assert found["request_uri_parameter_supported"] is False
    assert found["require_pushed_authorization_requests"] is False
    assert found["require_signed_request_object"] is False


def test_an_apps_own_metadata_says_what_it_is_held_to(unchanged):
    app, _ = unchanged.app("Bank", b2b={"profile": "fapi2", "requireSignedRequestObject": True})
    said = unchanged.http.get(f"/idp/.well-known/openid-configuration?appid={app.app_id}").json
    assert said["require_pushed_authorization_requests"] is True
    assert said["require_signed_request_object"] is True


@rfc("9207", "2")
def test_every_response_names_its_issuer(found):
    assert found["authorization_response_iss_parameter_supported"] is True


def test_the_key_set_may_be_cached_no_longer_than_a_new_key_waits(unchanged):
    answer = unchanged.http.get("/idp/jwks")
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    assert {k["alg"] for k in answer.json["keys"]} == {"RS256", "ES256", "PS256"}


@pytest.mark.parametrize("path", ["jwks", *(f".well-known/{n}" for n in WELL_KNOWN)])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_any_origin_may_read_it_without_credentials(unchanged, path, method):
    answer = unchanged.http.open(f"/idp/{path}", method=method, headers={"Origin": "https://spa.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
