"""The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2, RFC 7636, RFC 9207)."""

from __future__ import annotations

import json

import jwt
import pytest
from openid_world import CALLBACK, CHALLENGE, ISSUER, World, answered, claims_of, page_error

from b2b_idp.policy.decide import ACR_VALUES
from tests.conformance import rfc


def error(response, at=CALLBACK):
    """The error that the app is told, with the request's state and our issuer."""
    told = answered(response, at)
    assert "code" not in told
    assert (told["state"], told["iss"]) == ("st", ISSUER)
    return told["error"]


# --- a good request --------------------------------------------------------------------------------------------------


@pytest.mark.rfc("9700", "4.12")
def test_a_guest_with_a_session_gets_a_code_with_state_and_issuer(world):
    told = answered(world.authorize())
    assert set(told) == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == ("st", ISSUER)


def test_a_request_by_post_gets_the_same(world):
    assert "code" in answered(world.authorize(method="POST"))


def test_a_form_of_another_site_is_sent_once_more_from_here_so_that_cookies_come_with_it(world):
    # a browser sends no Lax cookies with another site's POST
    asked = {"client_id": world.crm.app_id, "redirect_uri": CALLBACK, "state": "s<t", "response_type": "code"}
    answer = world.flask.test_client().post("/idp/authorize", data=asked, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert f'action="{ISSUER}/authorize"' in answer.text
    assert 'name="state" value="s&lt;t"' in answer.text
    assert "Set-Cookie" not in answer.headers
    # the answer to that form leads on to a home or an app
    assert "form-action 'self' https:" in answer.headers["Content-Security-Policy"]
    framed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "iframe"}
    assert answered(world.http.post("/idp/authorize", data=asked, headers=framed))["state"] == "s<t"
    again = world.http.post("/idp/authorize", data=asked, headers={"Sec-Fetch-Site": "same-origin"})
    assert answered(again)["state"] == "s<t"


def test_a_request_without_state_gets_none_back(world):
    assert set(answered(world.authorize(without=["state"]))) == {"code", "iss"}


def test_unknown_parameters_are_ignored(world):
    assert "code" in answered(world.authorize(client_info="1", **{"x-client-SKU": "msal.js.node"}))


def test_the_query_of_a_registered_redirect_uri_is_kept(world):
    answer = world.authorize(redirect_uri=CALLBACK + "?app=crm")
    assert answer.headers["Location"].startswith(CALLBACK + "?app=crm&code=")


@rfc("Form Post", "2")
def test_form_post_carries_the_answer_in_a_form_and_nothing_in_the_address(world):
    answer = world.authorize(response_mode="form_post")
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert f'action="{CALLBACK}"' in answer.text
    assert all(f'name="{name}"' in answer.text for name in ("code", "state", "iss"))


def test_a_form_post_page_may_send_its_form_to_the_app_only(world):
    policy = world.authorize(response_mode="form_post").headers["Content-Security-Policy"]
    assert "form-action https://app.example;" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.rfc("8252", "7.3")
@pytest.mark.parametrize("port", ["", ":49152"])
def test_the_port_of_a_public_clients_loopback_address_is_free(world, port):
    desktop, _ = world.app("Desktop", publicClient={"redirectUris": ["http://127.0.0.1/cb"]})
    uri = f"http://127.0.0.1{port}/cb"
    assert "code" in answered(world.authorize(desktop, redirect_uri=uri), uri)


# --- client and redirect URI: never a redirect to what is not proven -------------------------------------------------


@pytest.mark.rfc("9700", "4.1.3")
@pytest.mark.parametrize(
    "uri",
    [
        CALLBACK + "/x",
        CALLBACK + "/..;/",
        CALLBACK.replace("callback", "%63allback"),
        CALLBACK + "/%2e%2e",
        "https://app.example@evil.example/callback",
        "https://a@b@app.example/callback",
        CALLBACK.replace("app.example", "app.example:444"),
        CALLBACK.upper(),
        CALLBACK.replace("app", "APP"),
        CALLBACK + "?x=1",
        CALLBACK + "?app=crm&x=1",
        CALLBACK + "#x",
        CALLBACK + " ",
        "https://evil.example/",
        "//app.example/callback",
        "javascript:alert(1)",
        "http://127.0.0.1/callback",
    ],
)
def test_n_110_another_redirect_uri_is_a_page_and_no_redirect(unchanged, uri):
    answer = unchanged.authorize(redirect_uri=uri)
    assert answer.status_code == 400
    assert page_error(answer) == "unregistered_redirect_uri"


def test_n_110_a_missing_redirect_uri_is_a_page(unchanged):
    assert page_error(unchanged.authorize(without=["redirect_uri"])) == "unregistered_redirect_uri"


@pytest.mark.rfc("9700", "4.1.3")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:80@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:8080/cb/x",
        "http://localhost:8080/cb",
        "https://127.0.0.1:8080/cb",
        "http://127.0.0.1:999999/cb",
    ],
)
def test_n_110_a_free_port_frees_nothing_else(world, uri):
    desktop, _ = world.app("Desktop", publicClient={"redirectUris": ["http://127.0.0.1/cb"]})
    assert page_error(world.authorize(desktop, redirect_uri=uri)) == "unregistered_redirect_uri"


def test_n_110_a_confidential_clients_loopback_address_keeps_its_port(world):
    app, _ = world.app("Local", web={"redirectUris": ["http://127.0.0.1:5000/cb"]})
    answer = world.authorize(app, redirect_uri="http://127.0.0.1:5001/cb")
    assert page_error(answer) == "unregistered_redirect_uri"


@pytest.mark.rfc("9700", "4.11.2")
@pytest.mark.parametrize("client_id", ["99999999-0000-0000-0000-000000000000", "x", "x\x00", "ä" * 36, "a" * 100_000])
def test_n_111_an_unknown_client_is_a_page(unchanged, client_id):
    assert page_error(unchanged.authorize(client_id=client_id, method="POST" if len(client_id) > 100 else "GET")) in (
        "unknown_client",
        "body_too_large",
    )


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_n_111_n_112_client_or_redirect_uri_twice_is_a_page(unchanged, name):
    value = {"client_id": unchanged.crm.app_id, "redirect_uri": CALLBACK}[name]
    assert page_error(unchanged.authorize(**{name: [value, value]})) in (
        "unknown_client",
        "unregistered_redirect_uri",
    )


def test_n_132_a_disabled_client_is_a_page(world):
    world.configure(world.crm, "service_principal", accountEnabled=False)
    assert page_error(world.authorize()) == "unknown_client"


# --- the other parameters: the app is told ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code code"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "CODE"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": ["openid", "openid"]}, "invalid_request"),
        ({"nonce": ["n", "m"]}, "invalid_request"),
        ({"nonce": "n" * 2049}, "invalid_request"),
        ({"nonce": "n\x00"}, "invalid_request"),
        ({"request": "e30.e30."}, "invalid_request_object"),
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"request_uri": "http://169.254.169.254/"}, "request_uri_not_supported"),
    ],
)
def test_n_112_n_122_a_bad_parameter_is_told_to_the_app(unchanged, given, told):
    assert error(unchanged.authorize(**given)) == told


@pytest.mark.parametrize("name", ["response_type", "scope", "code_challenge"])
def test_n_112_a_missing_parameter_is_told_to_the_app(unchanged, name):
    assert error(unchanged.authorize(without=[name])) == ("invalid_scope" if name == "scope" else "invalid_request")


def test_n_112_a_state_that_stands_twice_is_not_chosen_from(unchanged):
    told = answered(unchanged.authorize(state=["a", "b"]))
    assert told["error"] == "invalid_request"
    assert "state" not in told


def test_an_error_travels_by_form_post_when_that_was_asked(unchanged):
    answer = unchanged.authorize(response_mode="form_post", response_type="token")
    assert answer.status_code == 200
    assert 'value="unsupported_response_type"' in answer.text


# --- PKCE ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "A"},
        {"code_challenge": CHALLENGE[:-1] + "="},
    ],
)
def test_n_113_a_challenge_is_s256_and_43_characters(unchanged, given):
    assert error(unchanged.authorize(**given)) == "invalid_request"


@pytest.mark.rfc("7636", "4.3")
def test_n_113_a_challenge_without_its_method_is_plain_and_refused(unchanged):
    assert error(unchanged.authorize(without=["code_challenge_method"])) == "invalid_request"


NO_PKCE = ["code_challenge", "code_challenge_method"]


def test_an_app_registered_without_pkce_may_go_without_when_it_sends_a_nonce(world):
    app, _ = world.app("Old", web={"redirectUris": [CALLBACK]}, b2b={"requirePkce": False})
    assert "code" in answered(world.authorize(app, without=NO_PKCE))
    assert error(world.authorize(app, without=[*NO_PKCE, "nonce"])) == "invalid_request"


@pytest.mark.rfc("9700", "2.1.1")
def test_a_public_client_never_goes_without_pkce(world):
    spa, _ = world.app("SPA", spa={"redirectUris": [CALLBACK]}, b2b={"requirePkce": False})
    assert error(world.authorize(spa, without=NO_PKCE)) == "invalid_request"


# --- scope -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    [
        "profile",
        "openid whatever",
        "openid api://unknown/read",
        "openid User.ReadWrite.Everything",
        "openid " + ISSUER + "/User.ReadWrite.Everything",
        "openid /",
        "openid .default",
    ],
)
def test_an_unknown_scope_or_none_of_openid_is_invalid_scope(unchanged, scope):
    assert error(unchanged.authorize(scope=scope)) == "invalid_scope"


def test_scopes_of_openid_for_which_there_are_no_claims_are_not_granted_and_no_error(world):
    assert world.tokens(scope="openid address phone")["scope"] == "openid"


def test_a_graph_scope_by_its_full_name_is_the_same_scope(world):
    assert world.tokens(scope="openid https://graph.microsoft.com/User.Read")["scope"] == "openid User.Read"


def test_the_scopes_of_one_request_belong_to_one_api(world):
    world.api()
    assert error(world.authorize(scope="openid User.Read api://pay/pay.read")) == "invalid_scope"


def test_a_disabled_api_has_no_scopes(world):
    api = world.api()
    world.configure(api, "service_principal", accountEnabled=False)
    assert error(world.authorize(scope="openid api://pay/pay.read")) == "invalid_scope"


def test_default_of_an_api_stands_for_exactly_what_was_granted(world):
    world.api()
    assert error(world.authorize(scope="openid api://pay/.default")) == "invalid_scope"
    world.configure(world.crm, "application", b2bIdp={"adminConsent": ["api://pay/pay.read", "api://other/x"]})
    assert world.tokens(scope="openid api://pay/.default")["scope"] == "openid api://pay/pay.read"


# --- prompt, max_age, claims -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{"prompt": "none login"}, {"prompt": "create"}, {"max_age": "-1"}, {"max_age": "abc"}, {"max_age": "١"}]
)
def test_n_123_prompt_and_max_age_are_checked(unchanged, given):
    assert error(unchanged.authorize(**given)) == "invalid_request"


@pytest.mark.rfc("OIDC Core", "3.1.2.6")
def test_n_123_prompt_none_without_a_session_is_login_required(world):
    world.http = world.flask.test_client()
    assert error(world.authorize(prompt="none")) == "login_required"


def test_prompt_none_with_a_session_is_silent(world):
    assert "code" in answered(world.authorize(prompt="none"))


def test_prompt_none_without_consent_is_consent_required(world):
    assert error(world.authorize(prompt="none", consent=False)) == "consent_required"


def test_prompt_none_with_a_session_too_old_for_max_age_is_an_error(world):
    world.later(seconds=20)
    assert error(world.authorize(prompt="none", max_age="10")) == "login_required"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        '{"id_token": 5}',
        '{"id_token": null}',
        '{"userinfo": []}',
        '{"id_token": {"acr": {"essential": true, "values": [5]}}}',
        '{"id_token": {"acr": {"essential": true, "values": "x"}}}',
        '{"id_token": {"x": NaN}}',
        '{"id_token": {"x": 1e999}}',
        "[" * 5000,
        '{"id_token": {"x": ' + "9" * 5000 + "}}",
        '{"x": "' + "x" * 8192 + '"}',
    ],
)
def test_hostile_claims_are_an_invalid_request(unchanged, text):
    assert error(unchanged.authorize(claims=text)) == "invalid_request"


def essential(*values):
    return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})


def test_an_essential_acr_that_was_reached_is_granted(world):
    assert "code" in answered(world.authorize(claims=essential(ACR_VALUES[0])))


def test_an_essential_acr_that_nobody_here_can_reach_is_unmet(unchanged):
    assert error(unchanged.authorize(claims=essential("urn:x:gold"))) == "unmet_authentication_requirements"


def test_an_unknown_voluntary_acr_changes_nothing(world):
    assert "code" in answered(world.authorize(acr_values="urn:x:gold"))


def test_a_claim_asked_for_by_itself_asks_consent_for_its_scope(world):
    claims = json.dumps({"userinfo": {"name": {"essential": True}}})
    tokens = world.tokens(scope="openid", claims=claims)
    assert tokens["scope"] == "openid profile"
    assert world.userinfo(tokens["access_token"]).json["name"] == "Ada"


# --- id_token_hint ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hint(world):
    return world.tokens()["id_token"]


def test_a_hint_of_the_session_is_silent_even_when_expired(world, hint):
    world.later(hours=2)
    assert "code" in answered(world.authorize(prompt="none", id_token_hint=hint))


def test_a_long_hint_is_read(world):
    world.configure(world.crm, "application", groupMembershipClaims="All")

    def join(w):
        for n in range(150):
            id = f"00000000-0000-4000-8000-{n:012}"
            w.apps.add_group(id, {"displayName": f"g{n}", "securityEnabled": True}, world.at)
            w.apps.add_member(id, world.user.id)

    world.change(join)
    long = world.tokens()["id_token"]
    assert len(long) > 4096
    assert "code" in answered(world.authorize(prompt="none", id_token_hint=long))


def test_n_124_a_hint_of_another_user_is_login_required(world, hint):
    world.sign_in(world.guest("bob"))
    assert error(world.authorize(prompt="none", id_token_hint=hint, consent=False)) == "login_required"


def test_n_124_a_hint_without_oid_of_another_user_is_login_required(world):
    hint = world.tokens(scope="openid")["id_token"]
    assert "oid" not in claims_of(hint)
    assert "code" in answered(world.authorize(prompt="none", id_token_hint=hint))
    world.sign_in(world.guest("bob"))
    assert error(world.authorize(prompt="none", id_token_hint=hint)) == "login_required"


@pytest.mark.parametrize(
    "spoil", ["modified", "another app's", "another issuer's", "access token", "garbage", "unsigned"]
)
def test_n_124_a_hint_that_is_not_ours_signs_nobody_in(world, hint, spoil):
    claims = claims_of(hint)
    signer = world.idp.keys.signer("RS256", world.at)
    bad = {
        "modified": hint[:-4] + ("AAAA" if hint[-4:] != "AAAA" else "BBBB"),
        "another app's": signer.sign(claims | {"aud": "99999999-0000-0000-0000-000000000000"}, "JWT"),
        "another issuer's": signer.sign(claims | {"iss": "https://other.example"}, "JWT"),
        "access token": world.tokens()["access_token"],
        "garbage": "x",
        "unsigned": jwt.encode(dict(claims), None, "none", headers={"kid": signer.kid}),
    }[spoil]
    assert error(world.authorize(prompt="none", id_token_hint=bad)) == "login_required"


# --- no session ------------------------------------------------------------------------------------------------------


def test_a_browser_without_a_session_is_sent_to_its_step(world):
    world.http = world.flask.test_client()
    answer = world.authorize(without=["login_hint"])
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"{ISSUER}/signin/")


def test_n_136_a_sign_in_of_another_browser_is_not_concluded(world):
    world.http = world.flask.test_client()
    step = world.authorize().headers["Location"].removeprefix(f"{ISSUER}/signin/")
    stranger = world.flask.test_client()
    assert page_error(stranger.get(f"/idp/resume/{step}")) == "signin_unknown"


@pytest.mark.rfc("9700", "4.16")
def test_n_134_pages_are_not_framed_and_not_kept(world):
    answer = world.authorize(redirect_uri="https://evil.example/")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.rfc("9700", "2.6")
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_script_of_another_origin_may_read_the_authorization_endpoint(unchanged, method):
    answer = unchanged.http.open("/idp/authorize", method=method, headers={"Origin": "https://app.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.rfc("9700", "4.2.4")
def test_pages_tell_no_other_site_where_the_guest_was(unchanged):
    answer = unchanged.authorize(redirect_uri="https://evil.example/")
    assert answer.headers["Referrer-Policy"] == "same-origin"


def test_n_134_the_session_cookie_is_http_only_and_same_site(world):
    cookie = next(c for c in world.authorize().headers.getlist("Set-Cookie") if "_session=" in c)
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_post_over_64_kb_is_refused(world: World):
    answer = world.authorize(method="POST", padding="x" * 70_000)
    assert answer.status_code == 413
    assert page_error(answer) == "body_too_large"
