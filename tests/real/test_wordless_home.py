"""PyPI oidc-provider-mock as a home tenant: one that says neither how nor how well anybody signed in."""

from __future__ import annotations

import json

import pytest

from tests.ports import free_port
from tests.real.conftest import MFA, REFEDS
from tests.real.instance import Instance
from tests.real.place import settled
from tests.real.wordless import wordless_home


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    instance = Instance(tmp_path_factory.mktemp("wordless") / "data", free_port())
    logins = ["wil@wordless.example", "wes@wordless.example"]
    with (
        wordless_home(logins) as home,
        settled(instance, home, REFEDS, lambda _factors: logins.pop()) as place,
    ):
        yield place


def test_n_086_a_home_that_overlooks_the_wish_for_mfa_is_asked_once_and_then_the_guest_is_challenged_here(place):
    guest = place.guest("one", invited=False)
    redeemed = guest.redeem()
    assert (guest.trips, guest.asked, redeemed.challenges) == (1, ["unknown"], ["totp"])
    assert place.world.home.requests(guest.email)[0]["acr_values"] == MFA
    assert guest.reasons() == ["home_step_up", "home_could_not", "local_mfa_accepted"]
    claims, _, walk = guest.sign_in()
    assert (guest.trips, walk.challenges) == (1, [])
    assert claims["amr"] == ["otp", "mfa"], "nobody knows what was done at home, so no token tells it"


def test_a_home_that_says_nothing_is_not_asked_for_mfa_that_nobody_requires(place):
    guest = place.guest("one")
    claims, reasons, walk = guest.sign_in("plain")
    assert (guest.trips, guest.asked, walk.challenges) == (1, ["unknown"], [])
    assert not {"acr_values", "claims", "max_age"} & set(place.world.home.requests(guest.email)[0])
    assert ("amr" in claims, reasons) == (False, ["no_mfa_required"])


def test_homes_test_tells_what_such_a_home_is_asked(place):
    world = place.world
    told = world.instance.run("homes", "test", "--data", str(world.instance.data), world.home.issuer, "--json")
    report = json.loads(told)
    assert (report["stepUp"], report["acrValuesSupported"], report["problems"]) == (f"acr_values={MFA}", [], [])
