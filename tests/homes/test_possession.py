"""Access tokens of a home that offers DPoP are bound to a key of ours, and no home is made to wait for it."""

from __future__ import annotations

import jwt
import pytest
from bound_home import BoundHome
from flask import request
from homes_world import World, moment, our_keys

from b2b_idp.model.problem import Code
from tests.conformance import rfc


@pytest.fixture
def bound(world):
    """At this home an id_token has no address, so userinfo is asked."""
    world.spoil_claims(email=..., email_verified=...)
    return BoundHome(world)


def email_of(world):
    return world.sign_in().profile.email


def jwk_of(proof):
    return jwt.get_unverified_header(proof)["jwk"]


@rfc("9449", "5")
def test_the_code_is_redeemed_and_userinfo_asked_with_proofs_of_one_key(world, bound):
    assert email_of(world) == "ada@fabrikam.example"
    (at_token,), (at_userinfo,) = bound.proofs["/token"], bound.proofs["/userinfo"]
    assert jwk_of(at_token) == jwk_of(at_userinfo)
    assert "d" not in jwk_of(at_token)
    assert bound.schemes == ["DPoP"]


def test_each_sign_in_has_a_key_of_its_own(world, bound):
    world.sign_in()
    world.sign_in()
    one, other = bound.proofs["/token"]
    assert jwk_of(one) != jwk_of(other)


@rfc("9449", "8")
def test_a_home_that_wants_its_nonce_gets_it_and_is_not_asked_twice_again(world, bound):
    bound.wants = {"/token": "n-1", "/userinfo": "n-2"}
    assert email_of(world) == "ada@fabrikam.example"
    assert [c.get("nonce") for c in bound.claims("/token")] == [None, "n-1"]
    assert [c.get("nonce") for c in bound.claims("/userinfo")] == [None, "n-2"]
    assert email_of(world) == "ada@fabrikam.example"
    assert [c.get("nonce") for c in bound.claims("/token")] == [None, "n-1", "n-1"]
    assert [c.get("nonce") for c in bound.claims("/userinfo")] == [None, "n-2", "n-2"]


def test_no_proof_is_sent_twice(world, bound):
    bound.wants = {"/token": "n-1", "/userinfo": "n-2"}
    world.sign_in()
    said = [c["jti"] for path in bound.proofs for c in bound.claims(path)]
    assert len(set(said)) == len(said) == 4


def test_a_home_whose_nonce_is_over_is_answered_with_the_new_one(world, bound):
    bound.wants = {"/token": "n-1"}
    world.sign_in()
    bound.wants = {"/token": "n-2"}
    assert world.sign_in().statement.subject == "ada-1"
    assert [c.get("nonce") for c in bound.claims("/token")] == [None, "n-1", "n-1", "n-2"]


def test_a_home_that_goes_on_asking_is_answered_once(world, bound):
    bound.wants, bound.keeps_asking = {"/token": "n"}, True
    refusal = world.refusal()
    assert (refusal.code, "use_dpop_nonce" in refusal.why) == (Code.HOME_ANSWER_REFUSED, True)
    assert len(bound.proofs["/token"]) == 2


def test_userinfo_that_goes_on_asking_fails_alone(world, bound):
    bound.wants, bound.keeps_asking = {"/userinfo": "n"}, True
    assert email_of(world) is None
    assert len(bound.proofs["/userinfo"]) == 2


@pytest.mark.parametrize("nonce", ["", "n n", 'n"', "n\\", "n" * 2000], ids=lambda v: v[:4])
def test_a_nonce_that_is_none_is_not_repeated(world, bound, nonce):
    bound.wants = {"/token": nonce}
    assert world.refusal().code is Code.HOME_ANSWER_REFUSED
    assert [c.get("nonce") for c in bound.claims("/token")] == [None]


def test_an_assertion_is_made_anew_for_the_second_request():
    world = World(
        client_key=our_keys().signer("RS256", moment().at).key.public_key(),
        metadata_overrides={"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    )
    with world.provider:
        bound = BoundHome(world)
        bound.wants = {"/token": "n-1"}
        home = world.configured(client_auth="private_key_jwt", client_secret=None)
        assert world.sign_in(home).statement.subject == "ada-1"
        sent = [jwt.decode(f["client_assertion"], options={"verify_signature": False}) for f in bound.forms]
        assert len({claims["jti"] for claims in sent}) == 2


def test_tokens_that_the_home_left_unbound_are_sent_as_it_says(world, bound):
    world.provider.tamper["token"] = lambda answer: answer | {"token_type": "bearer"}
    assert email_of(world) == "ada@fabrikam.example"
    assert (bound.schemes, bound.proofs["/userinfo"]) == (["Bearer"], [])


@pytest.mark.parametrize("kind", ["DPoP", "mac", "", None, 7, ["Bearer"], ...], ids=repr)
def test_a_token_of_a_type_that_we_do_not_know_is_not_used(world, kind):
    world.spoil_claims(email=...)
    world.provider.tamper["token"] = lambda a: {k: v for k, v in (a | {"token_type": kind}).items() if v is not ...}
    assert email_of(world) is None
    assert world.provider.hits["/userinfo"] == 0


@pytest.mark.parametrize("offered", [["RS256"], [], "ES256", [7]], ids=repr)
def test_where_no_algorithm_fits_nothing_is_proved(world, offered):
    world.provider.metadata_overrides["dpop_signing_alg_values_supported"] = offered
    seen = []
    world.provider.wsgi.before_request(lambda: seen.extend(request.headers.getlist("DPoP")))
    assert world.sign_in().statement.subject == "ada-1"
    assert seen == []


def test_a_key_of_edwards_curve_where_the_home_takes_only_that(world, bound):
    world.provider.metadata_overrides["dpop_signing_alg_values_supported"] = ["EdDSA"]
    assert email_of(world) == "ada@fabrikam.example"
    assert jwk_of(bound.proofs["/token"][0])["crv"] == "Ed25519"
