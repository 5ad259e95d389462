"""Guests without an identity provider: they sign in by a code mailed to their address, which is one factor."""

from __future__ import annotations

import base64
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode

import pytest
from freezegun import freeze_time

from b2b_idp.model.home import MAILED_TENANT_ID
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.kit import CALLBACK, code_in
from b2b_idp.testing.walker import Walker

PAT = "pat@gmail.example"
BY_MAIL = [{"where": "here", "method": "email"}]
METHOD = "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/email"


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("crm")


@pytest.fixture
def vault(b2b_idp):
    """An app that wants MFA."""
    return b2b_idp.app("vault", requires="mfa")


def authorize(kit, app, **parameters):
    query = {
        "client_id": app.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "nonce": "n",
        "code_challenge": base64.urlsafe_b64encode(sha256(b"v" * 43).digest()).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    return f"{kit.issuer}/authorize?{urlencode(query | parameters)}"


def browser(kit):
    """A browser that nobody used yet."""
    return Walker(kit._transport(), "https://app.example")


def at_code_page(kit, app, email, walker=None):
    """(browser, page) once the address was typed there."""
    walker = walker or browser(kit)
    return walker, walker.submit(walker.get(authorize(kit, app)), email=email)


def mails(kit):
    """(recipient, code) of every mail, oldest first."""
    with kit.idp.store.read() as r:
        return [(letter.recipient, code_in(letter.body)) for letter in reversed(r.outbox.latest(100))]


def signins(kit):
    return kit.graph("GET", "/auditLogs/signIns?$top=50")["value"]


def user(kit, guest):
    return kit.graph("GET", f"/users/{guest.id}?$select=externalUserState,identities,mail")


def refreshed(kit, app, signed_in):
    return kit._token_request(
        (app.client_id, app.client_secret),
        {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]},
    )


def moved_on(**time):
    return freeze_time(datetime.now(UTC) + timedelta(**time), tick=True)


# --- who they are, and what the app is told -------------------------------------------------------------------------


def test_a_guest_without_a_provider_signs_in_by_a_mailed_code(b2b_idp, crm):
    signed_in = b2b_idp.sign_in(b2b_idp.invite(PAT), crm)
    assert signed_in.pages == ["home-realm", "email-code", "redeem", "consent"]
    assert signed_in.asked == BY_MAIL
    assert [r.code for r in signed_in.decision.reasons] == ["no_mfa_required"]


def test_n_083_the_token_says_one_factor_and_whose_word_it_is(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    claims = b2b_idp.sign_in(pat, crm).id_token
    assert (claims["idp"], claims["amr"], claims["oid"]) == ("mail", ["otp"], pat.id)
    assert (claims["acr"], claims["email"]) == ("https://refeds.org/profile/sfa", PAT)
    assert abs(claims["auth_time"] - datetime.now(UTC).timestamp()) < 60


def test_graph_shows_the_address_as_the_identity(b2b_idp, crm):
    pat = b2b_idp.invite("Pat+News@GMail.example")
    b2b_idp.sign_in(pat, crm)
    assert user(b2b_idp, pat)["identities"] == [
        {"signInType": "federated", "issuer": "mail", "issuerAssignedId": "pat+news@gmail.example"}
    ]
    assert signins(b2b_idp)[0]["homeTenantId"] == MAILED_TENANT_ID


def test_the_mailed_link_redeems_with_a_code_typed_behind_it(b2b_idp):
    b2b_idp.app("crm")
    pat = b2b_idp.invite(PAT)
    page = pat.driver._walker.get(pat.redeem_url)
    assert (page.name, mails(b2b_idp)) == ("redeem", [])  # a mail filter that fetches the link has no mail sent
    page = pat.driver._walker.submit(page)
    assert page.name == "email-code"
    assert user(b2b_idp, pat)["externalUserState"] == "PendingAcceptance"
    assert pat.driver._walker.submit(page, code=b2b_idp._mailed_code()).status == 0
    assert user(b2b_idp, pat)["externalUserState"] == "Accepted"


def test_declining_needs_no_code(b2b_idp):
    pat = b2b_idp.invite(PAT)
    walker = browser(b2b_idp)
    page = walker.submit(walker.get(pat.redeem_url), decline="1")
    assert (page.error, mails(b2b_idp)) == ("access_denied", [])


def test_a_used_link_leads_to_the_page_that_asks_for_the_address(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    pat.driver.walk(pat.redeem_url)
    before = mails(b2b_idp)
    assert browser(b2b_idp).get(pat.redeem_url).name == "home-realm"
    assert mails(b2b_idp) == before


def test_one_session_serves_all_apps(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.sign_in(pat, crm)
    again = b2b_idp.sign_in(pat, b2b_idp.app("erp"))
    assert (again.pages, again.asked) == (["consent"], [])


def test_a_silent_request_is_told_that_the_guest_has_to_sign_in(b2b_idp, crm):
    signed_in = b2b_idp.sign_in(b2b_idp.invite(PAT), crm, prompt="none")
    assert (signed_in.error, mails(b2b_idp)) == ("login_required", [])


def test_a_hint_alone_has_no_code_mailed(b2b_idp, crm):
    b2b_idp.invite(PAT)
    for hint in ({"login_hint": PAT}, {"login_hint": PAT, "domain_hint": MAILED_TENANT_ID}, {"domain_hint": "mail"}):
        assert browser(b2b_idp).get(authorize(b2b_idp, crm, **hint)).name == "home-realm"
    assert mails(b2b_idp) == []


@pytest.mark.parametrize("typed", ["PAT@gmail.example", "pat@GMAIL.EXAMPLE", " pat@gmail.example. "])
def test_spellings_of_one_address_are_one_guest_who_is_mailed_at_the_invited_one(b2b_idp, crm, typed):
    pat = b2b_idp.invite(PAT)
    walker, page = at_code_page(b2b_idp, crm, typed)
    page = walker.submit(page, code=b2b_idp._mailed_code())
    assert (page.name, mails(b2b_idp)[0][0]) == ("redeem", PAT)
    walker.submit(page)
    assert user(b2b_idp, pat)["identities"][0]["issuerAssignedId"] == PAT


def test_n_070_a_domain_in_punycode_is_the_same(b2b_idp, crm):
    b2b_idp.invite("jo@bücher.example")
    for typed in ("jo@bücher.example", "jo@xn--bcher-kva.example"):
        at_code_page(b2b_idp, crm, typed)
    assert [to for to, _ in mails(b2b_idp)] == ["jo@xn--bcher-kva.example"] * 2


def test_plus_addresses_are_addresses_of_their_own(b2b_idp, crm):
    b2b_idp.invite(PAT)
    at_code_page(b2b_idp, crm, "pat+x@gmail.example")
    assert mails(b2b_idp) == []


@pytest.mark.parametrize(
    "typed",
    [
        '"pat pat"@gmail.example',
        "pat@gmail.example\r\nBcc: eve@evil.example",
        "pat@gmail.example,eve@evil.example",
        "<pat@gmail.example>",
        "ｐat@gmail.example",
        "pat@gmаil.example",  # a Cyrillic а
        "pat@[127.0.0.1]",
        "pat@" + "a" * 250 + ".example",
        "pat\x00@gmail.example",
        "",
    ],
)
def test_n_069_what_is_not_one_plain_address_is_asked_again(b2b_idp, crm, typed):
    b2b_idp.invite(PAT)
    _, page = at_code_page(b2b_idp, crm, typed)
    assert (page.status, page.name, mails(b2b_idp)) == (200, "home-realm", [])


# --- nobody learns who is known -------------------------------------------------------------------------------------


def normalised(page, email):
    """The page without what is each sign-in's own."""
    text = page.text.replace(email, "ADDRESS")
    for form in page.forms:
        for value in (form.action, form.fields.get("csrf")):
            text = text.replace(value or "\0", "X")
    return re.sub("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)


def test_n_068_known_and_unknown_addresses_have_the_same_pages_to_the_end(b2b_idp, crm):
    b2b_idp.sign_in(b2b_idp.invite(PAT), crm)
    b2b_idp.invite("new@gmail.example")
    sent = len(mails(b2b_idp))
    seen = []
    for email in (PAT, "new@gmail.example", "nobody@gmail.example"):
        walker, page = at_code_page(b2b_idp, crm, email)
        pages = [page]
        for _ in range(7):
            pages.append(walker.submit(pages[-1], code="00000000"))
        for _ in range(4):
            pages.append(walker.submit(pages[-1], form=1, button=0))
        seen.append([(p.status, p.name, normalised(p, email)) for p in pages])
    for known, other, unknown in zip(*seen, strict=True):
        assert known == other == unknown
    assert {to for to, _ in mails(b2b_idp)[sent:]} == {PAT, "new@gmail.example"}


@contextmanager
def statements(b2b_idp):
    """Every SQL statement that the block executes."""
    executed = []
    connection = b2b_idp.idp.store._database.engine.raw_connection()
    connection.driver_connection.set_trace_callback(executed.append)
    yield executed
    connection.driver_connection.set_trace_callback(None)
    connection.close()


def test_n_068_known_and_unknown_addresses_cost_the_same_number_of_statements(b2b_idp, crm):
    b2b_idp.sign_in(b2b_idp.invite(PAT), crm)
    b2b_idp.invite("new@gmail.example")
    at_code_page(b2b_idp, crm, "warm@gmail.example")
    counts = set()
    for email in (PAT, "new@gmail.example", "nobody@gmail.example"):
        walker = browser(b2b_idp)
        page = walker.get(authorize(b2b_idp, crm))
        with statements(b2b_idp) as executed:
            walker.submit(page, email=email)
        counts.add(len(executed))
    assert len(counts) == 1


def test_an_accepted_guest_of_a_home_is_unknown_to_mailed_codes(b2b_idp, crm):
    home = b2b_idp.home_tenant("fabrikam.example")
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    b2b_idp.graph("PATCH", f"/identity/identityProviders/{home.tenant_id}", {"b2bIdp": {"domains": []}})
    _, page = at_code_page(b2b_idp, crm, "ada@fabrikam.example")
    assert (page.name, mails(b2b_idp)) == ("email-code", [])


def test_who_mistyped_can_go_back(b2b_idp, crm):
    b2b_idp.invite(PAT)
    walker, page = at_code_page(b2b_idp, crm, "pta@gmail.example")
    page = walker.submit(page, form=2, button=0)
    assert page.name == "home-realm"
    page = walker.submit(page, email=PAT)
    assert walker.submit(page, code=b2b_idp._mailed_code()).name == "redeem"


# --- guessing -------------------------------------------------------------------------------------------------------


def test_n_094_a_code_is_of_no_use_in_another_sign_in(b2b_idp, crm):
    b2b_idp.invite(PAT)
    at_code_page(b2b_idp, crm, PAT)
    code = b2b_idp._mailed_code()
    walker, page = at_code_page(b2b_idp, crm, PAT)
    assert walker.submit(page, code=code).name == "email-code"


def test_n_094_the_newest_code_wins_within_the_sign_in(b2b_idp, crm):
    b2b_idp.invite(PAT)
    walker, page = at_code_page(b2b_idp, crm, PAT)
    page = walker.submit(page, form=1, button=0)
    (_, old), (_, new) = mails(b2b_idp)
    page = walker.submit(page, code=old)
    assert page.name == "email-code"
    assert walker.submit(page, code=new).name == "redeem"


def test_n_094_five_tries_and_thirty_minutes(b2b_idp, crm):
    b2b_idp.invite(PAT)
    walker, page = at_code_page(b2b_idp, crm, PAT)
    for _ in range(5):
        page = walker.submit(page, code="00000000")
    assert walker.submit(page, code=b2b_idp._mailed_code()).name == "email-code"
    walker, page = at_code_page(b2b_idp, crm, PAT)
    with moved_on(minutes=31):
        assert walker.submit(page, code=b2b_idp._mailed_code()).name == "email-code"


def test_a_sign_in_has_three_codes_mailed_and_the_newest_stays_good(b2b_idp, crm):
    b2b_idp.invite(PAT)
    walker, page = at_code_page(b2b_idp, crm, PAT)
    for _ in range(4):
        page = walker.submit(page, form=1, button=0)
    assert "No more codes" in page.text
    assert len(mails(b2b_idp)) == 3
    assert walker.submit(page, code=b2b_idp._mailed_code()).name == "redeem"


def test_brute_force_over_many_sign_ins_gets_three_codes_an_hour_to_guess_at(b2b_idp, crm):
    b2b_idp.invite(PAT)
    for _ in range(8):
        assert at_code_page(b2b_idp, crm, PAT)[1].name == "email-code"
    assert len(mails(b2b_idp)) == 3


def test_strangers_who_use_up_the_mails_leave_some_to_the_guests_own_browser(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.sign_in(pat, crm)
    with moved_on(days=2):
        for _ in range(8):
            at_code_page(b2b_idp, crm, PAT)
        assert b2b_idp.sign_in(pat, crm).asked == BY_MAIL


def test_nor_do_they_keep_an_invited_guest_from_the_mailed_link(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    for _ in range(8):
        at_code_page(b2b_idp, crm, PAT)
    assert pat.driver.walk(pat.redeem_url).finished


def test_a_browser_that_signed_in_by_mail_is_no_browser_that_passed_a_challenge(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.sign_in(pat, crm)
    with b2b_idp.idp.store.read() as r:
        row = r._c._connection.exec_driver_sql("SELECT browser FROM known_browsers").all()
        keys = {k for (k,) in r._c._connection.exec_driver_sql("SELECT browser FROM signins").all()}
    assert len(row) == 1 and row[0][0] not in keys


# --- again ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_fresh_sign_in_is_a_fresh_code_asked_once(b2b_idp, crm, asked):
    pat = b2b_idp.invite(PAT)
    first = b2b_idp.sign_in(pat, crm)
    with moved_on(minutes=5):
        again = b2b_idp.sign_in(pat, crm, **asked)
    assert (again.pages, again.asked) == (["email-code"], BY_MAIL)
    assert again.id_token["auth_time"] >= first.id_token["auth_time"] + 300


def test_a_fresh_sign_in_from_nothing_asks_one_code(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    assert b2b_idp.sign_in(pat, crm, prompt="login").asked == BY_MAIL


def test_a_sign_in_frequency_asks_a_fresh_code(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    frequency = {"isEnabled": True, "type": "hours", "value": 1, "frequencyInterval": "timeBased"}
    b2b_idp.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "hourly",
            "state": "enabled",
            "conditions": {
                "users": {"includeUsers": ["All"]},
                "applications": {"includeApplications": ["All"]},
                "clientAppTypes": ["all"],
            },
            "sessionControls": {"signInFrequency": frequency},
        },
    )
    b2b_idp.sign_in(pat, crm)
    with moved_on(minutes=30):
        assert b2b_idp.sign_in(pat, crm).asked == []
    with moved_on(minutes=90):
        assert b2b_idp.sign_in(pat, crm).asked == BY_MAIL


def test_no_session_and_no_refresh_family_outlives_the_code_by_a_day(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    signed_in = b2b_idp.sign_in(pat, crm)
    with moved_on(hours=23):
        assert b2b_idp.sign_in(pat, crm).asked == []
        tokens = refreshed(b2b_idp, crm, signed_in)
        assert "access_token" in tokens
    with moved_on(hours=24, minutes=1):
        assert b2b_idp.sign_in(pat, crm).asked == BY_MAIL
        answer = b2b_idp._token_request(
            (crm.client_id, crm.client_secret),
            {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        )
    assert answer["error"] == "invalid_grant"


def test_after_180_days_of_silence_the_address_opens_nothing(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.sign_in(pat, crm)
    with moved_on(days=179):
        assert b2b_idp.sign_in(pat, crm).id_token is not None
    with moved_on(days=179 + 181):
        refused = b2b_idp.sign_in(pat, crm)
        assert refused.error == "invitation_invalid"
        invitation = {
            "invitedUserEmailAddress": PAT,
            "inviteRedirectUrl": "https://app.example/",
            "invitedUser": {"id": pat.id},
            "resetRedemption": True,
        }
        b2b_idp.graph("POST", "/invitations", invitation)
        assert b2b_idp.sign_in(pat, crm).id_token["oid"] == pat.id


def test_the_bound_address_signs_in_whatever_mail_says(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.sign_in(pat, crm)
    b2b_idp.graph("PATCH", f"/users/{pat.id}", {"mail": "eve@gmail.example"})
    sent = len(mails(b2b_idp))
    at_code_page(b2b_idp, crm, "eve@gmail.example")
    assert len(mails(b2b_idp)) == sent
    walker, page = at_code_page(b2b_idp, crm, PAT)
    assert mails(b2b_idp)[-1][0] == PAT
    assert walker.submit(page, code=b2b_idp._mailed_code()).status in (0, 200)
    assert signins(b2b_idp)[0]["userId"] == pat.id


def test_a_pending_invitation_is_redeemed_by_the_invited_address_only(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.graph("PATCH", f"/users/{pat.id}", {"mail": "eve@gmail.example"})
    at_code_page(b2b_idp, crm, "eve@gmail.example")
    assert mails(b2b_idp) == []


# --- MFA on top -----------------------------------------------------------------------------------------------------


def test_a_code_never_meets_mfa_and_nothing_is_registered_on_it_alone(b2b_idp, vault):
    signed_in = b2b_idp.sign_in(b2b_idp.invite(PAT), vault)
    assert (signed_in.error, signed_in.asked) == ("registration_needs_proof", BY_MAIL)
    codes = [r.code for r in signed_in.decision.reasons]
    assert codes == ["partner_not_trusted", "registration_needs_proof"]


def test_the_sign_in_that_redeems_from_the_mailed_link_registers_the_first_factor(b2b_idp, vault):
    pat = b2b_idp.invite(PAT)
    assert pat.driver.walk(pat.redeem_url).pages == [
        "redeem",
        "email-code",
        "challenge-choose",
        "register-totp",
        "recovery-codes",
    ]
    claims = b2b_idp.sign_in(pat, vault).id_token
    assert (claims["amr"], claims["acr"]) == (["otp", "mfa"], "https://refeds.org/profile/mfa")
    with moved_on(days=2):
        again = b2b_idp.sign_in(pat, vault)
    assert again.asked == [*BY_MAIL, {"where": "here", "method": "totp"}]


def redeemed(kit):
    """A guest who redeemed from the mailed link, which led to no app that wants MFA; and one that does."""
    pat = kit.invite(PAT)
    assert pat.driver.walk(pat.redeem_url).pages == ["redeem", "email-code", "me"]
    return pat, kit.app("vault", requires="mfa")


def test_so_does_the_session_that_it_began_for_a_quarter_of_an_hour(b2b_idp):
    pat, vault = redeemed(b2b_idp)
    assert b2b_idp.sign_in(pat, vault).pages == ["challenge-choose", "register-totp", "recovery-codes", "consent"]


def test_but_not_later_nor_in_another_browser(b2b_idp):
    pat, vault = redeemed(b2b_idp)
    other = GuestDriver(browser(b2b_idp), b2b_idp._mailed_code)
    walk = other.walk(authorize(b2b_idp, vault, login_hint=PAT))
    assert walk.end.error == "registration_needs_proof"
    with moved_on(minutes=16):
        assert b2b_idp.sign_in(pat, vault).error == "registration_needs_proof"


def test_nor_from_a_link_that_was_used_before(b2b_idp):
    pat, vault = redeemed(b2b_idp)
    other = GuestDriver(browser(b2b_idp), b2b_idp._mailed_code)
    assert other.walk(pat.redeem_url).pages[0] == "home-realm"
    walk = other.walk(authorize(b2b_idp, vault, login_hint=PAT))
    assert walk.end.error == "registration_needs_proof"


def test_a_link_sent_to_another_proves_no_mailbox_of_who_opens_it(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example").provider.script(Account("ada", "ada@fabrikam.example", "Ada"), amr=("pwd",))
    ada, bob = b2b_idp.invite("ada@fabrikam.example"), b2b_idp.invite("bob@fabrikam.example")
    ada.driver.walk(ada.redeem_url)
    vault = b2b_idp.app("vault", requires="mfa")
    thief = GuestDriver(browser(b2b_idp), lambda: None)
    thief.walk(bob.redeem_url)
    assert thief.walk(authorize(b2b_idp, vault, login_hint="ada@fabrikam.example")).end.name == "email-code"


# --- whom the administrators let in ---------------------------------------------------------------------------------


def test_switched_off_it_blocks_those_who_redeemed_by_it(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    signed_in = b2b_idp.sign_in(pat, crm)
    b2b_idp.graph("PATCH", METHOD, {"allowExternalIdToUseEmailOtp": "disabled"})
    assert b2b_idp.sign_in(pat, crm).error == "home_disabled"
    assert refreshed(b2b_idp, crm, signed_in)["error"] == "invalid_grant"
    _, page = at_code_page(b2b_idp, crm, PAT)
    assert page.error == "no_home"
    assert pat.driver.walk(pat.redeem_url).end.error == "no_home"


def test_the_defaults_inbound_setting_holds_for_them(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    everybody = [{"target": "AllUsers", "targetType": "user"}]
    apps = [{"target": "AllApplications", "targetType": "application"}]
    blocked = {
        "usersAndGroups": {"accessType": "blocked", "targets": everybody},
        "applications": {"accessType": "blocked", "targets": apps},
    }
    b2b_idp.graph("PATCH", "/policies/crossTenantAccessPolicy/default", {"b2bCollaborationInbound": blocked})
    answers = {at_code_page(b2b_idp, crm, email)[1].error for email in (PAT, "nobody@gmail.example")}
    assert (answers, mails(b2b_idp)) == ({"inbound_blocked"}, [])
    assert pat.driver.walk(pat.redeem_url).end.error == "inbound_blocked"


def test_the_defaults_mfa_trust_does_not(b2b_idp, vault):
    trusting = {"inboundTrust": {"isMfaAccepted": True}, "b2bIdp": {"whenHomeCannot": "block"}}
    b2b_idp.graph("PATCH", "/policies/crossTenantAccessPolicy/default", trusting)
    signed_in = b2b_idp.sign_in(b2b_idp.invite(PAT), vault)
    assert signed_in.decision.reasons[0].code == "partner_not_trusted"


def test_for_conditional_access_they_are_b2b_collaboration_guests(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    for kind in ("otherExternalUser", "b2bCollaborationGuest"):
        b2b_idp.require_mfa(
            crm.client_id,
            includeGuestsOrExternalUsers={
                "guestOrExternalUserTypes": kind,
                "externalTenants": {
                    "@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants",
                    "membershipKind": "all",
                },
            },
        )
        signed_in = b2b_idp.sign_in(pat, crm)
        assert (signed_in.id_token is None) is (kind == "b2bCollaborationGuest")


def test_what_concerns_the_guest_is_said_after_the_code(b2b_idp, crm):
    pat = b2b_idp.invite(PAT)
    b2b_idp.graph("PATCH", f"/users/{pat.id}", {"accountEnabled": False})
    walker, page = at_code_page(b2b_idp, crm, PAT)
    assert page.name == "email-code"
    assert walker.submit(page, code=b2b_idp._mailed_code()).error == "guest_disabled"


# --- moving to a home -----------------------------------------------------------------------------------------------


def test_once_a_home_is_authoritative_the_guest_moves_there_by_its_word_and_a_code(b2b_idp, crm):
    ada = b2b_idp.invite("ada@fabrikam.example", department="Sales")
    before = b2b_idp.sign_in(ada, crm)
    home = b2b_idp.home_tenant("fabrikam.example")
    after = b2b_idp.sign_in(ada, crm)
    assert after.pages == ["email-code"]
    assert (after.id_token["oid"], after.id_token["sub"]) == (ada.id, before.id_token["sub"])
    assert (after.id_token["idp"], after.id_token["amr"]) == (home.provider.issuer, ["pwd"])
    assert user(b2b_idp, ada)["identities"][0]["issuer"] == home.provider.issuer
    assert refreshed(b2b_idp, crm, before)["error"] == "invalid_grant"
    audits = b2b_idp.graph("GET", "/auditLogs/directoryAudits?$top=3")["value"]
    assert "Move guest to a home tenant" in {a["activityDisplayName"] for a in audits}
    with b2b_idp.idp.store.read() as r:
        assert "signs in at Fabrikam now" in r.outbox.latest(1)[0].subject


@pytest.mark.parametrize("verified", [None, False])
def test_a_home_that_does_not_vouch_moves_nobody(b2b_idp, crm, verified):
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    home = b2b_idp.home_tenant("fabrikam.example")
    home.provider.script(Account("ada", "ada@fabrikam.example", "Ada"), email_verified=verified)
    walk = ada.driver.walk(authorize(b2b_idp, crm, login_hint="ada@fabrikam.example"))
    assert walk.end.error == "address_not_vouched"
    assert user(b2b_idp, ada)["identities"][0]["issuer"] == "mail"


def test_nor_does_a_home_that_is_not_authoritative(b2b_idp, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    litware = b2b_idp.home_tenant("litware.example")
    litware.provider.script(Account("ada", "ada@fabrikam.example", "Ada"))
    walk = GuestDriver(browser(b2b_idp), b2b_idp._mailed_code).walk(
        authorize(b2b_idp, crm, domain_hint="litware.example")
    )
    assert walk.end.error == "not_invited"


def test_a_session_and_tokens_by_mailed_code_end_when_the_domain_gets_a_home(b2b_idp, crm):
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, crm)
    b2b_idp.home_tenant("fabrikam.example")
    assert refreshed(b2b_idp, crm, signed_in)["error"] == "invalid_grant"
    walk = ada.driver.walk(authorize(b2b_idp, crm))
    assert walk.end.name == "home-realm"


def test_a_sign_in_under_way_is_told_to_start_again(b2b_idp, crm):
    b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), crm)
    walker, page = at_code_page(b2b_idp, crm, "ada@fabrikam.example")
    code = b2b_idp._mailed_code()
    b2b_idp.home_tenant("fabrikam.example")
    assert walker.submit(page, code=code).error == "login_required"


def test_moving_keeps_a_local_factor_so_that_home_and_mailbox_in_one_hand_do_not_get_past_it(b2b_idp, vault):
    ada = b2b_idp.invite("ada@fabrikam.example")
    ada.driver.walk(ada.redeem_url)
    assert b2b_idp.sign_in(ada, vault).id_token is not None
    b2b_idp.home_tenant("fabrikam.example")
    after = b2b_idp.sign_in(ada, vault)
    assert after.pages == ["email-code", "challenge-totp"]
    thief = GuestDriver(browser(b2b_idp), b2b_idp._mailed_code)
    assert thief.walk(authorize(b2b_idp, vault, login_hint="ada@fabrikam.example")).end.name == "challenge-totp"


def test_a_guest_of_a_home_that_lost_the_domain_is_not_taken_over_by_a_code(b2b_idp, crm):
    home = b2b_idp.home_tenant("fabrikam.example")
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, crm)
    b2b_idp.graph("DELETE", f"/identity/identityProviders/{home.tenant_id}")
    other = GuestDriver(browser(b2b_idp), b2b_idp._mailed_code)
    assert other.walk(authorize(b2b_idp, crm, login_hint="ada@fabrikam.example")).end.name == "email-code"
    assert mails(b2b_idp) == []
