"""How we speak to a home follows from what its metadata offers: who we are, how we ask, how it answers."""

from __future__ import annotations

import json

import jwt
import pytest
from flask import request
from homes_world import World, moment, our_keys
from test_leaving import query

from b2b_idp.homes.oidc import ways
from b2b_idp.model.evidence import StepUp, Vocabulary
from b2b_idp.model.problem import Code, Problem
from b2b_idp.testing.home_tenant import MFA_ACR
from tests.conformance import rfc

KEYS_OF_OURS = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}


def signed_by_us(token, audience):
    """Header and claims of what one of our published keys signed."""
    header = jwt.get_unverified_header(token)
    keys = {k.key_id: k for k in jwt.PyJWKSet.from_json(our_keys().jwks().decode()).keys}
    return header, jwt.decode(token, keys[header["kid"]], [header["alg"]], audience=audience)


def keyed(alg="RS256", **metadata):
    """A world whose home knows our key of `alg`, and has it asked for."""
    key = our_keys().signer(alg, moment().at).key.public_key()
    world = World(client_key=key, metadata_overrides=KEYS_OF_OURS | metadata)
    world.home = world.configured(client_auth="private_key_jwt", client_secret=None)
    return world


def refused(world):
    with pytest.raises(Problem) as raised:
        world.begin()
    assert raised.value.code is Code.HOME_MISCONFIGURED
    assert world.homes.check(world.home, moment()).problems == (raised.value.why,)
    return raised.value.why


# --- who we are -----------------------------------------------------------------------------------------------------


@rfc("7523", "3")
@pytest.mark.parametrize("alg", ways.SIGNED_BY)
def test_private_key_jwt_is_signed_as_the_home_takes_it_for_the_issuer_alone(alg):
    world = keyed(alg, token_endpoint_auth_signing_alg_values_supported=[alg])
    with world.provider:
        assert world.sign_in().statement.subject == "ada-1"
        assertion = world.provider.token_requests[0]["client_assertion"]
        header, claims = signed_by_us(assertion, world.home.issuer)
        assert (header["alg"], claims["aud"], claims["iss"], claims["sub"]) == (alg, world.home.issuer, "b2b", "b2b")
        assert claims["exp"] - claims["iat"] <= 300


def test_what_signs_follows_our_rotation_and_what_is_published_has_it():
    world = keyed()
    with world.provider:
        before = our_keys().signer("RS256", moment().at).kid
        our_keys().rotate(moment(), now=True)
        world.provider.client_key = our_keys().signer("RS256", moment().at).key.public_key()
        assert world.sign_in().statement.subject == "ada-1"
        header, _ = signed_by_us(world.provider.token_requests[0]["client_assertion"], world.home.issuer)
        assert header["kid"] != before


@pytest.mark.parametrize(
    "metadata",
    [
        {"token_endpoint_auth_methods_supported": ["client_secret_post"]},
        {"token_endpoint_auth_signing_alg_values_supported": ["HS256", "none"]},
    ],
    ids=["another method", "no algorithm of ours"],
)
def test_a_home_that_does_not_take_our_assertion_is_sent_none(metadata):
    world = keyed(**metadata)
    with world.provider:
        assert refused(world)
        assert world.provider.token_requests == []


# --- pushed requests ------------------------------------------------------------------------------------------------


@rfc("9126", "4")
@pytest.mark.parametrize("required", [True, False])
def test_a_request_is_pushed_wherever_that_can_be_done(world, required):
    world.provider.metadata_overrides |= {
        "pushed_authorization_request_endpoint": f"{world.provider.issuer}/par",
        "require_pushed_authorization_requests": required,
    }
    assert set(query(world.begin())) == {"client_id", "request_uri"}
    assert world.sign_in().statement.subject == "ada-1"


@rfc("9126", "5")
def test_a_home_that_takes_pushed_requests_only_must_say_where(world):
    world.provider.metadata_overrides["require_pushed_authorization_requests"] = True
    assert "pushed" in refused(world)


# --- signed requests ------------------------------------------------------------------------------------------------

SIGNED = {"request_parameter_supported": True, "request_object_signing_alg_values_supported": ["none", "ES256"]}


@rfc("9101", "4")
def test_a_step_up_is_signed_where_requests_cannot_be_pushed_so_nobody_can_edit_it():
    world = keyed(**SIGNED)
    with world.provider:
        home = world.configured(
            client_auth="private_key_jwt",
            client_secret=None,
            vocabulary=Vocabulary(step_up=StepUp("claims", (MFA_ACR,))),
        )
        sent = query(world.begin(home, step_up=True, max_age=60, login_hint="ada@fabrikam.example"))
        assert set(sent) == {"client_id", "response_type", "scope", "request"}
        header, claims = signed_by_us(sent["request"], home.issuer)
        assert (header["typ"], header["alg"]) == ("oauth-authz-req+jwt", "ES256")
        assert (claims["iss"], claims["client_id"], claims["state"]) == ("b2b", "b2b", "state-1")
        assert (claims["max_age"], claims["login_hint"]) == (60, "ada@fabrikam.example")
        assert claims["claims"]["id_token"]["acr"]["values"] == [MFA_ACR]
        assert claims["code_challenge_method"] == "S256"
        assert 0 < claims["exp"] - claims["nbf"] <= 300
        # OpenID Connect Core §6.1: a request object is no client assertion
        assert "sub" not in claims


@pytest.mark.parametrize("metadata", [{}, {"require_signed_request_object": True}], ids=["offered", "required"])
def test_what_is_pushed_is_signed_too_only_where_the_home_wants_that(metadata):
    world = keyed(**SIGNED | metadata)
    with world.provider:
        world.provider.metadata_overrides["pushed_authorization_request_endpoint"] = f"{world.provider.issuer}/par"
        pushed = []
        world.provider.wsgi.before_request(lambda: pushed.append(dict(request.form)) if request.form else None)
        if metadata:
            with pytest.raises(Problem):  # this home cannot open it
                world.begin()
        else:
            world.begin()
        assert ("request" in pushed[0]) is bool(metadata)
        assert ("nonce" in pushed[0]) is not bool(metadata)


def test_a_home_that_has_not_our_keys_is_asked_unsigned(world):
    world.provider.metadata_overrides |= SIGNED
    assert "request" not in query(world.begin())


@pytest.mark.parametrize(
    "metadata",
    [{}, {"request_parameter_supported": False}, SIGNED | {"request_object_signing_alg_values_supported": ["HS256"]}],
    ids=["not said", "no", "no algorithm of ours"],
)
def test_nothing_is_signed_that_the_home_does_not_take(metadata):
    world = keyed(**metadata)
    with world.provider:
        assert "request" not in query(world.begin())
        world.provider.metadata_overrides["require_signed_request_object"] = True
        world.homes = World.fresh_homes()
        assert "signed" in refused(world)


# --- the way back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        (None, None),
        (["query", "form_post"], None),
        (["form_post", "fragment"], "form_post"),
    ],
    ids=["not said", "both", "form_post"],
)
def test_the_answer_is_asked_for_as_a_form_where_the_home_gives_it_no_other_way(world, listed, asked):
    if listed is not None:
        world.provider.metadata_overrides["response_modes_supported"] = listed
    assert query(world.begin()).get("response_mode") == asked


def test_a_home_whose_answer_we_cannot_read_is_not_asked(world):
    world.provider.metadata_overrides["response_modes_supported"] = ["fragment", "query.jwt"]
    assert "response modes" in refused(world)


# --- what `homes test` says -----------------------------------------------------------------------------------------


def test_the_report_says_what_a_home_offers_and_what_of_it_is_used():
    world = keyed(
        "PS256",
        **SIGNED,
        token_endpoint_auth_signing_alg_values_supported=["PS256"],
        require_pushed_authorization_requests=True,
        require_signed_request_object=True,
        dpop_signing_alg_values_supported=["PS256", "ES256"],
        response_modes_supported=["form_post"],
    )
    with world.provider:
        world.provider.metadata_overrides["pushed_authorization_request_endpoint"] = f"{world.provider.issuer}/par"
        report = world.homes.check(world.home, moment()).to_json()
        assert report["problems"] == []
        assert report["offers"] == {
            "clientAuthentication": "private_key_jwt",
            "pushedRequests": "required",
            "signedRequests": "none, ES256 (required)",
            "dpop": "PS256, ES256",
            "responseModes": "form_post",
        }
        assert report["uses"] == {
            "clientAuthentication": "private_key_jwt, PS256",
            "request": "pushed, signed by ES256",
            "accessTokens": "bound by DPoP, ES256",
            "responseMode": "form_post",
        }


def test_the_report_of_a_plain_home(world):
    lines = world.homes.check(world.home, moment()).lines()
    assert "uses: client authentication client_secret_basic; request in the address; access tokens bearer; " in lines[3]
    assert json.dumps(world.homes.check(world.home, moment()).to_json())
