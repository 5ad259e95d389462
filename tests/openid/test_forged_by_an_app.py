"""What somebody can do who holds an application's own signing key: make tokens for that application, and no others."""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64encode
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key
from openid_world import AT, ISSUER, World, claims_of

from b2b_idp.guests.app_keys import _add
from b2b_idp.keys.app_keys import kid_of, self_signed

KEY = self_signed("Forger", AT, AT + timedelta(days=1))
ALLOWED = {"b2bIdp": {"adminConsent": ["api://pay/pay.read"]}}


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


def holds(world, app):
    """Gives the application the key whose private half the forger has."""
    world.change(lambda w: _add(w, w.apps.row(app.id), str(uuid.uuid4()), "CN=Forger", KEY, world.moment()))


def forged(world, typ="at+jwt", **claims):
    now = int(world.at.timestamp())
    said = {"iss": ISSUER, "sub": "x", "tid": world.tenant.id, "iat": now, "nbf": now, "exp": now + 600} | claims
    key = load_der_private_key(KEY.private, None)
    return jwt.encode(said, key, "RS256", headers={"typ": typ, "kid": kid_of(KEY.certificate)})


def as_app(world, audience, **more):
    app = {"aud": audience, "client_id": world.crm.app_id, "idtyp": "app", "roles": ["Approver"], "jti": "1"}
    return forged(world, **app | more)


def test_a_key_makes_tokens_for_its_own_application(world):
    api = world.api()
    holds(world, api)
    told = world.post("introspect", api, world.api_secret, token=as_app(world, "api://pay")).json
    assert told["active"] is True


@pytest.mark.parametrize("override", ["api://pay", "https://shared.example/"])
def test_an_audience_override_makes_no_key_one_of_another_api(world, override):
    api = world.api()
    holds(world, world.crm)
    for app in (world.crm, api):
        world.policy(app, audienceOverride=override)
    assert world.post("introspect", api, world.api_secret, token=as_app(world, override)).json == {"active": False}


def test_an_audience_override_tells_no_application_of_another_apis_tokens(world):
    world.api()
    world.configure(world.crm, "application", **ALLOWED)
    token = world.tokens(scope="openid api://pay/pay.read")["access_token"]
    curious, secret = world.app("Curious", api={"acceptMappedClaims": True})
    world.policy(curious, audienceOverride="api://pay")
    assert world.post("introspect", curious, secret, token=token).json == {"active": False}


def test_a_token_for_several_is_none_of_an_applications_key(world):
    holds(world, world.crm)
    hint = forged(world, "JWT", aud=[world.crm.app_id, world.api().app_id], azp=world.api_row.app_id)
    answer = world.http.get("/idp/logout", query_string={"id_token_hint": hint})
    assert answer.status_code == 200 and "Pay" not in answer.text


def test_a_key_that_nobody_is_shown_any_more_verifies_nothing(world):
    api = world.api()
    holds(world, api)
    world.later(days=1, hours=2)
    assert world.post("introspect", api, world.api_secret, token=as_app(world, "api://pay")).json == {"active": False}


@pytest.mark.parametrize("name", ["active", "token_type"])
def test_a_mapped_claim_changes_nothing_that_introspection_says(world, name):
    api = world.api()
    world.configure(api, "application", api=dict(api.application["api"]) | {"acceptMappedClaims": True})
    world.policy(api, ClaimsSchema=[{"Value": "no", "JwtClaimType": name}])
    world.configure(world.crm, "application", **ALLOWED)
    token = world.tokens(scope="openid api://pay/pay.read")["access_token"]
    assert claims_of(token)[name] == "no"
    told = world.post("introspect", api, world.api_secret, token=token).json
    assert (told["active"], told["token_type"]) == (True, "Bearer")


@pytest.mark.parametrize("kid", ["\ud800", "\0", "x" * 9000, 7, {"a": 1}], ids=lambda k: ascii(k)[:12])
def test_a_key_id_that_is_none_is_no_failure_of_ours(world, kid):
    parts = json.dumps({"alg": "RS256", "kid": kid}), "{}", "x"
    token = ".".join(urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
    assert world.http.post("/idp/logout", data={"id_token_hint": token}).status_code == 200
    assert world.post("introspect", world.crm, world.secret, token=token).json == {"active": False}


@pytest.mark.parametrize(
    "odd",
    [{"jti": "\ud800"}, {"jti": None}, {"jti": "x" * 500}, {"client_id": "\ud800"}, {"exp": 10**30}, {"aud": []}],
    ids=ascii,
)
def test_a_forged_token_that_is_not_as_ours_is_none(world, odd):
    holds(world, world.crm)
    token = as_app(world, world.crm.app_id, **odd)
    assert world.post("introspect", world.crm, world.secret, token=token).json == {"active": False}
    assert world.post("revoke", world.crm, world.secret, token=token).status_code == 200
