"""Power needs a factor that somebody besides the home tenant vouched for: whoever rules a home makes nobody of ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from freezegun import freeze_time

from b2b_idp.testing.guest import Walk

MFA = ["pwd", "mfa"]
SCOPE = "Group.ReadWrite.All"


@pytest.fixture
def ada(b2b_idp):
    """A guest of a trusted home, with MFA there, whose address no mail has proved."""
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    made = b2b_idp.app("Portal", b2bIdp={"adminConsent": [SCOPE]})
    portal = type(made)(made.client_id, made.client_secret, made.sp_id, made.object_id, f"openid {SCOPE}")
    guest = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(guest, b2b_idp.app("CRM", requires="mfa"), amr=MFA).asked == []
    return SimpleNamespace(guest=guest, portal=portal)


def add_a_factor(kit, guest):
    """The pages of setting up another factor on the own security page."""
    walker, walk = guest.driver._walker, None
    page = walker.get(f"{kit.issuer}/me/security")
    number = next(n for n, form in enumerate(page.forms) if form.action.endswith("/add"))
    page = walker.submit(page, number)
    walk = Walk(page, False)
    while (following := guest.driver._answer(page, walk)) is not None:
        page = following
    return walk.pages


def vouched_by_home_alone(kit, guest):
    with kit.idp.store.read() as r:
        return [f.by_home for f in r.factors.registered(guest.id)]


def later(minutes):
    return freeze_time(datetime.now(UTC) + timedelta(minutes=minutes), tick=True)


def test_a_factor_set_up_on_the_homes_word_alone_gives_no_power(b2b_idp, ada):
    assert "email-code" not in add_a_factor(b2b_idp, ada.guest)
    assert vouched_by_home_alone(b2b_idp, ada.guest) == [True]
    with later(1):
        signed_in = b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA)
    assert signed_in.pages[:3] == ["email-code", "challenge-choose", "register-totp"]
    assert signed_in.id_token
    assert vouched_by_home_alone(b2b_idp, ada.guest) == [True, False]


def test_one_set_up_with_a_mailed_code_gives_it_from_then_on(b2b_idp, ada):
    b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA)
    with later(1):
        again = b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA, prompt="login")
    assert (again.pages, bool(again.id_token)) == (["challenge-totp"], True)


def test_what_is_added_on_a_factors_proof_is_worth_as_much_as_that_factor(b2b_idp, ada):
    add_a_factor(b2b_idp, ada.guest)
    add_a_factor(b2b_idp, ada.guest)
    assert vouched_by_home_alone(b2b_idp, ada.guest) == [True, True]
    with later(1):
        b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA)
        add_a_factor(b2b_idp, ada.guest)
    assert vouched_by_home_alone(b2b_idp, ada.guest) == [True, True, False, False]


def test_beside_one_that_gives_power_the_homes_word_makes_none_that_does(b2b_idp, ada):
    b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA)
    with later(20):
        assert b2b_idp.sign_in(ada.guest, b2b_idp.app("Wiki"), amr=MFA, prompt="select_account").id_token
        add_a_factor(b2b_idp, ada.guest)
    assert vouched_by_home_alone(b2b_idp, ada.guest) == [False, True]


def test_a_recovery_code_gives_no_power(b2b_idp, ada):
    b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA)
    ada.guest.driver.authenticator = None
    with later(1):
        b2b_idp.sign_in(ada.guest, ada.portal, amr=MFA, prompt="login")
        with b2b_idp.idp.store.read() as r:
            [row] = r.signins._c._connection.exec_driver_sql("SELECT id FROM signins ORDER BY created_at DESC LIMIT 1")
        walker = ada.guest.driver._walker
        page = walker.get(f"{b2b_idp.issuer}/signin/{row[0]}")
        assert page.name == "challenge-totp"
        assert "ecovery" not in page.text


def test_outside_of_power_a_factor_is_a_factor(b2b_idp, ada):
    add_a_factor(b2b_idp, ada.guest)
    with later(1):
        asked = b2b_idp.sign_in(ada.guest, b2b_idp.app("Payroll", requires="mfa"), amr=["pwd"], prompt="login")
    assert asked.pages[0] == "challenge-totp"
    assert asked.id_token
