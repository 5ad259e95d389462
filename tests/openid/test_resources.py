"""Userinfo (OpenID Connect Core §5.3, RFC 6750), introspection (RFC 7662), revocation (RFC 7009)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from openid_world import AT, CALLBACK, FORM, ISSUER, basic, claims_of, refused

from tests.conformance import rfc


@pytest.fixture
def tokens(world):
    return world.tokens()


def signed(world, tokens, typ="at+jwt", **changes):
    """The access token with other claims, signed by our right key."""
    claims = claims_of(tokens["access_token"]) | changes
    return world.idp.keys.signer("ES256", world.at).sign({k: v for k, v in claims.items() if v is not None}, typ)


def unwelcome(answer):
    """(status, error) of a refusal in the shape of RFC 6750, header and body alike."""
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert answer.is_json
    return answer.status_code, answer.json["error"]


# --- userinfo --------------------------------------------------------------------------------------------------------


def test_userinfo_says_the_same_in_three_ways(world, tokens):
    token = tokens["access_token"]
    by_get = world.userinfo(token)
    by_post = world.http.post("/idp/userinfo", headers={"Authorization": f"Bearer {token}"})
    by_body = world.http.post("/idp/userinfo", data={"access_token": token})
    assert by_get.json == by_post.json == by_body.json
    assert by_get.json["sub"] == claims_of(tokens["id_token"])["sub"]


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("openid email", {"email"}),
        ("openid profile", {"oid", "name", "preferred_username"}),
    ],
)
def test_userinfo_gives_what_the_scopes_give(world, scope, names):
    told = set(world.userinfo(world.tokens(scope=scope)["access_token"]).json)
    assert told == {"sub", "tid", "acct", "idp"} | names


def test_any_origin_may_read_userinfo(world, tokens):
    assert world.userinfo(tokens["access_token"]).headers["Access-Control-Allow-Origin"] == "*"
    assert world.http.options("/idp/userinfo").status_code == 204


@pytest.mark.rfc("6750", "3.1")
def test_no_token_is_401_without_an_error_in_the_header(world):
    answer = world.http.get("/idp/userinfo")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="b2b-idp"'


@pytest.mark.rfc("9700", "4.3.2")
def test_n_126_a_token_in_the_address_is_400(world, tokens):
    answer = world.http.get(f"/idp/userinfo?access_token={tokens['access_token']}")
    assert answer.status_code == 400


@pytest.mark.rfc("6750", "2")
def test_n_126_two_ways_at_once_are_400(world, tokens):
    token = tokens["access_token"]
    answer = world.http.post(
        "/idp/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")


def test_n_126_a_token_twice_in_the_body_is_400(world, tokens):
    token = tokens["access_token"]
    answer = world.http.post("/idp/userinfo", data=f"access_token={token}&access_token={token}", content_type=FORM)
    assert answer.status_code == 400


@rfc("6750", "2.1")
@pytest.mark.parametrize("header", ["Bearer", "Bearer  ", "Bearer x", "Bearer x y", "Bearer x, Bearer x", "Basic eDp5"])
def test_n_126_a_header_that_is_not_one_bearer_token_is_401(world, header):
    assert unwelcome(world.http.get("/idp/userinfo", headers={"Authorization": header})) == (401, "invalid_token")


def test_n_126_an_expired_token_is_401(world, tokens):
    world.later(minutes=10)
    assert unwelcome(world.userinfo(tokens["access_token"])) == (401, "invalid_token")


@pytest.mark.parametrize("kind", ["id_token", "refresh_token"])
def test_n_126_n_131_another_kind_of_token_is_401(world, tokens, kind):
    assert unwelcome(world.userinfo(tokens[kind])) == (401, "invalid_token")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": [ISSUER]},
        {"aud": "api://pay"},
        {"iss": "https://other.example"},
        {"tid": "99999999-0000-0000-0000-000000000000"},
        {"tid": None},
        {"jti": None},
        {"jti": "x.y"},
        {"jti": "99999999-0000-0000-0000-000000000000.x"},
        {"client_id": None},
        {"client_id": "99999999-0000-0000-0000-000000000000"},
    ],
    ids=str,
)
def test_n_135_tenant_issuer_audience_and_grant_are_checked_of_a_rightly_signed_token(world, tokens, changes):
    assert unwelcome(world.userinfo(signed(world, tokens, **changes))) == (401, "invalid_token")


def test_n_135_a_token_whose_grant_is_another_apps_is_401(world, tokens):
    other, _ = world.app("Other")
    assert unwelcome(world.userinfo(signed(world, tokens, client_id=other.app_id))) == (401, "invalid_token")


def test_n_131_a_token_of_our_key_and_another_type_is_401(world, tokens):
    assert unwelcome(world.userinfo(signed(world, tokens, typ="logout+jwt"))) == (401, "invalid_token")


def test_n_135_an_actor_claim_gives_no_rights(world, tokens):
    other = world.guest("admin")
    answer = world.userinfo(signed(world, tokens, act={"sub": other.id}, oid=other.id))
    assert answer.json["oid"] == world.user.id


def test_n_126_a_token_of_a_guest_disabled_since_is_401(world, tokens):
    world.change(lambda w: w.users.save(replace(w.users.by_id(world.user.id), account_enabled=False)))
    assert unwelcome(world.userinfo(tokens["access_token"])) == (401, "invalid_token")


def test_a_token_from_before_the_guests_sessions_were_revoked_is_401(world, tokens):
    since = AT + timedelta(seconds=1)
    world.change(lambda w: w.users.save(replace(w.users.by_id(world.user.id), sessions_valid_from=since)))
    assert unwelcome(world.userinfo(tokens["access_token"])) == (401, "invalid_token")


def test_n_132_a_token_of_a_disabled_app_is_401(world, tokens):
    world.configure(world.crm, "service_principal", accountEnabled=False)
    assert unwelcome(world.userinfo(tokens["access_token"])) == (401, "invalid_token")


def test_a_token_of_an_app_for_itself_is_403(world, tokens):
    claims = {"idtyp": "app", "jti": "x", "scp": None}
    assert unwelcome(world.userinfo(signed(world, tokens, **claims))) == (403, "insufficient_scope")


# --- introspection ---------------------------------------------------------------------------------------------------


def test_an_access_token_is_active_for_its_client(world, tokens):
    answer = world.post("introspect", token=tokens["access_token"]).json
    assert answer["active"] is True
    assert answer["client_id"] == world.crm.app_id


def test_an_access_token_is_active_for_the_api_it_is_for(world):
    api = world.api()
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    token = world.tokens(scope="openid api://pay/pay.read")["access_token"]
    answer = world.post("introspect", api, world.api_secret, token=token).json
    assert (answer["active"], answer["scp"]) == (True, "openid pay.read")


@pytest.mark.rfc("7662", "2.2")
def test_n_127_another_clients_token_is_inactive_and_nothing_more_is_said(world, tokens):
    other, secret = world.app("Other")
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert world.post("introspect", other, secret, token=token).json == {"active": False}


@rfc("7662", "2.2")
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\x00", "A" * 60])
def test_n_127_garbage_is_inactive(world, token):
    assert world.post("introspect", token=token).json == {"active": False}


def test_n_127_an_id_token_is_inactive(world, tokens):
    assert world.post("introspect", token=tokens["id_token"]).json == {"active": False}


@pytest.mark.rfc("7662", "2.1")
def test_n_127_introspection_needs_an_authenticated_client(world, tokens):
    spa, _ = world.app("SPA", spa={"redirectUris": [CALLBACK]})
    for form in ({}, {"client_id": world.crm.app_id}, {"client_id": spa.app_id}):
        answer = world.http.post("/idp/introspect", data=form | {"token": tokens["access_token"]})
        assert refused(answer) == (401, "invalid_client")


def test_a_refresh_token_is_active_until_it_was_rotated(world, tokens):
    token = tokens["refresh_token"]
    assert world.post("introspect", token=token).json["active"] is True
    world.refresh(token)
    assert world.post("introspect", token=token).json == {"active": False}


def test_a_refresh_token_that_would_be_refused_now_is_inactive(world, tokens):
    world.change(lambda w: w.users.save(replace(w.users.by_id(world.user.id), account_enabled=False)))
    assert world.post("introspect", token=tokens["refresh_token"]).json == {"active": False}


def test_an_expired_access_token_is_inactive(world, tokens):
    world.later(minutes=10)
    assert world.post("introspect", token=tokens["access_token"]).json == {"active": False}


# --- revocation ------------------------------------------------------------------------------------------------------


@rfc("7009", "2.1")
def test_a_revoked_access_token_ends_alone(world, tokens):
    assert world.post("revoke", token=tokens["access_token"]).status_code == 200
    assert world.userinfo(tokens["access_token"]).status_code == 401
    assert world.post("introspect", token=tokens["access_token"]).json == {"active": False}
    assert world.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.rfc("7009", "2.1")
def test_a_revoked_refresh_token_ends_its_family_and_its_access_tokens(world, tokens):
    assert world.post("revoke", token=tokens["refresh_token"]).status_code == 200
    assert refused(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    assert world.userinfo(tokens["access_token"]).status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_n_128_another_clients_token_is_200_and_stays_good(world, tokens, kind):
    other, secret = world.app("Other")
    assert world.post("revoke", other, secret, token=tokens[kind]).status_code == 200
    assert world.userinfo(tokens["access_token"]).status_code == 200
    assert world.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.rfc("7009", "2.2")
@pytest.mark.parametrize("token", ["x", "a.b.c", "\x00", "A" * 60])
def test_n_128_garbage_is_200(world, token):
    assert world.post("revoke", token=token, token_type_hint="made_up").status_code == 200


def test_a_public_client_revokes_its_own(world):
    spa, _ = world.app("SPA", spa={"redirectUris": [CALLBACK]})
    form = {"code": world.code(spa), "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    answer = world.token(grant_type="authorization_code", client_id=spa.app_id, **form)
    token = answer.json["refresh_token"]
    assert world.http.post("/idp/revoke", data={"client_id": spa.app_id, "token": token}).status_code == 200
    again = world.token(grant_type="refresh_token", client_id=spa.app_id, refresh_token=token)
    assert refused(again) == (400, "invalid_grant")


def test_revocation_without_a_token_is_an_invalid_request(world):
    assert refused(world.post("revoke")) == (400, "invalid_request")


def test_revocation_without_authentication_changes_nothing(world, tokens):
    answer = world.http.post("/idp/revoke", data={"token": tokens["refresh_token"]})
    assert refused(answer) == (401, "invalid_client")
    header = basic(world.crm.app_id, "wrong")
    answer = world.http.post("/idp/revoke", data={"token": "x"}, headers={"Authorization": header})
    assert refused(answer) == (401, "invalid_client")
    assert world.refresh(tokens["refresh_token"]).status_code == 200
