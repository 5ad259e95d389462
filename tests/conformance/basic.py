"""The Basic OP conditions, for each way in which the answer may come back."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import jwt
import pytest

from b2b_idp.policy.decide import ACR_VALUES
from tests.conformance import conformance, rfc
from tests.openid.openid_world import CALLBACK, CHALLENGE, ISSUER, VERIFIER, answered, claims_of, page_error


class BasicConditions:
    """`mode`: the response_mode of all requests. An answer by form_post has nothing in its address."""

    mode: str

    def ask(self, op, app=None, **given):
        return self.read(op.authorize(app, response_mode=self.mode, **given))

    def read(self, response):
        return answered(response) if self.mode == "query" else posted(response)

    def tokens(self, op, app=None, secret=None, form=None, **given):
        answer = op.exchange(self.ask(op, app, **given)["code"], app, secret, **(form or {}))
        assert answer.status_code == 200, answer.text
        return answer.json

    def userinfo(self, op, **given):
        return op.userinfo(self.tokens(op, **given)["access_token"]).json

    @conformance("oidcc-server")
    def test_the_code_flow_from_end_to_end(self, op):
        told = self.ask(op)
        assert (told["state"], told["iss"]) == ("st", ISSUER)
        tokens = op.exchange(told["code"]).json
        claims = claims_of(tokens["id_token"])
        assert (claims["iss"], claims["aud"], claims["nonce"]) == (ISSUER, op.crm.app_id, "n")
        assert (tokens["token_type"], isinstance(tokens["expires_in"], int)) == ("Bearer", True)
        assert op.userinfo(tokens["access_token"]).json["sub"] == claims["sub"]

    @conformance("oidcc-response-type-missing")
    def test_without_response_type_it_is_an_error(self, op):
        assert self.ask(op, without=["response_type"])["error"] == "invalid_request"

    @conformance("oidcc-idtoken-signature")
    def test_an_id_token_is_signed_by_rs256_where_nothing_was_registered(self, op):
        assert jwt.get_unverified_header(self.tokens(op)["id_token"])["alg"] == "RS256"

    @conformance("oidcc-userinfo-get")
    @conformance("oidcc-userinfo-post-header")
    @conformance("oidcc-userinfo-post-body")
    def test_userinfo_says_the_same_three_ways(self, op):
        token = self.tokens(op)["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        got = op.http.get("/idp/userinfo", headers=bearer).json
        assert got["sub"]
        assert op.http.post("/idp/userinfo", headers=bearer).json == got
        assert op.http.post("/idp/userinfo", data={"access_token": token}).json == got

    @conformance("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
    def test_without_nonce_none_is_invented(self, op):
        assert "nonce" not in claims_of(self.tokens(op, without=["nonce"])["id_token"])

    @conformance("oidcc-scope-profile")
    @conformance("oidcc-scope-email")
    @conformance("oidcc-scope-all")
    def test_the_claims_of_a_scope_come_from_userinfo(self, op):
        assert self.userinfo(op, scope="openid profile")["name"] == "Ada"
        assert self.userinfo(op, scope="openid email")["email"] == "ada@fabrikam.example"
        both = self.userinfo(op, scope="openid profile email address phone")
        assert (both["name"], both["email"]) == ("Ada", "ada@fabrikam.example")

    @conformance("oidcc-scope-address")
    @conformance("oidcc-scope-phone")
    @pytest.mark.parametrize("scope", ["address", "phone"])
    def test_a_scope_for_which_there_are_no_claims_is_no_error(self, op, scope):
        assert "sub" in self.userinfo(op, scope=f"openid {scope}")

    @conformance("oidcc-alternate-happy-flow")
    def test_the_order_of_scopes_and_parameters_is_free(self, op):
        assert self.tokens(op, scope="email profile openid", backwards=True)["scope"] == "email profile openid"

    @conformance("oidcc-display-page")
    @conformance("oidcc-display-popup")
    @conformance("oidcc-ui-locales")
    @conformance("oidcc-claims-locales")
    @conformance("oidcc-login-hint")
    @conformance("oidcc-ensure-request-with-unknown-parameter-succeeds")
    @pytest.mark.parametrize(
        "given",
        [
            {"display": "page"},
            {"display": "popup"},
            {"ui_locales": "se"},
            {"claims_locales": "se"},
            {"login_hint": "ada@fabrikam.example"},
            {"extra": "foobar"},
        ],
        ids=str,
    )
    def test_what_may_be_added_is_accepted(self, op, given):
        assert "code" in self.ask(op, **given)

    @conformance("oidcc-prompt-none-not-logged-in")
    def test_prompt_none_without_a_session_is_login_required(self, world):
        world.http = world.flask.test_client()
        assert self.ask(world, prompt="none")["error"] == "login_required"

    @conformance("oidcc-prompt-none-logged-in")
    @conformance("oidcc-id-token-hint")
    def test_prompt_none_with_a_session_is_silent_and_of_the_same_person(self, op):
        first = self.tokens(op)["id_token"]
        for given in ({}, {"id_token_hint": first}):
            again = claims_of(self.tokens(op, prompt="none", **given)["id_token"])
            assert [again[n] for n in ("sub", "auth_time")] == [claims_of(first)[n] for n in ("sub", "auth_time")]

    @conformance("oidcc-max-age-10000")
    def test_a_young_session_is_not_asked_again_and_its_auth_time_is_told(self, op):
        before = claims_of(self.tokens(op)["id_token"])["auth_time"]
        assert claims_of(self.tokens(op, max_age="10000")["id_token"])["auth_time"] == before

    @conformance("oidcc-ensure-request-with-acr-values-succeeds")
    def test_the_acr_that_was_asked_for_is_returned(self, op):
        asked = f"{ACR_VALUES[0]} urn:example:other"
        assert claims_of(self.tokens(op, acr_values=asked)["id_token"])["acr"] == ACR_VALUES[0]

    @conformance("oidcc-codereuse")
    @conformance("oidcc-codereuse-30seconds")
    @pytest.mark.parametrize("seconds", [0, 30])
    def test_a_code_is_good_once_and_its_second_use_ends_what_it_gave(self, world, seconds):
        code = self.ask(world)["code"]
        token = world.exchange(code).json["access_token"]
        assert world.userinfo(token).status_code == 200
        world.later(seconds=seconds)
        again = world.exchange(code)
        assert (again.status_code, again.json["error"]) == (400, "invalid_grant")
        assert world.userinfo(token).status_code == 401

    @conformance("oidcc-ensure-registered-redirect-uri")
    def test_another_redirect_uri_is_a_page(self, op):
        answer = op.authorize(response_mode=self.mode, redirect_uri="https://evil.example/callback")
        assert page_error(answer) == "unregistered_redirect_uri"

    @conformance("oidcc-ensure-post-request-succeeds")
    def test_the_request_may_come_by_post(self, op):
        assert "code" in self.ask(op, method="POST")

    @conformance("oidcc-server-client-secret-post")
    def test_the_secret_may_stand_in_the_form(self, op):
        form = {"client_id": op.crm.app_id, "client_secret": op.secret}
        assert "id_token" in self.tokens(op, form=form)

    @conformance("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported")
    def test_a_request_uri_to_be_fetched_is_refused_by_name(self, op):
        assert self.ask(op, request_uri="https://app.example/request.jwt")["error"] == "request_uri_not_supported"

    @conformance("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")
    @rfc("9101", "4")
    def test_an_unsigned_request_object_is_processed_for_whom_registered_it_else_refused_by_name(self, op):
        app, _ = op.app("Unsigned", web={"redirectUris": [CALLBACK]}, b2b={"requestObjectSigningAlg": "none"})
        for one, found in ((app, None), (op.crm, "request_not_supported")):
            told = self.ask(op, one, request=unsigned(one, state="inside", response_mode=self.mode), state="outside")
            assert told.get("error") == found
            assert told["state"] == ("outside" if found else "inside")

    @conformance("oidcc-ensure-request-object-with-redirect-uri")
    def test_the_redirect_uri_inside_is_the_one_that_counts(self, op):
        row = op.app("Unsigned", web={"redirectUris": [CALLBACK]}, b2b={"requestObjectSigningAlg": "none"})[0]
        inside = unsigned(row, response_mode=self.mode)
        assert "code" in self.ask(op, row, request=inside, redirect_uri="https://evil.example/callback")
        answer = op.authorize(row, request=unsigned(row, redirect_uri="https://evil.example/callback"))
        assert page_error(answer) == "unregistered_redirect_uri"

    @conformance("oidcc-claims-essential")
    def test_a_claim_asked_for_by_name_is_returned(self, op):
        claims = json.dumps({"userinfo": {"name": {"essential": True}}})
        assert self.userinfo(op, scope="openid", claims=claims)["name"] == "Ada"

    @conformance("oidcc-refresh-token")
    def test_a_refresh_token_is_bound_to_its_client(self, op):
        other, secret = op.app("Other", web={"redirectUris": [CALLBACK]})
        tokens = self.tokens(op)
        assert op.refresh(tokens["refresh_token"], other, secret).json["error"] == "invalid_grant"
        before, after = (claims_of(t["id_token"]) for t in (tokens, op.refresh(tokens["refresh_token"]).json))
        assert all(before[n] == after[n] for n in ("iss", "sub", "aud", "auth_time"))

    @conformance("oidcc-ensure-request-with-valid-pkce-succeeds")
    def test_the_verifier_is_accepted_and_no_other(self, op):
        assert op.exchange(self.ask(op)["code"], code_verifier=VERIFIER[:-1] + "w").json["error"] == "invalid_grant"
        assert "id_token" in op.exchange(self.ask(op)["code"]).json


def unsigned(row, **given):
    """An unsigned request object of this app."""
    asked = {
        "client_id": row.app_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "nonce": "n",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return jwt.encode(asked | given, None, "none")


def posted(response, at=CALLBACK):
    """The parameters of an authorization response that a form carries to the app, and nothing else does."""
    assert response.status_code == 200, response.text
    assert "Location" not in response.headers
    return fields_of(response.text, at)


def fields_of(text, at):
    form = _Form()
    form.feed(text)
    assert (form.method, form.action) == ("post", at)
    return form.fields


class _Form(HTMLParser):
    def __init__(self):
        super().__init__()
        self.method = self.action = None
        self.fields = {}

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "form":
            self.method, self.action = a["method"], a["action"]
        elif tag == "input":
            self.fields[a["name"]] = a["value"]
