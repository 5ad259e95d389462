"""FAPI 2.0 Security Profile: tokens that are bound to a key, what a proof has to be, and the code and refresh token."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conformance import conformance, rfc
from tests.conformance.fapi import Fapi, refused, uri_of
from tests.openid.dpop_key import DpopKey, userinfo_with
from tests.openid.openid_world import ISSUER, answered

NAME = "fapi2-security-profile-final-"
OTHER = DpopKey()


@pytest.fixture(scope="module")
def token(fapi):
    return fapi.exchange(fapi.code()).json["access_token"]


def asked(fapi, token, scheme="DPoP", key=None, ath=..., **proof):
    """Userinfo's answer to the token with a proof that is right, unless `proof` says otherwise."""
    how = {"method": "GET", "at": fapi.world.at} | proof
    made = (key or fapi.key).proof("/userinfo", token if ath is ... else ath, **how)
    return userinfo_with(fapi.world, token, made, scheme)


def unproved(answer):
    """The error that a resource refused the token with."""
    assert answer.status_code == 401, answer.text
    assert any(h.startswith("DPoP ") for h in answer.headers.getlist("WWW-Authenticate"))
    return answer.json["error"]


# --- at a resource ---------------------------------------------------------------------------------------------------


@conformance(NAME + "access-token-type-header-case")
@rfc("9449", "7.1")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "dPoP"])
def test_the_scheme_is_written_in_any_case(fapi, token, scheme):
    assert asked(fapi, token, scheme).status_code == 200


@conformance(NAME + "dpop-iat-10-seconds-before")
@conformance(NAME + "dpop-iat-10-seconds-after")
@pytest.mark.parametrize("seconds", [-10, 10])
def test_clocks_may_differ_by_ten_seconds(fapi, token, seconds):
    at = fapi.world.at + timedelta(seconds=seconds)
    assert asked(fapi, token, at=at).status_code == 200
    assert "access_token" in fapi.exchange(fapi.code(), at=at).json


@conformance(NAME + "check-dpop-proof-nbf-exp")
@pytest.mark.parametrize(
    ("seconds", "taken"),
    [
        ({"nbf": 0, "exp": 60}, True),
        ({"nbf": 8, "exp": 60}, True),
        ({"exp": -60}, False),
        ({"nbf": 60}, False),
    ],
    ids=str,
)
def test_nbf_and_exp_are_not_needed_and_where_they_stand_they_count(fapi, token, seconds, taken):
    times = {name: int(fapi.world.at.timestamp()) + s for name, s in seconds.items()}
    at_userinfo, at_token = asked(fapi, token, **times), fapi.exchange(fapi.code(), **times)
    if taken:
        assert (at_userinfo.status_code, at_token.status_code) == (200, 200)
    else:
        assert unproved(at_userinfo) == refused(at_token) == "invalid_dpop_proof"


WRONG = {
    "another method": {"htm": "POST"},
    "another endpoint": {"htu": f"{ISSUER}/token"},
    "another host": {"htu": "http://evil.example/idp/userinfo"},
    "no htm": {"without": ["htm"]},
    "no htu": {"without": ["htu"]},
    "no jti": {"without": ["jti"]},
    "no iat": {"without": ["iat"]},
    "no ath": {"ath": None},
    "ath of another token": {"ath": "another"},
    "typ JWT": {"header": {"typ": "JWT"}},
    "no jwk": {"header": {"jwk": None}},
    "alg none": {"key_used": "", "alg": "none"},
    "signed by another key": {"key_used": OTHER.private},
    "jwk of another key": {"header": {"jwk": OTHER.jwk}},
}


@conformance(NAME + "dpop-negative-tests")
@rfc("9449", "4.3")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_proof_that_is_wrong_in_any_one_way_is_refused(fapi, token, wrong):
    how = {"ath": token, "method": "GET", "at": fapi.world.at} | WRONG[wrong]
    if "key_used" in how:
        how["key"] = how.pop("key_used")
    made = fapi.key.proof("/userinfo", how.pop("ath"), **how)
    assert unproved(userinfo_with(fapi.world, token, made)) == "invalid_dpop_proof"


@conformance(NAME + "dpop-negative-tests")
@conformance(NAME + "ensure-holder-of-key-required")
def test_a_token_without_its_key_opens_nothing(fapi, token):
    assert unproved(userinfo_with(fapi.world, token)) == "invalid_dpop_proof"
    assert unproved(asked(fapi, token, key=OTHER)) == "invalid_token"
    assert unproved(asked(fapi, token, "Bearer")) == "invalid_token"
    assert unproved(userinfo_with(fapi.world, token, scheme="Bearer")) == "invalid_token"


@conformance(NAME + "dpop-negative-tests")
@rfc("9449", "11.1")
def test_a_proof_is_good_once(fapi, token):
    made = fapi.key.proof("/userinfo", token, method="GET", at=fapi.world.at)
    assert userinfo_with(fapi.world, token, made).status_code == 200
    assert unproved(userinfo_with(fapi.world, token, made)) == "invalid_dpop_proof"


# --- the code --------------------------------------------------------------------------------------------------------


@conformance(NAME + "mismatched-dpop-jkt-at-par")
@rfc("9449", "10.1")
def test_a_pushed_request_names_the_key_that_it_proves(fapi):
    assert refused(fapi.push(proof=fapi.proof("/par"), dpop_jkt=OTHER.jkt)) == "invalid_dpop_proof"
    assert fapi.push(proof=fapi.proof("/par"), dpop_jkt=fapi.key.jkt).status_code == 201


@conformance(NAME + "mismatched-dpop-jkt-at-token")
@conformance(NAME + "dpop-jkt-binds-code")
@rfc("9449", "10")
def test_dpop_jkt_binds_the_code(fapi):
    assert refused(fapi.exchange(fapi.code(dpop_jkt=OTHER.jkt))) == "invalid_grant"
    code = fapi.code(dpop_jkt=fapi.key.jkt)
    assert refused(fapi.exchange(code, key=OTHER)) == "invalid_grant"
    assert "access_token" in fapi.exchange(code).json


@conformance(NAME + "mismatched-dpop-jkt-at-token")
@conformance(NAME + "dpop-proof-at-par-binds-code")
@rfc("9449", "10.1")
def test_a_proof_beside_the_pushed_request_binds_the_code(fapi):
    code = answered(fapi.go(uri_of(fapi.push(proof=fapi.proof("/par")))))["code"]
    assert refused(fapi.exchange(code, key=OTHER)) == "invalid_grant"
    assert "access_token" in fapi.exchange(code).json


@conformance(NAME + "code-reuse")
@pytest.mark.parametrize("seconds", [1, 59])
def test_a_code_is_good_once_and_its_second_use_ends_what_it_gave(world, seconds):
    client = Fapi(world)
    code = client.code()
    token = client.exchange(code).json["access_token"]
    assert client.userinfo(token).status_code == 200
    world.later(seconds=seconds)
    assert refused(client.exchange(code)) == "invalid_grant"
    assert unproved(client.userinfo(token)) == "invalid_token"


# --- the refresh token -----------------------------------------------------------------------------------------------


@conformance(NAME + "refresh-token")
@rfc("9449", "5")
def test_a_refresh_token_is_of_its_client_and_gives_tokens_that_are_bound(op, fapi):
    kept = fapi.exchange(fapi.code(scope="openid offline_access")).json["refresh_token"]
    assert refused(Fapi(op).refresh(kept)) == "invalid_grant"
    assert refused(fapi.refresh(kept, bound=False)) == "invalid_request"
    given = fapi.refresh(kept).json
    assert given["token_type"] == "DPoP"
    assert fapi.userinfo(given["access_token"]).status_code == 200
    assert unproved(asked(fapi, given["access_token"], key=OTHER)) == "invalid_token"
