"""The token endpoint: codes once, refresh families, apps that act for themselves (RFC 6749 §4.1.3, §4.4, §6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from openid_world import AT, CALLBACK, HOME_ISSUER, ISSUER, SCOPE, VERIFIER, World, basic, claims_of, refused

from b2b_idp.guests.apps import graph_service_principal
from b2b_idp.guests.permissions import role_id
from b2b_idp.model.directory import RoleAssignment
from tests.conformance import rfc


def revoke_reasons(world):
    return [d["activityDisplayName"] for _, d in world.ask(lambda r: r.logs.audits())]


# --- authorization_code ----------------------------------------------------------------------------------------------


def test_a_code_gives_an_id_token_an_access_token_and_a_refresh_token(world):
    answer = world.exchange(world.code())
    assert set(answer.json) == {"access_token", "id_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["scope"] == SCOPE
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_access_token_lives_ten_minutes_at_most_and_says_so_in_whole_seconds(world):
    tokens = world.tokens()
    claims = claims_of(tokens["access_token"])
    assert tokens["expires_in"] == claims["exp"] - claims["iat"] == 600


def test_without_offline_access_there_is_no_refresh_token(world):
    assert "refresh_token" not in world.tokens(scope="openid profile")


@pytest.mark.rfc("6749", "4.1.2")
def test_n_114_a_code_is_used_once_and_a_second_use_takes_back_what_it_gave(world):
    code = world.code()
    tokens = world.exchange(code).json
    assert refused(world.exchange(code)) == (400, "invalid_grant")
    assert world.userinfo(tokens["access_token"]).status_code == 401
    assert refused(world.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_n_114_a_code_is_good_for_60_seconds(world):
    code, late = world.code(), world.code()
    world.later(seconds=59)
    assert world.exchange(code).status_code == 200
    world.later(seconds=1)
    assert refused(world.exchange(late)) == (400, "invalid_grant")


@rfc("6749", "4.1.3")
def test_n_114_a_code_is_for_its_client_only_and_stays_good_for_it(world):
    thief, secret = world.app("Thief", web={"redirectUris": [CALLBACK]})
    code = world.code()
    assert refused(world.exchange(code, thief, secret)) == (400, "invalid_grant")
    assert world.exchange(code).status_code == 200


@pytest.mark.rfc("6749", "4.1.3")
@pytest.mark.parametrize("uri", [CALLBACK + "/", CALLBACK + "?app=crm", None, ""])
def test_n_114_the_redirect_uri_is_the_requests(world, uri):
    assert refused(world.exchange(world.code(), redirect_uri=uri)) == (400, "invalid_grant")


@rfc("7636", "4.6")
@pytest.mark.parametrize("verifier", [None, "w" * 43, "v" * 42, "v" * 129, "v" * 42 + "ä", "v" * 42 + "="])
def test_n_113_the_verifier_fits_the_challenge(world, verifier):
    assert refused(world.exchange(world.code(), code_verifier=verifier)) == (400, "invalid_grant")


@pytest.mark.rfc("9700", "4.8.2")
def test_n_113_a_verifier_is_not_sent_where_no_challenge_was(world):
    app, secret = world.app("Old", web={"redirectUris": [CALLBACK]}, b2b={"requirePkce": False})
    without = ["code_challenge", "code_challenge_method"]
    assert refused(world.exchange(world.code(app, without=without), app, secret)) == (400, "invalid_grant")
    answer = world.exchange(world.code(app, without=without), app, secret, code_verifier=None)
    assert answer.status_code == 200


def test_n_114_of_30_redemptions_at_once_one_wins_and_the_others_take_back_what_it_got(tmp_path):
    world = World(tmp_path)
    code = world.code()

    def redeem(_):
        browser = world.flask.test_client()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return browser.post("/idp/token", data=form, headers={"Authorization": basic(world.crm.app_id, world.secret)})

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(redeem, range(30)))
    assert sorted(a.status_code for a in answers) == [200] + [400] * 29
    [won] = [a.json for a in answers if a.status_code == 200]
    assert world.userinfo(won["access_token"]).status_code == 401
    assert refused(world.refresh(won["refresh_token"])) == (400, "invalid_grant")
    world.store.close()


@pytest.mark.parametrize("code", ["", "x", "A" * 60, "\x00", "ä" * 60])
def test_garbage_is_no_code(world, code):
    assert refused(world.exchange(code)) == (400, "invalid_grant")


def test_n_131_a_refresh_token_is_no_code_and_a_code_no_refresh_token(world):
    refresh, code = world.tokens()["refresh_token"], world.code()
    assert refused(world.exchange(refresh)) == (400, "invalid_grant")
    assert refused(world.refresh(code)) == (400, "invalid_grant")


def test_everything_is_judged_again_at_the_token_endpoint(world):
    code = world.code()
    disable(world)
    assert refused(world.exchange(code)) == (400, "invalid_grant")


def disable(world):
    world.change(lambda w: w.users.save(replace(w.users.by_id(world.user.id), account_enabled=False)))


def test_an_assignment_taken_away_after_the_sign_in_counts(world):
    code = world.code()
    world.configure(world.crm, "service_principal", appRoleAssignmentRequired=True)
    assert refused(world.exchange(code)) == (400, "invalid_grant")


# --- refresh_token ---------------------------------------------------------------------------------------------------


@pytest.mark.rfc("9700", "4.14.2")
def test_a_refresh_token_rotates(world):
    first = world.tokens()["refresh_token"]
    second = world.refresh(first).json["refresh_token"]
    assert second != first
    assert world.refresh(second).status_code == 200


@pytest.mark.rfc("OIDC Core", "12.2")
def test_an_id_token_from_refresh_keeps_iss_sub_aud_and_auth_time(world):
    tokens = world.tokens()
    world.later(minutes=30)
    again = world.refresh(tokens["refresh_token"]).json
    before, after = claims_of(tokens["id_token"]), claims_of(again["id_token"])
    kept = ("iss", "sub", "aud", "auth_time", "amr", "acr", "sid")
    assert {k: before[k] for k in kept} == {k: after[k] for k in kept}
    assert after["iat"] == before["iat"] + 1800
    assert "nonce" not in after


def test_an_answer_that_got_lost_is_given_again_for_ten_seconds(world):
    first = world.tokens()["refresh_token"]
    successor = world.refresh(first).json["refresh_token"]
    world.later(seconds=9)
    assert world.refresh(first).json["refresh_token"] == successor


def test_the_window_runs_from_first_use_and_is_never_extended(world):
    first = world.tokens()["refresh_token"]
    world.refresh(first)
    world.later(seconds=9)
    assert world.refresh(first).status_code == 200
    world.later(seconds=1)
    assert refused(world.refresh(first)) == (400, "invalid_grant")


@rfc("9700", "4.14")
def test_n_115_ten_seconds_after_rotation_reuse_revokes_the_family(world):
    first = world.tokens()["refresh_token"]
    second = world.refresh(first).json
    world.later(seconds=10)
    assert refused(world.refresh(first)) == (400, "invalid_grant")
    assert refused(world.refresh(second["refresh_token"])) == (400, "invalid_grant")
    assert world.userinfo(second["access_token"]).status_code == 401
    assert revoke_reasons(world) == ["Refresh token reuse detected"]


def test_n_115_once_the_successor_was_used_reuse_revokes_the_family_at_once(world):
    first = world.tokens()["refresh_token"]
    second = world.refresh(first).json["refresh_token"]
    third = world.refresh(second).json["refresh_token"]
    assert refused(world.refresh(first)) == (400, "invalid_grant")
    assert refused(world.refresh(third)) == (400, "invalid_grant")
    assert revoke_reasons(world) == ["Refresh token reuse detected"]


@pytest.mark.rfc("6749", "6")
def test_n_116_a_refresh_token_is_for_its_client_only_and_stays_good_for_it(world):
    thief, secret = world.app("Thief", web={"redirectUris": [CALLBACK]})
    token = world.tokens()["refresh_token"]
    assert refused(world.refresh(token, thief, secret)) == (400, "invalid_grant")
    assert world.refresh(token).status_code == 200


def test_fewer_scopes_may_be_asked_for_and_the_family_keeps_its_own(world):
    answer = world.refresh(world.tokens()["refresh_token"], scope="openid").json
    assert answer["scope"] == "openid"
    assert "email" not in claims_of(answer["id_token"])
    assert world.refresh(answer["refresh_token"]).json["scope"] == SCOPE


@pytest.mark.rfc("6749", "6")
@pytest.mark.parametrize("scope", ["openid User.Read", "openid x", SCOPE + " api://pay/pay.read"])
def test_n_116_a_wider_scope_is_invalid_and_the_token_stays_good(world, scope):
    token = world.tokens()["refresh_token"]
    assert refused(world.refresh(token, scope=scope)) == (400, "invalid_scope")
    assert world.refresh(token).status_code == 200


def test_n_132_a_disabled_client_refreshes_nothing(world):
    token = world.tokens()["refresh_token"]
    world.configure(world.crm, "service_principal", accountEnabled=False)
    assert refused(world.refresh(token)) == (401, "invalid_client")


def test_n_116_a_deleted_app_refreshes_nothing(world):
    token = world.tokens()["refresh_token"]
    world.change(lambda w: w.apps.delete(w.apps.row(world.crm.id)))
    assert refused(world.refresh(token)) == (401, "invalid_client")


def test_a_disabled_guest_refreshes_nothing(world):
    token = world.tokens()["refresh_token"]
    disable(world)
    assert refused(world.refresh(token)) == (400, "invalid_grant")


def test_no_family_outlives_the_sign_in_at_home_by_more_than_a_day(world):
    token = world.tokens()["refresh_token"]
    world.later(hours=23, minutes=59)
    token = world.refresh(token).json["refresh_token"]
    world.later(minutes=1)
    assert refused(world.refresh(token)) == (400, "invalid_grant")


@pytest.mark.parametrize("token", ["", "x", "A" * 60, "ä"])
def test_garbage_is_no_refresh_token(world, token):
    assert refused(world.refresh(token)) == (400, "invalid_grant")


# --- an app's own API ------------------------------------------------------------------------------------------------


@pytest.mark.rfc("9700", "2.3")
def test_a_token_for_an_api_has_its_audience_scope_and_roles_and_the_clients_subject(world):
    api = world.api()
    world.assign(api, "Approver", world.user.id)
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    tokens = world.tokens(scope="openid profile api://pay/pay.read")
    claims = claims_of(tokens["access_token"])
    assert (claims["aud"], claims["scp"], claims["roles"]) == ("api://pay", "openid profile pay.read", ["Approver"])
    assert claims["azp"] == world.crm.app_id
    assert claims["sub"] == claims_of(tokens["id_token"])["sub"]
    assert "roles" not in claims_of(tokens["id_token"])


def pay_token(world):
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    return world.code(scope="openid offline_access api://pay/pay.read")


def test_a_token_for_an_api_is_no_userinfo_token(world):
    world.api()
    token = world.exchange(pay_token(world)).json["access_token"]
    assert world.userinfo(token).status_code == 401


def test_an_api_that_requires_assignment_is_closed_to_who_has_none(world):
    api = world.api(service_principal={"appRoleAssignmentRequired": True})
    assert refused(world.exchange(pay_token(world))) == (400, "invalid_grant")
    world.assign(api, "Reader", world.user.id)
    assert world.exchange(pay_token(world)).status_code == 200


def test_an_api_that_is_gone_gets_no_tokens(world):
    api = world.api()
    token = world.exchange(pay_token(world)).json["refresh_token"]
    world.change(lambda w: w.apps.delete(w.apps.row(api.id)))
    assert refused(world.refresh(token)) == (400, "invalid_grant")


# --- client_credentials ----------------------------------------------------------------------------------------------


def for_itself(world, scope=f"{ISSUER}/.default", app=None, secret=None):
    return world.token(app, secret, grant_type="client_credentials", scope=scope)


@pytest.fixture
def graph(world):
    row = world.change(lambda w: graph_service_principal(w, world.moment()))
    assignment = RoleAssignment(
        world.moment().new_id(), world.crm.sp_id, "ServicePrincipal", row.sp_id, role_id("User.Invite.All"), AT
    )
    world.change(lambda w: w.apps.assign(assignment))
    return row


@pytest.mark.parametrize("scope", [f"{ISSUER}/.default", "https://graph.microsoft.com/.default"])
def test_an_app_gets_for_graph_exactly_the_permissions_it_was_granted(world, graph, scope):
    claims = claims_of(for_itself(world, scope).json["access_token"])
    assert (claims["aud"], claims["roles"], claims["idtyp"]) == (ISSUER, ["User.Invite.All"], "app")
    assert claims["sub"] == claims["oid"] == world.crm.sp_id
    assert not {"scp", "amr", "groups", "idp"} & set(claims)


def test_an_app_that_acts_for_itself_gets_neither_id_token_nor_refresh_token(world, graph):
    assert set(for_itself(world).json) == {"access_token", "token_type", "expires_in"}


def test_an_app_gets_for_an_api_the_roles_it_was_given_there(world):
    api = world.api()
    world.assign(api, "Reader", world.crm.sp_id, "ServicePrincipal")
    claims = claims_of(for_itself(world, "api://pay/.default").json["access_token"])
    assert (claims["aud"], claims["roles"]) == ("api://pay", ["Reader"])


def test_an_api_that_requires_assignment_is_closed_to_apps_that_have_none(world):
    world.api(service_principal={"appRoleAssignmentRequired": True})
    assert refused(for_itself(world, "api://pay/.default")) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "openid",
        "User.Invite.All",
        f"{ISSUER}/User.Invite.All",
        "api://none/.default",
        "/.default",
        ".default",
        f"{ISSUER}/.default api://pay/.default",
        f"{ISSUER}//.default",
    ],
)
def test_an_app_asks_for_the_default_of_one_known_api(world, graph, scope):
    assert refused(for_itself(world, scope)) == (400, "invalid_scope")


# --- on the wire -----------------------------------------------------------------------------------------------------


def test_any_origin_may_read_the_answer_without_credentials(world):
    answer = world.exchange(world.code())
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    asked = world.http.options("/idp/token")
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]


def test_a_refusal_is_readable_from_any_origin_too(world):
    assert world.exchange("x").headers["Access-Control-Allow-Origin"] == "*"


def test_neither_secret_nor_code_is_said_in_a_refusal(world):
    code = world.code()
    world.exchange(code)
    said = world.exchange(code).text
    assert code not in said
    assert world.secret not in said


def test_the_guests_home_is_the_idp_claim(world):
    assert claims_of(world.tokens()["id_token"])["idp"] == HOME_ISSUER


def test_a_refresh_token_for_which_nothing_could_be_given_is_not_spent(world):
    """Else the next try is taken for a thief's, and ends everything."""
    api = world.api()
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    token = world.tokens(scope="openid offline_access api://pay/pay.read")["refresh_token"]
    world.configure(api, "service_principal", appRoleAssignmentRequired=True)
    assert refused(world.refresh(token)) == (400, "invalid_grant")
    world.later(minutes=1)
    world.assign(api, "Reader", world.user.id)
    assert world.refresh(token).status_code == 200


def test_a_code_for_which_nothing_could_be_given_is_not_spent(world):
    api = world.api()
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read"]})
    code = world.code(scope="openid api://pay/pay.read")
    world.configure(api, "service_principal", appRoleAssignmentRequired=True)
    assert refused(world.exchange(code)) == (400, "invalid_grant")
    world.assign(api, "Reader", world.user.id)
    assert world.exchange(code).status_code == 200
