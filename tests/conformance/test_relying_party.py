"""The conditions of a relying party: here that is us, at a home tenant. A home's id_tokens have no address, so that
userinfo is asked wherever the id_token was accepted."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from b2b_idp.model.problem import Code
from tests.conformance import conformance, rfc
from tests.homes.homes_world import World

OTHER_KEY = rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def running():
    made = World()
    yield made
    made.provider.close()


@pytest.fixture
def rp(running):
    """The home as it is when it behaves; whatever a test spoils is whole again for the next."""
    provider = running.provider
    provider.tamper.clear()
    provider.hits.clear()
    provider.token_requests.clear()
    provider.kid = "k1"
    running.homes = World.fresh_homes()
    running.spoil_claims(email=..., email_verified=...)
    return running


def spoil(rp, **claims):
    rp.spoil_claims(email=..., email_verified=..., **claims)


def rejected(rp):
    """The token endpoint was called, userinfo never."""
    assert rp.refusal().code is Code.HOME_ANSWER_REFUSED
    return (rp.provider.hits["/token"], rp.provider.hits["/userinfo"]) == (1, 0)


@conformance("oidcc-client-test")
@conformance("oidcc-client-test-client-secret-basic")
def test_a_sign_in_calls_the_token_endpoint_by_basic_authentication_and_userinfo(rp):
    assert rp.sign_in().statement.subject == "ada-1"
    assert (rp.provider.hits["/token"], rp.provider.hits["/userinfo"]) == (1, 1)
    assert "client_secret" not in rp.provider.token_requests[0]


@conformance("oidcc-client-test-scope-userinfo-claims")
@rfc("OIDC Core", "5.4")
def test_the_claims_of_the_scopes_come_from_userinfo(rp):
    profile = rp.sign_in().profile
    assert (profile.email, profile.attributes["displayName"]) == ("ada@fabrikam.example", "Ada Alder")
    assert rp.begin().url.find("scope=openid+profile+email") > 0


@conformance("oidcc-client-test-idtoken-sig-rs256")
def test_an_id_token_signed_by_rs256_is_accepted(rp):
    signed = rp.sign_in().signed
    assert jwt.get_unverified_header(signed.id_token)["alg"] == "RS256"


@conformance("oidcc-client-test-invalid-iss")
def test_another_issuer_is_rejected(rp):
    spoil(rp, iss="https://evil.example")
    assert rejected(rp)


@conformance("oidcc-client-test-missing-sub")
def test_an_id_token_about_nobody_is_rejected(rp):
    spoil(rp, sub=...)
    assert rejected(rp)


@conformance("oidcc-client-test-invalid-aud")
def test_another_audience_is_rejected(rp):
    spoil(rp, aud="another")
    assert rejected(rp)


@conformance("oidcc-client-test-missing-iat")
def test_an_id_token_of_no_time_is_rejected(rp):
    spoil(rp, iat=...)
    assert rejected(rp)


@conformance("oidcc-client-test-nonce-invalid")
def test_another_nonce_is_rejected(rp):
    spoil(rp, nonce="another")
    assert rejected(rp)


@conformance("oidcc-client-test-invalid-sig-rs256")
def test_a_signature_of_another_key_is_rejected_though_it_came_from_the_token_endpoint(rp):
    rp.provider.tamper["id_token"] = lambda t: t.update(key=OTHER_KEY)
    assert rejected(rp)


@conformance("oidcc-client-test-kid-absent-single-jwks")
def test_without_kid_the_only_key_is_used(rp):
    rp.provider.kid = None
    assert rp.sign_in().statement.subject == "ada-1"


@conformance("oidcc-client-test-kid-absent-multiple-jwks")
def test_without_kid_and_with_several_keys_that_fit_it_is_rejected(rp):
    rp.provider.kid = None
    other = RSAAlgorithm.to_jwk(OTHER_KEY.public_key(), as_dict=True)
    rp.provider.tamper["jwks"] = lambda d: {"keys": [*d["keys"], other]}
    assert rejected(rp)


@conformance("oidcc-client-test-idtoken-sig-none")
@pytest.mark.parametrize("listed", [["RS256"], ["none", "RS256"]], ids=["not offered", "offered"])
def test_an_unsigned_id_token_is_rejected_whatever_the_home_offers(rp, listed):
    rp.provider.tamper["metadata"] = lambda d: d | {"id_token_signing_alg_values_supported": listed}
    rp.provider.tamper["id_token"] = lambda t: jwt.encode(t["claims"], None, "none", t["header"] | {"alg": "none"})
    assert rejected(rp)


@conformance("oidcc-client-test-userinfo-invalid-sub")
@rfc("OIDC Core", "5.3.2")
def test_userinfo_about_another_subject_is_dropped_with_the_sign_in(rp):
    rp.provider.tamper["userinfo"] = lambda d: d | {"sub": d["sub"] + "invalid"}
    assert rp.refusal().code is Code.HOME_ANSWER_REFUSED
    assert rp.provider.hits["/userinfo"] == 1


@rfc("9207", "2.4")
def test_an_answer_of_another_issuer_is_rejected_before_the_code_goes_anywhere(rp):
    rp.provider.tamper["redirect"] = lambda answer: answer | {"iss": "https://evil.example"}
    assert rp.refusal().code is Code.HOME_ANSWER_REFUSED
    assert rp.provider.hits["/token"] == 0


@pytest.mark.parametrize(
    "claims", [{"at_hash": urlsafe_b64encode(b"x" * 16).decode().rstrip("=")}, {"exp": 1}], ids=str
)
def test_what_else_an_id_token_must_say_rightly(rp, claims):
    spoil(rp, **claims)
    assert rejected(rp)
