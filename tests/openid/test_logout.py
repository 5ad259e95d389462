"""The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import re
from html import unescape

import pytest
from openid_world import BYE, answered, claims_of, page_error

from tests.conformance import rfc


@pytest.fixture
def hint(world):
    return world.tokens()["id_token"]


def logout(world, method="GET", **parameters):
    if method == "POST":
        return world.http.post("/idp/logout", data=parameters)
    return world.http.get("/idp/logout", query_string=parameters)


def signed_in(world):
    return "code" in answered(world.authorize(prompt="none"))


def page(answer):
    assert "Location" not in answer.headers
    return re.search('data-page="([a-z-]+)"', answer.text)[1]


def confirm(world, answer):
    """Presses the confirmation page's button."""
    action = unescape(re.search('action="([^"]+)"', answer.text)[1])
    csrf = unescape(re.search('name="csrf" value="([^"]+)"', answer.text)[1])
    return world.http.post(action.removeprefix("http://localhost"), data={"csrf": csrf})


@rfc("RP-Initiated Logout", "2")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_app_with_its_guests_hint_signs_out_and_gets_the_browser_back_with_state(world, hint, method):
    answer = logout(world, method, id_token_hint=hint, post_logout_redirect_uri=BYE, state="s 1")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{BYE}?state=s+1"
    assert not signed_in(world)


def test_a_hint_may_be_expired(world, hint):
    world.later(hours=2)
    assert logout(world, id_token_hint=hint, post_logout_redirect_uri=BYE).headers["Location"] == BYE


def test_the_grants_of_the_session_end_with_it(world):
    tokens = world.tokens()
    logout(world, id_token_hint=tokens["id_token"])
    assert world.refresh(tokens["refresh_token"]).status_code == 400


def test_the_browser_forgets_its_session(world, hint):
    answer = logout(world, id_token_hint=hint)
    assert any("_session=;" in c and "Max-Age=0" in c for c in answer.headers.getlist("Set-Cookie"))


def test_without_an_address_the_page_says_signed_out(world, hint):
    assert page(logout(world, id_token_hint=hint)) == "signed-out"


def test_without_a_hint_the_guest_is_asked_first(world):
    answer = logout(world, client_id=world.crm.app_id, post_logout_redirect_uri=BYE, state="s")
    assert page(answer) == "logout"
    assert "CRM" in answer.text
    assert signed_in(world)
    assert confirm(world, answer).headers["Location"] == f"{BYE}?state=s"
    assert not signed_in(world)


def test_a_confirmation_without_its_token_asks_again(world):
    assert page(logout(world, "POST", csrf="x")) == "logout"
    assert signed_in(world)


@pytest.mark.parametrize("uri", [BYE + "/", BYE + "?x=1", BYE + "#x", "https://evil.example/", "//app.example/bye"])
def test_n_125_an_unregistered_address_is_not_gone_to(world, hint, uri):
    assert page(logout(world, id_token_hint=hint, post_logout_redirect_uri=uri)) == "signed-out"


@pytest.mark.parametrize("session", [True, False])
@pytest.mark.parametrize("spoil", ["modified", "another issuer's", "garbage"])
def test_n_125_a_hint_that_is_not_ours_leads_nowhere_even_beside_a_client_id(world, hint, spoil, session):
    bad = {
        "modified": hint[:-4] + ("AAAA" if hint[-4:] != "AAAA" else "BBBB"),
        "another issuer's": world.idp.keys.signer("RS256", world.at).sign(claims_of(hint) | {"iss": "x"}, "JWT"),
        "garbage": "x",
    }[spoil]
    if not session:
        world.http = world.flask.test_client()
    answer = logout(world, id_token_hint=bad, client_id=world.crm.app_id, post_logout_redirect_uri=BYE)
    assert page(answer) == ("logout" if session else "signed-out")
    if session:
        assert page(confirm(world, answer)) == "signed-out"


def test_a_client_id_that_differs_from_the_hints_leads_nowhere(world, hint):
    other, _ = world.app("Other")
    answer = logout(world, id_token_hint=hint, client_id=other.app_id, post_logout_redirect_uri=BYE)
    assert page(answer) == "logout"
    assert signed_in(world)


def test_another_guests_hint_does_not_sign_this_one_out(world, hint):
    bob = world.guest("bob")
    world.sign_in(bob)
    assert page(logout(world, id_token_hint=hint, post_logout_redirect_uri=BYE)) == "logout"


def test_a_parameter_that_stands_twice_is_a_page(world):
    answer = world.http.get("/idp/logout?state=a&state=b")
    assert answer.status_code == 400
    assert page_error(answer) == "invalid_request"


def test_signing_out_twice_is_no_error(world, hint):
    logout(world, id_token_hint=hint)
    assert logout(world, id_token_hint=hint, post_logout_redirect_uri=BYE).headers["Location"] == BYE
