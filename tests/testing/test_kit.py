"""The test kit as an app's developers use it: a fixture, homes that say what the test says, time travel."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from freezegun import freeze_time

from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker


def test_guest_of_trusted_partner_with_mfa_at_home_is_not_asked_again(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    maria = b2b_idp.invite("maria@fabrikam.example")
    signed_in = b2b_idp.sign_in(maria, b2b_idp.app("crm", requires="mfa"), amr=["pwd", "otp", "mfa"])
    assert signed_in.asked == []
    assert signed_in.decision.reasons[-1].code == "home_mfa_accepted"


@freeze_time("2026-06-01 10:00:00")
def test_the_whole_kit_lives_in_frozen_time(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    signed_in = b2b_idp.sign_in(b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm"))
    assert signed_in.id_token["iat"] == int(datetime(2026, 6, 1, 10, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("then", ["2020-01-01", "2030-01-01"])
def test_and_travels(b2b_idp, then):
    b2b_idp.home_tenant("fabrikam.example")
    app = b2b_idp.app("crm", requires="mfa")
    with freeze_time(then) as clock:
        maria = b2b_idp.invite("maria@fabrikam.example")
        assert b2b_idp.sign_in(maria, app).id_token is not None
        clock.tick(25 * 3600)
        later = b2b_idp.sign_in(maria, app)
    # the session ended a day after home's last word: home is visited, the challenge is put again
    assert later.asked == [{"where": "here", "method": "totp"}]


def test_a_guest_stays_in_their_browser_over_several_sign_ins(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    maria, app = b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm")
    assert b2b_idp.sign_in(maria, app).pages == ["redeem", "consent"]
    assert b2b_idp.sign_in(maria, app).pages == []


def test_serve_listens_at_the_issuer_so_that_a_browser_signs_in_there(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example")
    maria = b2b_idp.invite("maria@fabrikam.example")
    home.provider.script(Account("maria", "maria@fabrikam.example", "Maria"))
    with b2b_idp.serve() as address:
        assert address == b2b_idp.issuer
        walk = GuestDriver(Walker(), lambda: None).walk(maria.redeem_url)
    assert walk.pages == ["redeem", "me"]


@pytest.mark.parametrize(
    ("asked", "amr", "session", "outcome", "codes"),
    [
        (False, ["pwd", "mfa"], None, "allowed", ["home_mfa_accepted"]),
        (False, ["pwd"], None, "askHome", ["home_step_up"]),
        (True, ["pwd", "mfa"], None, "allowed", ["home_step_up", "home_mfa_accepted"]),
        (True, ["pwd"], None, "askHere", ["home_step_up", "home_could_not"]),
        (True, ["pwd"], {"amr": ["otp"]}, "allowed", ["home_step_up", "home_could_not", "local_mfa_accepted"]),
    ],
)
def test_a_decision_without_a_sign_in(b2b_idp, asked, amr, session, outcome, codes):
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    maria, app = b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm", requires="mfa")
    more = {"session": session} if session else {}
    answer = b2b_idp.evaluate(maria, app, home, amr=amr, asked=asked, **more)
    assert (answer["outcome"], [r["code"] for r in answer["reasons"]]) == (outcome, codes)
