"""FAPI 2.0 Security Profile: what a client may ask for, and how it has to push it (RFC 9126)."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from b2b_idp.openid.pushed import LIFETIME
from b2b_idp.policy.decide import ACR_VALUES
from tests.conformance import conformance, rfc
from tests.conformance.basic import posted
from tests.conformance.fapi import Fapi, refused, unlike
from tests.openid.openid_world import (
    CALLBACK,
    CHALLENGE,
    FORM,
    ISSUER,
    VERIFIER,
    answered,
    basic,
    claims_of,
    page_error,
)

NAME = "fapi2-security-profile-final-"
RSA = rsa.generate_private_key(65537, 2048)


@conformance(NAME + "discovery-end-point-verification")
def test_metadata_says_where_requests_are_pushed(op):
    found = op.http.get("/idp/.well-known/openid-configuration").json
    assert found["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert found["authorization_response_iss_parameter_supported"] is True
    assert "S256" in found["code_challenge_methods_supported"]
    for name in ("id_token_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported"):
        assert {"PS256", "ES256"} <= set(found[name])


@conformance(NAME + "happy-flow")
@rfc("9126", "2.2")
def test_two_clients_push_and_get_a_code_with_our_issuer(op, fapi):
    for client in (fapi, Fapi(op, keys=[RSA], requestObjectSigningAlg="PS256")):
        key = {"key": RSA, "alg": "PS256"} if client is not fapi else {}
        answer = client.push(assertion=op.assertion(client.row, **key))
        assert 5 < answer.json["expires_in"] < 600
        assert answer.json["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        told = answered(client.go(answer.json["request_uri"]))
        assert (told["state"], told["iss"]) == ("st", ISSUER)
        tokens = op.exchange(
            told["code"], headers={"DPoP": client.key.proof("/token")}, **op.assertion(client.row, **key)
        ).json
        assert client.userinfo(tokens["access_token"]).json["name"] == "Ada"


@conformance(NAME + "happy-flow")
def test_nothing_is_signed_by_rs256(op, fapi):
    assert fapi.id_token()["aud"] == fapi.row.app_id  # claims_of verified it by the key's own algorithm
    header = jwt.get_unverified_header(fapi.exchange(fapi.code()).json["id_token"])
    assert header["alg"] == "PS256"


@conformance(NAME + "user-rejects-authentication")
def test_a_guest_who_says_no_is_told_to_the_client(world):
    client = Fapi(world)
    page = world.http.get(
        client.go(client.pushed(prompt="consent")).headers["Location"].removeprefix("http://localhost")
    )
    at = page.text.partition('action="')[2].partition('"')[0]
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    answer = world.http.post(at, data={"csrf": csrf, "decline": "1"})
    told = answered(world.http.get(answer.headers["Location"]))
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "st", ISSUER)


# --- state, nonce, scope ---------------------------------------------------------------------------------------------


@conformance(NAME + "without-state")
@conformance(NAME + "without-nonce")
def test_what_was_not_sent_is_not_invented(fapi):
    assert "state" not in answered(fapi.go(fapi.pushed(without=["state"])))
    assert "nonce" not in fapi.id_token(without=["nonce"])


@conformance(NAME + "64-char-nonce")
@conformance(NAME + "long-nonce")
@pytest.mark.parametrize("length", [64, 384])
def test_a_nonce_comes_back_whole(fapi, length):
    assert fapi.id_token(nonce="n" * length)["nonce"] == "n" * length


@conformance(NAME + "long-state")
def test_a_long_state_comes_back_whole(fapi):
    assert answered(fapi.go(fapi.pushed(state="s" * 384)))["state"] == "s" * 384


@conformance(NAME + "other-scope-order")
def test_the_order_of_scopes_is_free(fapi):
    assert "code" in answered(fapi.go(fapi.pushed(scope="profile openid")))


@conformance(NAME + "test-claims-parameter-identity-claims")
def test_claims_asked_for_by_name_are_pushed_too(op, fapi):
    code = fapi.code(scope="openid", claims='{"userinfo": {"name": {"essential": true}}}')
    assert fapi.userinfo(fapi.exchange(code).json["access_token"]).json["name"] == "Ada"


# --- the request -----------------------------------------------------------------------------------------------------


@conformance(NAME + "different-nonce-inside-and-outside")
@conformance(NAME + "different-state-inside-and-outside")
@conformance(NAME + "state-only-outside-not-used")
@conformance(NAME + "par-without-duplicate-parameters")
@rfc("9126", "4")
def test_client_id_and_request_uri_suffice_and_nothing_beside_them_counts(fapi):
    beside = {"state": "outside", "nonce": "outside", "redirect_uri": "https://evil.example/"}
    told = answered(fapi.go(fapi.pushed(), **beside))
    assert told["state"] == "st"
    assert claims_of(fapi.exchange(told["code"]).json["id_token"])["nonce"] == "n"
    assert "state" not in answered(fapi.go(fapi.pushed(without=["state"]), state="outside"))


@conformance(NAME + "test-essential-acr-sca-claim")
def test_an_acr_that_is_essential_is_returned_or_the_request_is_refused(fapi):
    def asked(value):
        return json.dumps({"id_token": {"acr": {"essential": True, "values": [value]}}})

    assert fapi.id_token(claims=asked(ACR_VALUES[0]))["acr"] == ACR_VALUES[0]
    unknown = asked("urn:openbanking:psd2:sca")
    assert refused(fapi.push(claims=unknown)) == "unmet_authentication_requirements"


@conformance(NAME + "without-redirect-uri-fails")
@conformance(NAME + "unregistered-redirect-uri")
@conformance(NAME + "ensure-registered-redirect-uri")
@conformance(NAME + "response-type-code-id-token-fails")
@conformance(NAME + "response-type-token-fails")
@rfc("9126", "2.3")
@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/callback"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"request": "e30.e30.e30"}, "invalid_request_object"),
    ],
    ids=str,
)
def test_a_request_that_could_not_be_answered_is_refused_when_it_is_pushed(fapi, given, error):
    assert refused(fapi.push(**given)) == error


@rfc("FAPI 2.0 Security Profile", "5.3.2.2")
@conformance(NAME + "no-par-fails")
@rfc("9126", "5")
def test_a_request_that_was_not_pushed_fails(op, fapi):
    told = answered(op.authorize(fapi.row))
    assert (told["error"], "code" in told) == ("invalid_request", False)
    told = answered(op.authorize(fapi.row, request=fapi.request_object()))
    assert told["error"] == "invalid_request"


@rfc("9126", "6")
def test_any_client_may_be_held_to_pushing(op):
    row, secret = op.app("Pushing", web={"redirectUris": [CALLBACK]}, b2b={"requirePushedAuthorizationRequests": True})
    assert answered(op.authorize(row))["error"] == "invalid_request"
    asked = {"redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    answer = op.http.post("/idp/par", data=asked, headers={"Authorization": basic(row.app_id, secret)})
    assert answer.status_code == 201


# --- client authentication at the pushed request endpoint ------------------------------------------------------------


@rfc("FAPI 2.0 Security Profile", "5.3.2.1")
@conformance(NAME + "no-assertion")
@conformance(NAME + "other-clients-id")
@conformance(NAME + "no-sub")
@conformance(NAME + "assertion-exp-5-min-past")
@conformance(NAME + "wrong-aud")
@conformance(NAME + "par-aud-as-array-refused")
@conformance(NAME + "par-token-endpoint-as-aud-refused")
@conformance(NAME + "par-endpoint-as-aud-refused")
@conformance(NAME + "assertion-nbf-over-60s-refused")
@pytest.mark.parametrize(
    "claims",
    [
        {"without": ["sub"]},
        {"exp": -300},
        {"aud": "https://other.example"},
        {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/token"},
        {"aud": f"{ISSUER}/par"},
        {"nbf": 61},
        {"sub": "99999999-0000-0000-0000-000000000000"},
    ],
    ids=str,
)
def test_an_assertion_names_the_client_our_issuer_alone_and_the_present(op, fapi, claims):
    now = int(op.at.timestamp())
    given = {k: now + v if k in ("exp", "nbf") else v for k, v in claims.items()}
    assert refused(fapi.push(assertion=op.assertion(fapi.row, **given)), status=401) == "invalid_client"
    wrong = op.assertion(fapi.row, **given)
    assert refused(fapi.exchange(fapi.code(), assertion=wrong), status=401) == "invalid_client"


@conformance(NAME + "other-clients-id")
def test_an_assertion_beside_another_clients_id_is_refused(op, fapi):
    mine, code = op.assertion(fapi.row), fapi.code()
    assert refused(fapi.exchange(code, assertion=mine | {"client_id": op.crm.app_id}), status=401) == "invalid_client"
    assert "access_token" in fapi.exchange(code, assertion=op.assertion(fapi.row) | {"client_id": fapi.row.app_id}).json


@conformance(NAME + "no-assertion")
def test_without_an_assertion_nothing_is_pushed_and_nothing_given(fapi):
    only_named = {"client_id": fapi.row.app_id}
    assert refused(fapi.push(assertion=only_named), status=401) == "invalid_client"
    assert refused(fapi.exchange(fapi.code(), assertion=only_named), status=401) == "invalid_client"


@conformance(NAME + "assertion-nbf-8s-ahead-accepted")
def test_a_clock_a_little_ahead_is_no_error(op, fapi):
    ahead = int(op.at.timestamp()) + 8
    assert fapi.push(assertion=op.assertion(fapi.row, nbf=ahead, iat=ahead)).status_code == 201
    ours = op.assertion(fapi.row, nbf=ahead, iat=ahead)
    assert "access_token" in fapi.exchange(fapi.code(), assertion=ours).json


@conformance(NAME + "assertion-rs256")
def test_rs256_is_refused_where_the_key_is_rsa(op):
    client = Fapi(op, keys=[RSA])
    assert refused(client.push(assertion=op.assertion(client.row, RSA, "RS256")), status=401) == "invalid_client"
    assert client.push(assertion=op.assertion(client.row, RSA, "PS256")).status_code == 201


def test_the_profile_takes_no_shared_secret(op):
    row, secret = op.app("Secret", web={"redirectUris": [CALLBACK]}, b2b={"profile": "fapi2"})
    answer = op.http.post("/idp/par", data={"x": "y"}, headers={"Authorization": basic(row.app_id, secret)})
    assert refused(answer, status=401) == "invalid_client"


# --- code and PKCE ---------------------------------------------------------------------------------------------------


@rfc("FAPI 2.0 Security Profile", "5.3.2.2")
@conformance(NAME + "pkce-required")
@conformance(NAME + "pkce-plain-refused")
@pytest.mark.parametrize(
    "given", [{"without": ["code_challenge", "code_challenge_method"]}, {"code_challenge_method": "plain"}], ids=str
)
def test_a_request_has_an_s256_challenge(fapi, given):
    assert refused(fapi.push(**given)) == "invalid_request"


@conformance(NAME + "pkce-verifier-required")
@conformance(NAME + "pkce-wrong-verifier")
@pytest.mark.parametrize("verifier", [None, VERIFIER[:-1] + "w"])
def test_a_code_is_worth_nothing_without_its_verifier(fapi, verifier):
    assert fapi.exchange(fapi.code(), code_verifier=verifier).json["error"] == "invalid_grant"


@conformance(NAME + "code-bound-to-client")
def test_a_code_is_of_one_client(op, fapi):
    other = Fapi(op)
    assert other.exchange(fapi.code()).json["error"] == "invalid_grant"


@conformance(NAME + "code-expired-after-60s")
def test_a_code_is_over_after_a_minute(world):
    client = Fapi(world)
    code = client.code()
    world.later(seconds=60)
    assert client.exchange(code).json["error"] == "invalid_grant"


# --- the request_uri -------------------------------------------------------------------------------------------------


@conformance(NAME + "par-request-uri-not-consumed-by-looking")
@rfc("9126", "4")
def test_looking_at_the_sign_in_page_spends_nothing(world):
    client = Fapi(world)
    uri = client.pushed()
    somebody, world.http = world.http, world.flask.test_client()
    for _ in range(2):
        assert "/signin/" in client.go(uri).headers["Location"]
    world.http = somebody
    assert "code" in answered(client.go(uri))


@conformance(NAME + "par-reuse-after-success-refused")
@rfc("9126", "7.3")
def test_n_120_a_request_uri_is_answered_once(world):
    client = Fapi(world)
    uri = client.pushed()
    assert "code" in answered(client.go(uri))
    assert page_error(client.go(uri)) == "invalid_request_uri"


def test_an_error_that_the_client_is_told_is_its_answer(world):
    client = Fapi(world)
    world.http = world.flask.test_client()
    uri = client.pushed(prompt="none")
    assert answered(client.go(uri))["error"] == "login_required"
    assert page_error(client.go(uri)) == "invalid_request_uri"


def test_of_two_sign_ins_for_one_request_one_is_granted(world):
    client = Fapi(world)
    uri = client.pushed(prompt="consent")
    ways = [client.go(uri).headers["Location"].removeprefix("http://localhost") for _ in range(2)]
    pages = [world.http.get(way).text for way in ways]

    def allow(page):
        at = page.partition('action="')[2].partition('"')[0]
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        return world.http.post(at, data={"csrf": csrf})

    assert "code" in answered(world.http.get(allow(pages[0]).headers["Location"]))
    assert page_error(allow(pages[1])) == "step_used"


@conformance(NAME + "par-expired")
@rfc("9126", "2.2")
def test_n_120_a_request_uri_expires_and_a_sign_in_begun_with_it_does_not(world):
    client = Fapi(world)
    uri = client.pushed(prompt="consent")
    page = world.http.get(client.go(uri).headers["Location"].removeprefix("http://localhost")).text
    world.later(seconds=LIFETIME / timedelta(seconds=1))
    assert page_error(client.go(uri)) == "invalid_request_uri"
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    allowed = world.http.post(page.partition('action="')[2].partition('"')[0], data={"csrf": csrf})
    assert "code" in answered(world.http.get(allowed.headers["Location"]))


@conformance(NAME + "par-other-clients-request-uri")
def test_n_120_a_request_uri_is_of_one_client(op, fapi):
    assert page_error(Fapi(op).go(fapi.pushed())) == "invalid_request_uri"


def test_a_request_uri_that_nobody_made_is_a_page(fapi):
    uri = fapi.pushed()
    handle = uri.rpartition(":")[2]
    assert page_error(fapi.go(uri.replace(handle, unlike(handle)))) == "invalid_request_uri"


@conformance(NAME + "par-request-uri-in-form-refused")
@rfc("9126", "2.1")
def test_a_request_uri_is_not_pushed(fapi):
    assert refused(fapi.push(request_uri=fapi.pushed())) == "invalid_request"


@conformance(NAME + "par-wrong-method")
@rfc("9126", "2.3")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_405(op, method):
    answer = op.http.open("/idp/par", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")


def test_what_authenticates_the_client_is_not_kept(world):
    client = Fapi(world)
    id = world.vault.read_handle("request_uri", client.pushed().rpartition(":")[2]).id
    kept = dict(world.ask(lambda r: r.pushed.by_id(id)).parameters)
    assert kept["state"] == "st"
    assert not {"client_assertion", "client_secret", "client_assertion_type"} & set(kept)


def test_a_public_client_may_push_and_a_browser_may_read_the_answer(op):
    spa, _ = op.app("SPA", spa={"redirectUris": [CALLBACK]})
    asked = {"client_id": spa.app_id, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    asked |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    answer = op.http.post(
        "/idp/par", data=urlencode(asked), content_type=FORM, headers={"Origin": "https://app.example"}
    )
    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert op.http.options("/idp/par").status_code == 204


def test_what_was_pushed_is_judged_again_when_the_browser_brings_it(world):
    client = Fapi(world)
    uri = client.pushed()
    world.configure(client.row, "application", web={"redirectUris": ["https://app.example/elsewhere"]})
    assert page_error(client.go(uri)) == "unregistered_redirect_uri"


def test_the_answer_may_be_a_form_as_well(fapi):
    assert "code" in posted(fapi.go(fapi.pushed(response_mode="form_post")))
