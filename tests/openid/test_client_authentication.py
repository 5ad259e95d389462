"""Client authentication (RFC 6749 §2.3, RFC 7523 §3): one way only, and that one checked wholly."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from openid_world import AT, CLIENT_KEY, FORM, ISSUER, VERIFIER, basic, refused

from b2b_idp.guests.apps import add_password, graph_service_principal
from b2b_idp.keys.vault import client_secret
from tests.conformance import rfc

RSA_KEY = rsa.generate_private_key(65537, 2048)
FOR_ITSELF = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}


@pytest.fixture
def world(world):
    """With the Graph API there, so that an app can act for itself."""
    world.change(lambda w: graph_service_principal(w, world.moment()))
    return world


@pytest.fixture(scope="module")
def shared(unchanged):
    """The same for tests that leave its first app and its clock alone."""
    unchanged.change(lambda w: graph_service_principal(w, unchanged.moment()))
    return unchanged


def keyed(world, **more):
    """An app that authenticates by its registered EC and RSA keys."""
    ec_jwk = json.loads(ECAlgorithm.to_jwk(CLIENT_KEY.public_key())) | {"kid": "ec"}
    rsa_jwk = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())) | {"kid": "rsa"} | more
    return world.app("Daemon", b2b={"jwks": {"keys": [ec_jwk, rsa_jwk]}})[0]


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_a_secret_in_the_basic_header(shared):
    assert shared.token(**FOR_ITSELF).status_code == 200


def test_a_secret_in_the_form(shared):
    answer = shared.token(client_id=shared.crm.app_id, client_secret=shared.secret, **FOR_ITSELF)
    assert answer.status_code == 200


def test_id_and_secret_in_the_basic_header_are_form_urlencoded(shared):
    encoded = "".join(f"%{b:02x}" for b in shared.secret.encode())
    header = "Basic " + b64encode(f"{shared.crm.app_id}:{encoded}".encode()).decode()
    assert shared.token(headers={"Authorization": header}, **FOR_ITSELF).status_code == 200


def test_each_of_an_apps_secrets_is_good(world):
    _, second = world.change(lambda w: add_password(w, world.crm, world.vault, world.moment()))
    for secret in (world.secret, second):
        assert world.token(world.crm, secret, **FOR_ITSELF).status_code == 200


@pytest.mark.parametrize(
    "secret",
    ["", "wrong", "b2bs_", client_secret("A" * 43), "ä" * 40, "\x00"],
    ids=["empty", "wrong", "prefix only", "another of ours", "not ASCII", "NUL"],
)
def test_n_117_a_wrong_secret_is_401_and_says_basic(shared, secret):
    answer = shared.token(headers={"Authorization": basic(shared.crm.app_id, secret)}, **FOR_ITSELF)
    assert refused(answer) == (401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_n_117_an_empty_secret_in_the_form_is_none_and_refused(shared):
    answer = shared.token(client_id=shared.crm.app_id, client_secret="", **FOR_ITSELF)
    assert refused(answer) == (401, "invalid_client")


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic AAAA", "Basic ww==", "Basic " + "A" * 10_000])
def test_n_117_a_basic_header_that_cannot_be_decoded_is_invalid_client(shared, header):
    assert refused(shared.token(headers={"Authorization": header}, **FOR_ITSELF)) == (401, "invalid_client")


def test_n_117_two_ways_at_once_are_an_invalid_request(shared):
    answer = shared.token(
        headers={"Authorization": basic(shared.crm.app_id, shared.secret)}, client_secret=shared.secret, **FOR_ITSELF
    )
    assert refused(answer) == (400, "invalid_request")


def test_another_client_id_in_the_form_than_in_the_header_is_an_invalid_request(shared):
    other, _ = shared.app("Other")
    answer = shared.token(
        headers={"Authorization": basic(shared.crm.app_id, shared.secret)}, client_id=other.app_id, **FOR_ITSELF
    )
    assert refused(answer) == (400, "invalid_request")


def test_n_117_a_removed_secret_is_good_no_more(world):
    key_id = world.ask(lambda r: r.apps.secrets(world.crm.id))[0].key_id
    world.change(lambda w: w.apps.remove_secret(world.crm.id, key_id))
    assert refused(world.token(**FOR_ITSELF)) == (401, "invalid_client")


def test_an_expired_secret_is_good_no_more(world):
    world.later(days=800)
    assert refused(world.token(**FOR_ITSELF)) == (401, "invalid_client")


def test_another_apps_secret_is_refused(shared):
    _, other = shared.app("Other")
    assert refused(shared.token(shared.crm, other, **FOR_ITSELF)) == (401, "invalid_client")


def test_n_132_a_disabled_client_is_refused(world):
    world.configure(world.crm, "service_principal", accountEnabled=False)
    assert refused(world.token(**FOR_ITSELF)) == (401, "invalid_client")


@pytest.mark.parametrize("client_id", ["", "x", "99999999-0000-0000-0000-000000000000", "\x00", "a" * 60_000])
def test_n_111_an_unknown_client_is_refused(shared, client_id):
    answer = shared.token(client_id=client_id, client_secret=shared.secret, **FOR_ITSELF)
    assert refused(answer) == (401, "invalid_client")


# --- none ------------------------------------------------------------------------------------------------------------


def test_a_confidential_client_without_credentials_is_refused(shared):
    assert refused(shared.token(client_id=shared.crm.app_id, **FOR_ITSELF)) == (401, "invalid_client")


def test_a_public_client_needs_its_client_id_only(shared):
    spa, _ = shared.app("SPA", spa={"redirectUris": ["https://app.example/callback"]})
    answer = shared.http.post(
        "/idp/token",
        data={
            "grant_type": "authorization_code",
            "client_id": spa.app_id,
            "code": shared.code(spa),
            "redirect_uri": "https://app.example/callback",
            "code_verifier": VERIFIER,
        },
    )
    assert answer.status_code == 200


def test_a_public_client_cannot_act_for_itself(shared):
    spa, _ = shared.app("SPA", spa={"redirectUris": ["https://app.example/callback"]})
    assert refused(shared.token(client_id=spa.app_id, **FOR_ITSELF)) == (400, "unauthorized_client")


# --- private_key_jwt -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aud", [ISSUER, f"{ISSUER}/token", [ISSUER, "https://other.example"]])
def test_an_assertion_for_us_authenticates(shared, aud):
    assert shared.token(**shared.assertion(keyed(shared), aud=aud), **FOR_ITSELF).status_code == 200


@pytest.mark.parametrize("alg", ["RS256", "PS256"])
def test_an_rsa_key_signs_with_rs256_or_ps256(shared, alg):
    assert shared.token(**shared.assertion(keyed(shared), RSA_KEY, alg), **FOR_ITSELF).status_code == 200


def test_a_key_registered_for_one_algorithm_is_good_for_no_other(shared):
    app = keyed(shared, alg="PS256")
    assert shared.token(**shared.assertion(app, RSA_KEY, "PS256"), **FOR_ITSELF).status_code == 200
    assert refused(shared.token(**shared.assertion(app, RSA_KEY, "RS256"), **FOR_ITSELF)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example"},
        {"aud": [f"{ISSUER}/"]},
        {"aud": {"x": ISSUER}},
        {"aud": 5},
        {"exp": int(AT.timestamp()) - 60},
        {"exp": int((AT + timedelta(days=1)).timestamp())},
        {"exp": "never"},
        {"exp": True},
        {"exp": 1e300},
        {"nbf": int((AT + timedelta(hours=1)).timestamp())},
        {"iat": int((AT + timedelta(hours=1)).timestamp())},
        {"iss": "99999999-0000-0000-0000-000000000000"},
        {"sub": "99999999-0000-0000-0000-000000000000"},
        {"jti": ""},
        {"jti": 5},
    ],
    ids=str,
)
def test_n_118_an_assertion_that_is_not_as_it_must_be_is_invalid_client(shared, claims):
    assertion = shared.assertion(keyed(shared), **claims)
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "jti"])
def test_n_118_an_assertion_lacks_nothing(shared, name):
    assertion = shared.assertion(keyed(shared), without=[name])
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


@rfc("7523", "3")
def test_n_118_an_assertion_is_used_once(shared):
    assertion = shared.assertion(keyed(shared))
    assert shared.token(**assertion, **FOR_ITSELF).status_code == 200
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


def test_n_118_an_assertion_is_spent_even_when_the_request_was_refused(shared):
    assertion = shared.assertion(keyed(shared))
    assert refused(shared.token(**assertion, grant_type="password")) == (400, "unsupported_grant_type")
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


def test_two_clients_may_use_the_same_jti(shared):
    jti = str(uuid.uuid4())
    for app in (keyed(shared), keyed(shared)):
        assert shared.token(**shared.assertion(app, jti=jti), **FOR_ITSELF).status_code == 200


@pytest.mark.parametrize("alg", ["HS256", "none"])
def test_n_118_an_assertion_without_a_public_key_signature_is_refused(shared, alg):
    key = shared.secret if alg == "HS256" else None
    assert refused(shared.token(**shared.assertion(keyed(shared), key, alg), **FOR_ITSELF)) == (401, "invalid_client")


def test_n_118_an_assertion_of_another_key_is_refused(shared):
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert refused(shared.token(**shared.assertion(keyed(shared), stranger), **FOR_ITSELF)) == (401, "invalid_client")


def test_n_118_a_critical_header_that_nobody_understands_is_refused(shared):
    assertion = shared.assertion(keyed(shared), headers={"crit": ["x"], "x": 1})
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


@pytest.mark.parametrize("text", ["x", "a.b.c", "..", "ä", "e30.NQ.AA"])
def test_an_assertion_that_is_no_jwt_is_invalid_client(shared, text):
    answer = shared.token(
        client_assertion=text, client_assertion_type=shared.assertion(shared.crm)["client_assertion_type"], **FOR_ITSELF
    )
    assert refused(answer) == (401, "invalid_client")


def test_an_assertion_of_another_type_is_invalid_client(shared):
    assertion = shared.assertion(keyed(shared)) | {"client_assertion_type": "urn:x"}
    assert refused(shared.token(**assertion, **FOR_ITSELF)) == (401, "invalid_client")


def test_the_token_says_how_the_client_authenticated(shared):
    assert _azpacr(shared.token(**shared.assertion(keyed(shared)), **FOR_ITSELF)) == "2"
    assert _azpacr(shared.token(**FOR_ITSELF)) == "1"


def _azpacr(answer):
    return jwt.decode(answer.json["access_token"], options={"verify_signature": False})["azpacr"]


# --- the request itself ----------------------------------------------------------------------------------------------


def test_parameters_in_the_address_do_not_count(shared):
    answer = shared.http.post(
        f"/idp/token?grant_type=client_credentials&scope={ISSUER}/.default",
        headers={"Authorization": basic(shared.crm.app_id, shared.secret)},
        content_type=FORM,
    )
    assert refused(answer) == (400, "invalid_request")


def test_a_repeated_parameter_is_an_invalid_request(shared):
    answer = shared.token(grant_type=["client_credentials", "client_credentials"], scope=f"{ISSUER}/.default")
    assert refused(answer) == (400, "invalid_request")


def test_n_133_json_is_no_form(shared):
    answer = shared.http.post(
        "/idp/token", json=FOR_ITSELF, headers={"Authorization": basic(shared.crm.app_id, shared.secret)}
    )
    assert refused(answer) == (400, "invalid_request")


def test_a_form_over_64_kb_is_refused(shared):
    assert refused(shared.token(padding="x" * 70_000, **FOR_ITSELF)) == (413, "invalid_request")


@pytest.mark.rfc("9700", "2.4")
@pytest.mark.parametrize("grant_type", ["", "password", "implicit", "urn:x"])
def test_other_grants_are_not_supported(shared, grant_type):
    told = "unsupported_grant_type" if grant_type else "invalid_request"
    assert refused(shared.token(grant_type=grant_type)) == (400, told)
