"""What an app that keeps the FAPI 2.0 Security Profile is held to at the token endpoint."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dpop_key import DpopKey, token_with
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from openid_world import AT, CLIENT_KEY, ISSUER, refused

from b2b_idp.guests.apps import graph_service_principal

KEY = DpopKey()
RSA_KEY, EDWARDS = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
JWKS = [
    json.loads(ECAlgorithm.to_jwk(CLIENT_KEY.public_key())),
    json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key())),
    json.loads(OKPAlgorithm.to_jwk(EDWARDS.public_key())),
]
FOR_ITSELF = {"grant_type": "client_credentials", "scope": f"{ISSUER}/.default"}


@pytest.fixture(scope="module")
def app(unchanged):
    unchanged.change(lambda w: graph_service_principal(w, unchanged.moment()))
    return unchanged.app("Bank", b2b={"profile": "fapi2", "jwks": {"keys": JWKS}})


def asked(world, app, *, proof=True, **assertion):
    row, _ = app
    sent = world.assertion(row, **assertion)
    headers = {"DPoP": KEY.proof("/token")} if proof else {"X-Nothing": "x"}
    return world.token(headers=headers, **sent, **FOR_ITSELF)


@pytest.mark.rfc("9700", "2.5")
@pytest.mark.rfc("FAPI 2.0 Security Profile", "5.3.2.1")
@pytest.mark.conformance("fapi2-security-profile-final-happy-flow")
@pytest.mark.parametrize(
    ("key", "alg"), [(CLIENT_KEY, "ES256"), (RSA_KEY, "PS256"), (EDWARDS, "EdDSA")], ids=["ES256", "PS256", "EdDSA"]
)
def test_it_authenticates_by_its_key_and_its_tokens_are_bound(unchanged, app, key, alg):
    answer = asked(unchanged, app, key=key, alg=alg)
    assert (answer.status_code, answer.json["token_type"]) == (200, "DPoP")


@pytest.mark.conformance("fapi2-security-profile-final-ensure-client-assertion-with-wrong-aud-fails")
@pytest.mark.parametrize(
    "aud",
    [[ISSUER], f"{ISSUER}/token", f"{ISSUER}/par", "https://other.example"],
    ids=["list", "token", "par", "other"],
)
def test_n_118_its_assertion_is_for_the_issuer_said_as_a_text(unchanged, app, aud):
    assert refused(asked(unchanged, app, aud=aud)) == (401, "invalid_client")


@pytest.mark.conformance("fapi2-security-profile-final-ensure-signed-client-assertion-with-RS256-fails")
def test_rs256_is_not_taken(unchanged, app):
    assert refused(asked(unchanged, app, key=RSA_KEY, alg="RS256")) == (401, "invalid_client")


NOW = int(AT.timestamp())


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"nbf": NOW + 8}, 200),
        ({"nbf": NOW + 61}, 401),
        ({"iat": NOW + 8}, 200),
        ({"exp": NOW - 300}, 401),
    ],
    ids=["nbf 8 s ahead", "nbf 61 s ahead", "iat 8 s ahead", "exp 5 min ago"],
)
def test_clocks_may_differ_a_little(unchanged, app, claims, status):
    assert asked(unchanged, app, **claims).status_code == status


@pytest.mark.conformance("fapi2-security-profile-final-ensure-holder-of-key-required")
def test_a_token_that_is_bound_to_nothing_is_not_given(unchanged, app):
    assert refused(asked(unchanged, app, proof=False)) == (400, "invalid_request")


def test_a_secret_is_not_taken(unchanged, app):
    row, secret = app
    assert refused(token_with(unchanged, KEY.proof("/token"), row, secret, **FOR_ITSELF)) == (401, "invalid_client")
