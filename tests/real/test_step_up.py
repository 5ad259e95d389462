"""Every factor once, wherever it is done. The proof is each home's own word for what it asked: oidc-provider's log of
its prompts, Keycloak's log of its authenticators and events. Nobody here wrote either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.ports import free_port
from tests.real.conftest import MFA, REFEDS, redirect_uri
from tests.real.instance import Instance
from tests.real.keycloak import authentication_context
from tests.real.nodes import foreign_home
from tests.real.place import Place, settled


def person(login: str, factors: str) -> dict[str, Any]:
    return {"sub": login, "factors": factors, "name": "Mia", "email": login, "email_verified": True}


@pytest.fixture(scope="module", params=["oidc-provider", "keycloak"])
def home_and_us(request, tmp_path_factory) -> Iterator[Place]:
    instance = Instance(tmp_path_factory.mktemp("step-up") / "data", free_port())
    if request.param == "keycloak":
        keycloak = request.getfixturevalue("keycloak")
        with settled(instance, keycloak, authentication_context(), keycloak.enrol) as place:
            yield place
        return
    logins = {factors: [f"{factors}{n}@foreign.example" for n in range(10)] for factors in ("both", "one")}
    people = {login: person(login, "ask") for login in logins["both"]}
    people |= {login: person(login, "pwd") for login in logins["one"]}
    with (
        foreign_home(people, lambda issuer: redirect_uri(instance, issuer)) as home,
        settled(instance, home, REFEDS, lambda factors: logins[factors].pop()) as place,
    ):
        yield place


@pytest.fixture
def place(home_and_us: Place) -> Place:
    home_and_us.partner()
    return home_and_us


def test_an_app_that_requires_nothing_costs_one_password_at_home(place):
    guest = place.guest()
    claims, reasons, walk = guest.sign_in("plain")
    assert (guest.asked, guest.trips, walk.challenges) == (["pwd"], 1, [])
    assert (claims["amr"], reasons) == (["pwd"], ["no_mfa_required"])


def test_mfa_that_a_trusted_home_can_do_is_asked_there_in_the_first_trip_and_not_here(place):
    guest = place.guest()
    claims, reasons, walk = guest.sign_in()
    assert (guest.asked, guest.trips, walk.challenges) == (["pwd", "otp"], 1, [])
    assert (claims["amr"], reasons) == (["pwd", "otp", "mfa"], ["home_step_up", "home_mfa_accepted"])


def test_a_session_at_home_that_already_holds_both_factors_is_asked_for_neither(place):
    guest = place.guest()
    guest.sign_in()
    guest.forget_us()
    claims, reasons, walk = guest.sign_in()
    assert (guest.asked, guest.trips, walk.challenges) == (["pwd", "otp"], 2, [])
    assert (claims["amr"], reasons) == (["pwd", "otp", "mfa"], ["home_step_up", "home_mfa_accepted"])


def test_a_session_of_a_password_is_stepped_up_by_the_second_factor_alone(place):
    guest = place.guest()
    first, _, _ = guest.sign_in("plain")
    claims, reasons, walk = guest.sign_in()
    assert (guest.asked, guest.trips, walk.challenges) == (["pwd", "otp"], 2, [])
    assert (claims["amr"], reasons) == (["pwd", "otp", "mfa"], ["home_step_up", "home_mfa_accepted"])
    assert claims["sub"] != first["sub"], "pairwise"
    assert claims["oid"] == first["oid"]


def test_a_home_that_is_not_trusted_is_asked_for_no_more_than_its_password(place):
    place.partner(mfa_accepted=False)
    guest = place.guest(invited=False)
    redeemed = guest.redeem()
    claims, reasons, walk = guest.sign_in()
    assert (guest.asked, guest.trips) == (["pwd"], 1)
    assert (redeemed.challenges, walk.challenges) == (["totp"], [])
    assert (claims["amr"], reasons) == (["pwd", "otp", "mfa"], ["partner_not_trusted", "local_mfa_accepted"])


def test_n_086_a_home_that_cannot_is_asked_once_and_then_the_guest_is_challenged_here(place):
    guest = place.guest("one", invited=False)
    redeemed = guest.redeem()
    assert (guest.asked, guest.trips, redeemed.challenges) == (["pwd"], 1, ["totp"])
    assert guest.reasons() == ["home_step_up", "home_could_not", "local_mfa_accepted"]
    claims, _, walk = guest.sign_in()
    assert (guest.asked, guest.trips, walk.challenges) == (["pwd"], 1, [])
    assert claims["amr"] == ["pwd", "otp", "mfa"]


def test_n_086_a_home_that_cannot_is_asked_once_and_then_the_guest_is_refused_where_the_partner_says_block(place):
    place.partner(when_home_cannot="block")
    guest = place.guest("one", invited=False)
    refused = guest.redeem()
    assert (guest.asked, guest.trips, refused.challenges) == (["pwd"], 1, [])
    assert (refused.end.name, refused.end.error) == ("error", "blocked_by_partner_policy")
    assert "Sign in at your organisation with a second factor" in refused.end.text
    assert guest.reasons() == ["home_step_up", "home_could_not", "blocked_by_partner_policy"]


def test_a_second_sign_in_within_freshness_asks_nobody_anything(place):
    guest = place.guest()
    guest.sign_in()
    for app in ("mfa", "plain"):
        claims, _, walk = guest.sign_in(app)
        assert (guest.asked, guest.trips, walk.challenges) == (["pwd", "otp"], 1, [])
        assert claims["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.parametrize("home_and_us", ["oidc-provider"], indirect=True)
def test_no_request_carries_a_wish_for_mfa_unless_it_is_required_and_the_home_trusted(place):
    place.guest().sign_in("plain")
    place.partner(mfa_accepted=False)
    place.guest(invited=False).redeem()
    asked = place.world.home.requests[-2:]
    assert [{"acr_values", "claims", "max_age", "prompt"} & set(request) for request in asked] == [set(), set()]
    place.partner()
    place.guest().sign_in()
    assert place.world.home.requests[-1]["acr_values"] == MFA
    assert not {"claims", "max_age", "prompt"} & set(place.world.home.requests[-1])
