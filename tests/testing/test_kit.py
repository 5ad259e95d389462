"""The test kit as an app's developers use it: a fixture, homes that say what the test says, time travel."""

from __future__ import annotations

from datetime import UTC, datetime

import jwt
import pytest
import urllib3
from freezegun import freeze_time

from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.kit import Kit
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


# --- time ------------------------------------------------------------------------------------------------------------


def test_mfa_at_home_grows_old(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True, mfa_max_age="PT2H")
    app = b2b_idp.app("crm", requires="mfa")
    with freeze_time("2030-03-01 08:00") as clock:
        maria = b2b_idp.invite("maria@fabrikam.example")
        asked = []
        for hours in (0, 1, 2):
            clock.tick(hours * 3600)
            asked.append([q["where"] for q in b2b_idp.sign_in(maria, app, step_up=True).asked])
    assert asked == [["home"], [], ["home"]]


def test_new_keys_are_published_before_they_sign_and_old_tokens_go_on_being_good(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    app = b2b_idp.app("crm")

    def signed_with():
        return jwt.get_unverified_header(b2b_idp.sign_in(maria, app).tokens["id_token"])["kid"]

    with freeze_time("2030-03-01 08:00") as clock:
        maria = b2b_idp.invite("maria@fabrikam.example")
        before = b2b_idp.sign_in(maria, app).tokens["id_token"]
        kid = signed_with()
        b2b_idp.rotate_keys()
        clock.tick(9 * 60)
        assert signed_with() == kid
        clock.tick(2 * 60)
        assert signed_with() != kid
        assert b2b_idp.verify(before, app.client_id)["acct"] == 1


def test_keys_of_one_test_are_not_rotated_by_another():
    kits = [Kit(), Kit()]
    kits[0].rotate_keys(now=True)
    published = [len(kit.idp.keys.list()) for kit in kits]
    for kit in kits:
        kit.close()
    assert published == [6, 3]


def test_in_frozen_time_each_sign_in_has_its_own_decision(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    b2b_idp.home_tenant("northwind.example")
    crm = b2b_idp.app("crm", requires="mfa")
    with freeze_time("2030-03-01 08:00"):
        guests = [b2b_idp.invite(f"{n}@{d}.example") for n in "abc" for d in ("fabrikam", "northwind")]
        codes = [b2b_idp.sign_in(guest, crm, mfa=True).decision.reasons[-1].code for guest in guests]
    assert codes == ["home_mfa_accepted", "local_mfa_accepted"] * 3


# --- a port ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["1999-01-01", "2031-05-05"])
def test_a_guest_who_was_invited_now_signs_in_at_any_time(b2b_idp, when):
    b2b_idp.home_tenant("fabrikam.example")
    maria, app = b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm")
    with freeze_time(when):
        assert b2b_idp.sign_in(maria, app).error is None


def test_without_with_it_is_served_to_the_end_of_the_test(b2b_idp):
    address = b2b_idp.serve()
    assert b2b_idp.serve() == address == b2b_idp.issuer
    found = urllib3.request("GET", f"{address}/.well-known/openid-configuration").json()
    assert found["issuer"] == address
    b2b_idp.close()
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", address, retries=False)


def test_the_port_is_silent_before_and_after_it_is_served(b2b_idp):
    def answers():
        try:
            return urllib3.request("GET", f"{b2b_idp.issuer}/jwks", retries=False, timeout=5).status
        except urllib3.exceptions.NewConnectionError:
            return None

    seen = [answers()]
    for _ in range(2):
        with b2b_idp.serve():
            seen.append(answers())
        seen.append(answers())
    assert seen == [None, 200, None, 200, None]


def test_one_server_for_the_whole_run(b2b_idp_server):
    found = urllib3.request("GET", f"{b2b_idp_server.issuer}/.well-known/openid-configuration").json()
    assert found["issuer"] == b2b_idp_server.issuer


def test_a_guest_opens_an_apps_address_and_types_who_they_are(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    maria, app = b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm")
    url = f"{b2b_idp.issuer}/authorize?client_id={app.client_id}&redirect_uri={app.redirect_uri}&response_type=code"
    url += "&scope=openid&state=s&nonce=n&code_challenge_method=S256&code_challenge=" + 43 * "a"
    went = b2b_idp.visit(maria, url)
    assert went.pages[0] == "home-realm"
    assert (went.finished, went.url.startswith(f"{app.redirect_uri}?code=")) == (True, True)


def test_who_is_refused_gets_no_further_than_the_page_that_says_so(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    maria, app = b2b_idp.invite("maria@fabrikam.example"), b2b_idp.app("crm")
    went = b2b_idp.visit(maria, f"{b2b_idp.issuer}/authorize?client_id=nobody&redirect_uri={app.redirect_uri}")
    assert (went.finished, went.status) == (False, 400)


def test_a_dynamic_group_has_whoever_its_rule_says_in_the_first_token(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example")
    maria = b2b_idp.invite("maria@fabrikam.example", department="Sales")
    sales = b2b_idp.group("Sales", rule='user.department -eq "Sales"')
    app = b2b_idp.app("crm", groupMembershipClaims="SecurityGroup")
    assert b2b_idp.sign_in(maria, app).id_token["groups"] == [sales.id]
    b2b_idp.update(maria, department="Ops")
    assert "groups" not in b2b_idp.sign_in(maria, app).id_token
