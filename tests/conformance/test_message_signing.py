"""FAPI 2.0 Message Signing: signed requests (RFC 9101) and signed answers (JARM)."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from tests.conformance import conformance, rfc
from tests.conformance.basic import posted
from tests.conformance.fapi import OTHER_KEY, Fapi, refused, uri_of
from tests.openid.openid_world import CALLBACK, CLIENT_KEY, ISSUER, answered, claims_of

NAME = "fapi2-message-signing-final-"
RSA = rsa.generate_private_key(65537, 2048)
MINUTE = 60


@pytest.fixture(scope="module")
def signing(op):
    return Fapi(op, requireSignedRequestObject=True)


def times(op, **seconds):
    """exp and nbf, in seconds from now."""
    return {name: None if s is None else int(op.at.timestamp()) + s for name, s in seconds.items()}


# --- signed requests -------------------------------------------------------------------------------------------------


@conformance(NAME + "happy-flow")
@rfc("9101", "6.3")
def test_n_121_a_signed_request_is_answered_as_it_says_inside(signing):
    answer = signing.post({"request": signing.request_object(state="inside"), "state": "outside"})
    assert answered(signing.go(uri_of(answer)))["state"] == "inside"


@conformance(NAME + "several-aud-accepted")
def test_our_issuer_may_be_one_of_several_audiences(signing):
    assert signing.push_object(aud=["https://other.example", ISSUER]).status_code == 201


@conformance(NAME + "nbf-8s-ahead-accepted")
def test_a_clock_a_little_ahead_is_no_error(op, signing):
    assert signing.push_object(**times(op, nbf=8)).status_code == 201


@conformance(NAME + "missing-exp")
@conformance(NAME + "missing-nbf")
@conformance(NAME + "expired")
@conformance(NAME + "exp-too-far-ahead")
@conformance(NAME + "nbf-too-old")
@pytest.mark.parametrize(
    "seconds",
    [
        {"exp": None},
        {"nbf": None},
        {"exp": -5 * MINUTE, "nbf": -6 * MINUTE},
        {"exp": 70 * MINUTE},
        {"nbf": -70 * MINUTE, "exp": 5 * MINUTE},
        {"nbf": 61},
        {"iat": 61},
    ],
    ids=str,
)
def test_a_request_object_is_young_and_short_lived(op, signing, seconds):
    assert refused(signing.push_object(**times(op, **seconds))) == "invalid_request_object"


@conformance(NAME + "wrong-aud")
@conformance(NAME + "request-uri-inside-refused")
@rfc("9101", "10.8")
@pytest.mark.parametrize(
    "given",
    [
        {"aud": "https://other.example"},
        {"aud": [ISSUER + "/"]},
        {"aud": None},
        {"aud": {"x": ISSUER}},
        {"iss": "somebody"},
        {"iss": None},
        {"client_id": "99999999-0000-0000-0000-000000000000"},
        {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"request": "e30.e30."},
        {"exp": "soon"},
        {"exp": True},
        {"typ": "at+jwt"},
    ],
    ids=str,
)
def test_n_121_a_request_object_is_the_clients_for_us_and_nothing_else(signing, given):
    assert refused(signing.push_object(**given)) == "invalid_request_object"


@rfc("9101", "10.8")
def test_an_assertion_that_authenticates_is_no_request_object(signing):
    assert refused(signing.push_object(sub=signing.row.app_id)) == "invalid_request_object"


@conformance(NAME + "rs256")
def test_rs256_is_refused_where_the_key_is_rsa(op):
    client = Fapi(op, keys=[RSA, CLIENT_KEY], requireSignedRequestObject=True)
    assert refused(client.push_object(key=RSA, alg="RS256")) == "invalid_request_object"
    assert client.push_object(key=RSA, alg="PS256").status_code == 201


def test_ed25519_is_accepted(op):
    key = ed25519.Ed25519PrivateKey.generate()
    client = Fapi(op)
    public = jwt.get_algorithm_by_name("EdDSA").to_jwk(key.public_key(), as_dict=True)
    op.configure(client.row, "application", b2bIdp={"jwks": {"keys": [public]}, "profile": "fapi2"})
    asked = {"request": client.request_object(key=key, alg="EdDSA")}
    assert client.post(asked, op.assertion(client.row, key, "EdDSA")).status_code == 201


@conformance(NAME + "none")
@conformance(NAME + "bad-signature")
@conformance(NAME + "another-clients-key")
def test_only_the_clients_own_signature_counts(signing):
    assert refused(signing.push_object(alg="none")) == "invalid_request_object"
    assert refused(signing.push_object(key=OTHER_KEY)) == "invalid_request_object"
    head, body, signature = signing.request_object().split(".")
    changed = signature[:10] + ("A" if signature[10] != "A" else "B") + signature[11:]
    for broken in (f"{head}.{body}.{changed}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{signature}.x.y"):
        assert refused(signing.post({"request": broken})) == "invalid_request_object"


@rfc("FAPI 2.0 Message Signing", "5.3")
@conformance(NAME + "plain-par-refused")
def test_what_has_to_be_signed_is_not_pushed_plain(signing):
    assert refused(signing.push()) == "invalid_request"


def test_a_member_that_stands_twice_is_not_chosen_from(signing):
    payload = b'{"iss":"%s","state":"a","state":"b"}' % signing.row.app_id.encode()
    twice = jwt.PyJWS().encode(payload, CLIENT_KEY, "ES256")
    assert refused(signing.post({"request": twice})) == "invalid_request_object"


@rfc("9101", "5")
def test_any_client_with_a_key_may_sign_its_request_at_the_authorization_endpoint(op, fapi):
    row, _ = op.app("Signs", web={"redirectUris": [CALLBACK]}, b2b={"jwks": {"keys": fapi_keys(op, fapi)}})
    signed = fapi.request_object(iss=row.app_id, client_id=row.app_id, exp=None, nbf=None, max_age=600, state="inside")
    told = answered(op.authorize(row, request=signed))
    assert told["state"] == "inside"
    told = answered(op.authorize(row, request=signed[:-4] + "AAAA"))
    assert (told["error"], told["state"]) == ("invalid_request_object", "st")


def test_an_app_that_registered_an_algorithm_signs_by_no_other(op, fapi):
    ours = {"jwks": {"keys": fapi_keys(op, fapi)}, "requestObjectSigningAlg": "PS256"}
    row, _ = op.app("Signs", web={"redirectUris": [CALLBACK]}, b2b=ours)
    signed = fapi.request_object(iss=row.app_id, client_id=row.app_id)
    assert answered(op.authorize(row, request=signed))["error"] == "invalid_request_object"


def test_request_and_request_uri_exclude_each_other(op):
    told = answered(op.authorize(request="e30.e30.", request_uri="urn:ietf:params:oauth:request_uri:x"))
    assert told["error"] == "invalid_request"


def fapi_keys(op, fapi):
    with op.store.read() as r:
        return list(r.apps.by_client_id(fapi.row.app_id).jwks)


# --- signed answers --------------------------------------------------------------------------------------------------


def opened(op, client, told, alg="PS256"):
    """The parameters inside a signed answer, the only one that there is."""
    assert set(told) == {"response"}
    assert jwt.get_unverified_header(told["response"])["alg"] == alg
    claims = claims_of(told["response"])
    assert (claims["iss"], claims["aud"]) == (ISSUER, client.app_id)
    assert 0 < claims["exp"] - op.at.timestamp() <= 600
    return claims


@rfc("JARM", "2.3.1")
@conformance(NAME + "jarm")
@pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
def test_a_signed_answer_in_the_address(op, signing, mode):
    uri = uri_of(signing.push_object(response_mode=mode))
    inside = opened(op, signing.row, answered(signing.go(uri)))
    assert inside["state"] == "st"
    assert "id_token" in signing.exchange(inside["code"]).json


@conformance(NAME + "jarm")
def test_a_signed_answer_in_a_form(op, signing):
    uri = uri_of(signing.push_object(response_mode="form_post.jwt"))
    assert "code" in opened(op, signing.row, posted(signing.go(uri)))


@conformance(NAME + "jarm")
def test_an_error_is_signed_too(op):
    told = answered(op.authorize(response_mode="jwt", response_type="token"))
    assert opened(op, op.crm, told, "RS256")["error"] == "unsupported_response_type"


@pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256"])
def test_an_app_says_by_what_its_answers_are_signed(op, alg):
    row, _ = op.app("JARM", web={"redirectUris": [CALLBACK]}, b2b={"authorizationSignedResponseAlg": alg})
    assert "code" in opened(op, row, answered(op.authorize(row, response_mode="jwt")), alg)


def test_a_signed_answer_is_no_id_token_hint(op):
    inside = answered(op.authorize(response_mode="jwt"))["response"]
    assert answered(op.authorize(prompt="none", id_token_hint=inside))["error"] == "login_required"
