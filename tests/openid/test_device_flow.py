"""Signing in for a device without a browser (RFC 8628): a code is typed, the guest signs in, is told what asked, and
says yes; nothing else lets a device in."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from dpop_key import DpopKey, token_with
from openid_world import ISSUER, World, claims_of, page_error, refused

from b2b_idp.background import sweep

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid profile email offline_access"


@pytest.fixture
def world(world):
    world.tv, _ = world.app("Big Screen", isFallbackPublicClient=True)
    world.change(lambda w: w.grants.consent(world.user.id, world.tv.app_id, frozenset(SCOPE.split()), world.at))
    return world


def begun(world, app=None, **form):
    asked = {"client_id": (app or world.tv).app_id, "scope": SCOPE} | form
    return world.http.post("/idp/device_authorization", data=asked, environ_base={"REMOTE_ADDR": "198.51.100.7"})


def polled(world, given, app=None, **form):
    asked = {"grant_type": GRANT_TYPE, "device_code": given["device_code"], "client_id": (app or world.tv).app_id}
    return world.http.post("/idp/token", data=asked | form)


def csrf_in(page):
    return re.search(r'name="csrf" value="([^"]+)"', page.text)[1]


def typed(world, code, http=None):
    http = http or world.http
    page = http.get("/idp/device")
    assert 'data-page="device"' in page.text
    return http.post("/idp/device", data={"csrf": csrf_in(page), "code": code})


def asked(world, given):
    """The page that asks the guest, who has a session."""
    answer = typed(world, given["user_code"])
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"].removeprefix("http://localhost")


def answered(world, place, **form):
    page = world.http.get(place)
    assert page.status_code == 200, page.text
    return world.http.post(place, data={"csrf": csrf_in(page)} | form)


@pytest.fixture
def given(world):
    return begun(world).json


@pytest.mark.rfc("8628", "3.2")
def test_a_device_gets_its_codes(world, given):
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", given["user_code"])
    assert (given["verification_uri"], given["expires_in"], given["interval"]) == (f"{ISSUER}/device", 600, 5)
    assert "verification_uri_complete" not in given
    found = world.http.get("/idp/.well-known/openid-configuration").json
    assert found["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert GRANT_TYPE in found["grant_types_supported"]


@pytest.mark.rfc("8628", "3.4")
def test_the_guest_types_the_code_is_told_what_asked_and_says_yes(world, given):
    assert refused(polled(world, given)) == (400, "authorization_pending")
    place = asked(world, given)
    page = world.http.get(place)
    for told in ("Big Screen", "198.51.100.7", "10:00 UTC", "ada@fabrikam.example"):
        assert told in page.text
    world.later(seconds=6)
    assert refused(polled(world, given)) == (400, "authorization_pending")
    assert answered(world, place).headers["Location"] == f"{ISSUER}/device/approved"
    assert 'data-page="device"' in world.http.get("/idp/device/approved").text
    world.later(seconds=6)
    tokens = polled(world, given).json
    assert claims_of(tokens["id_token"])["name"] == "Ada"
    assert world.userinfo(tokens["access_token"]).status_code == 200
    again = world.token(client_id=world.tv.app_id, grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again.status_code == 200


@pytest.mark.parametrize("spelled", [str.lower, lambda c: c.replace("-", ""), lambda c: f" {c[:4]} {c[5:]} "])
def test_the_code_may_be_typed_in_any_case_with_or_without_the_dash(world, given, spelled):
    assert asked(world, given | {"user_code": spelled(given["user_code"])}).startswith("/idp/device/")


def test_the_tokens_are_bound_to_the_devices_key(world, given):
    answered(world, asked(world, given))
    key = DpopKey()
    form = {"grant_type": GRANT_TYPE, "device_code": given["device_code"]}
    tokens = token_with(world, key.proof("/token"), world.tv, public=True, **form).json
    assert claims_of(tokens["access_token"])["cnf"] == {"jkt": key.jkt}


def test_who_is_not_signed_in_signs_in_first(world, given):
    answer = typed(world, given["user_code"], world.flask.test_client())
    assert answer.status_code == 303
    assert "/signin/" in answer.headers["Location"]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.rfc("8628", "3.5")
def test_n_130_who_asks_too_often_is_slowed_down_by_five_seconds_each_time(world, given):
    outcomes = []
    for seconds in (0, 5, 4, 6, 10):
        world.later(seconds=seconds)
        outcomes.append(refused(polled(world, given))[1])
    pending, slow = "authorization_pending", "slow_down"
    assert outcomes == [pending, pending, slow, slow, slow]
    world.later(seconds=20)
    assert refused(polled(world, given)) == (400, pending)


@pytest.mark.rfc("8628", "3.5")
def test_a_code_is_over_after_ten_minutes(world, given):
    place = asked(world, given)
    world.later(minutes=10)
    assert page_error(world.http.get(place)) == "step_used"
    assert "That code is not right" in typed(world, given["user_code"]).text
    assert refused(polled(world, given)) == (400, "expired_token")


@pytest.mark.rfc("8628", "3.5")
def test_the_guest_may_say_no(world, given):
    assert answered(world, asked(world, given), decline="1").headers["Location"] == f"{ISSUER}/device/denied"
    assert refused(polled(world, given)) == (400, "access_denied")


def test_n_130_a_device_code_is_good_once_and_again_ends_what_it_gave(world, given):
    answered(world, asked(world, given))
    tokens = polled(world, given).json
    assert refused(polled(world, given)) == (400, "invalid_grant")
    assert world.userinfo(tokens["access_token"]).status_code == 401


def test_a_device_code_for_which_nothing_could_be_given_is_not_spent(world, given):
    answered(world, asked(world, given))
    assert refused(polled(world, given, resource="api://unknown")) == (400, "invalid_target")
    assert polled(world, given).status_code == 200


def test_n_130_a_device_code_is_its_clients(world, given):
    other, _ = world.app("Other", isFallbackPublicClient=True)
    answered(world, asked(world, given))
    assert refused(polled(world, given, other)) == (400, "invalid_grant")
    assert refused(polled(world, given | {"device_code": "x"})) == (400, "invalid_grant")
    assert polled(world, given).status_code == 200


def test_n_130_guessing_codes_is_slowed_down(world, given):
    said = [typed(world, "BBBB-BBBB").text for _ in range(31)]
    assert "That code is not right" in said[29]
    assert "Too many codes" in said[30]
    assert "Too many codes" in typed(world, given["user_code"]).text
    world.later(minutes=5)
    assert asked(world, given)


@pytest.mark.rfc("8628", "5.4")
def test_n_130_a_link_types_nothing_and_approves_nothing(world, given):
    page = world.http.get(f"/idp/device?user_code={given['user_code']}")
    assert given["user_code"] not in page.text
    place = asked(world, given)
    world.http.get(place + "?approve=1")
    assert refused(polled(world, given)) == (400, "authorization_pending")


@pytest.mark.parametrize("csrf", [None, "", "forged"])
def test_n_133_the_forms_come_from_our_pages(world, given, csrf):
    form = {} if csrf is None else {"csrf": csrf}
    assert page_error(world.http.post("/idp/device", data=form | {"code": given["user_code"]})) == "forged_form"
    place = asked(world, given)
    assert page_error(world.http.post(place, data=form)) == "forged_form"
    assert refused(polled(world, given)) == (400, "authorization_pending")


def test_n_136_only_the_browser_that_signed_in_may_say_yes(world, given):
    place = asked(world, given)
    stranger = world.flask.test_client()
    assert page_error(stranger.get(place)) == "signin_unknown"
    world.sign_in(world.guest("eve"), stranger)
    assert page_error(stranger.get(place)) == "signin_unknown"
    forged = stranger.post(place, data={"csrf": csrf_in(world.http.get(place))})
    assert page_error(forged) == "forged_form"
    assert refused(polled(world, given)) == (400, "authorization_pending")


def test_of_two_answers_the_first_counts(world, given):
    first, second = asked(world, given), asked(world, given)
    answered(world, first)
    assert page_error(world.http.get(second)) == "step_used"


def test_only_an_app_that_is_registered_for_devices_gets_codes(world):
    spa, _ = world.app("Spa", spa={"redirectUris": ["https://spa.example/cb"]})
    assert refused(begun(world, spa)) == (400, "unauthorized_client")
    assert refused(begun(world, scope="profile")) == (400, "invalid_scope")


def test_one_address_has_at_most_fifty_that_wait(world):
    for _ in range(50):
        begun(world)
    flooded = begun(world)
    assert flooded.status_code == 429
    assert "Retry-After" in flooded.headers


def blocked(world, client_type):
    """A policy that blocks this kind of app; its id."""
    body = {
        "displayName": "Blocked",
        "state": "enabled",
        "conditions": {
            "users": {"includeUsers": ["All"]},
            "clientAppTypes": [client_type],
            "applications": {"includeApplications": ["All"]},
        },
        "grantControls": {"operator": "OR", "builtInControls": ["block"]},
    }
    return world.done("POST", "/identity/conditionalAccess/policies", body)["id"]


def test_n_088_the_decision_is_taken_again_at_the_yes_and_at_the_token(world, given):
    place = asked(world, given)
    page = world.http.get(place)
    policy = blocked(world, "all")
    assert page_error(world.http.post(place, data={"csrf": csrf_in(page)})) == "invalid_grant"
    world.done("DELETE", f"/identity/conditionalAccess/policies/{policy}")
    answered(world, place)
    blocked(world, "all")
    assert refused(polled(world, given)) == (400, "invalid_grant")


def test_a_policy_for_native_apps_counts(world, given):
    blocked(world, "mobileAppsAndDesktopClients")
    assert page_error(typed(world, given["user_code"])) == "blocked_by_policy"


def test_codes_that_are_long_over_are_swept(world, given):
    world.at += timedelta(days=2)
    world.change(lambda w: sweep(w, world.at))
    assert refused(polled(world, given)) == (400, "invalid_grant")


def test_the_database_keeps_no_code(tmp_path):
    made = World(tmp_path)
    tv, _ = made.app("Big Screen", isFallbackPublicClient=True)
    given = begun(made, tv).json
    raw = b"".join(f.read_bytes() for f in tmp_path.glob("b2b.db*"))
    for secret in (given["user_code"], given["user_code"].replace("-", ""), given["device_code"]):
        assert secret.encode() not in raw
