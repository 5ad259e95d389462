"""Passkeys on the way of a sign-in: who may register one and on what proof, which is asked for, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from b2b_idp.model.evidence import Evidence, LocalFactor, LocalMethod
from b2b_idp.signin.facts import evidence_from_json, evidence_to_json
from b2b_idp.store.factors import TotpFactor
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.passkey import SoftwarePasskey

MFA, PHISHING_RESISTANT = "00000000-0000-0000-0000-000000000002", "00000000-0000-0000-0000-000000000004"


@pytest.fixture
def northwind(b2b_idp):
    return b2b_idp.home_tenant("northwind.example")


@pytest.fixture
def nora(b2b_idp, northwind):
    return b2b_idp.invite("nora@northwind.example")


def strong_app(kit, strength=PHISHING_RESISTANT):
    """An app that wants an authentication strength."""
    app = kit.app("payroll")
    kit.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "Strong",
            "state": "enabled",
            "conditions": {
                "users": {"includeUsers": ["GuestsOrExternalUsers"]},
                "applications": {"includeApplications": [app.client_id]},
                "clientAppTypes": ["all"],
            },
            "grantControls": {"operator": "OR", "authenticationStrength": {"id": strength}},
        },
    )
    return app


def with_passkey(kit, guest, app):
    """The guest has registered a passkey; it is not in their hand until a test puts it there."""
    signed_in = kit.sign_in(guest, app, passkey=SoftwarePasskey())
    assert signed_in.id_token is not None
    passkey, guest.driver.passkey = guest.driver.passkey, None
    return passkey


def methods(kit, guest):
    with kit.idp.store.read() as r:
        return r.factors.methods(guest.id)


class Waiting(GuestDriver):
    """A guest who leaves the page `name` unanswered."""

    def __init__(self, driver, name):
        vars(self).update(vars(driver))
        self.name, self.reached = name, None

    def _answer(self, page, walk):
        if page.name != self.name:
            return super()._answer(page, walk)
        self.reached = page
        return None


def at_page(kit, guest, app, name):
    """The guest's browser, and the page `name` of a fresh sign-in in it, which nobody answered."""
    waiting = Waiting(guest.driver, name)
    kit.sign_in(replace(guest, driver=waiting), app, prompt="login")
    assert waiting.reached is not None
    return guest.driver._walker, waiting.reached


def origin(kit):
    return kit.issuer.removesuffix("/idp")


def codes(signed_in):
    return [r.code for r in signed_in.decision.reasons]


def here(*names):
    return [{"where": "here", "method": m} for m in names]


# --- choosing and registering ----------------------------------------------------------------------------------------


def test_who_has_nothing_yet_chooses_what_to_set_up_and_an_authenticator_app_comes_first(b2b_idp, nora):
    signed_in = b2b_idp.sign_in(nora, b2b_idp.app("crm", requires="mfa"))
    way = ["redeem", "email-code", "challenge-choose", "register-totp", "recovery-codes", "consent"]
    assert signed_in.pages == way
    assert methods(b2b_idp, nora) == {LocalMethod.TOTP, LocalMethod.RECOVERY_CODE}


def test_a_guest_sets_up_a_passkey_and_uses_it_afterwards(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    first = b2b_idp.sign_in(nora, app, passkey=SoftwarePasskey())
    way = ["redeem", "email-code", "challenge-choose", "register-passkey", "recovery-codes", "consent"]
    assert (first.pages, first.asked) == (way, here("passkey"))
    later = b2b_idp.sign_in(nora, app, prompt="login")
    assert (later.pages, later.asked) == (["challenge-passkey"], here("passkey"))
    assert codes(later) == ["partner_not_trusted", "local_mfa_accepted"]
    assert (later.id_token["amr"], later.id_token["acr"]) == (["pwd", "hwk", "user", "mfa"], "phr")


def test_setting_up_a_passkey_is_audited_and_mailed_to_the_guest(b2b_idp, nora):
    with_passkey(b2b_idp, nora, b2b_idp.app("crm", requires="mfa"))
    audits = b2b_idp.graph("GET", "/auditLogs/directoryAudits?$top=50")["value"]
    [entry] = [a for a in audits if a["activityDisplayName"] == "User registered security info"]
    assert (entry["resultReason"], entry["initiatedBy"]["user"]["id"]) == ("passkey", nora.id)
    with b2b_idp.idp.store.read() as r:
        [letter] = [x for x in r.outbox.latest(9) if x.subject.startswith("A passkey was set up")]
    assert letter.recipient == "nora@northwind.example"


def test_another_way_leads_from_setting_up_one_to_the_choice(b2b_idp, nora, northwind):
    app = b2b_idp.app("crm", requires="mfa")
    walker, page = at_page(b2b_idp, nora, app, "challenge-choose")
    assert [f.fields["method"] for f in page.forms] == ["totp", "passkey"]
    page = walker.submit(page, 1)
    assert page.name == "register-passkey"
    page = walker.submit(page, 1, 0)
    assert page.name == "challenge-choose"
    page = walker.submit(page, method="email")
    assert (page.name, "Please choose one of these." in page.text) == ("challenge-choose", True)
    assert walker.submit(page).name == "register-totp"


def test_who_has_both_is_asked_for_the_passkey_and_may_take_the_app(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    b2b_idp.sign_in(nora, app)
    strong = strong_app(b2b_idp)
    with_passkey(b2b_idp, nora, strong)
    signed_in = b2b_idp.sign_in(nora, app, prompt="login")
    assert signed_in.pages == ["challenge-passkey", "challenge-choose", "challenge-totp"]
    assert signed_in.id_token["acr"] == "https://refeds.org/profile/mfa"


def test_the_choice_offers_the_app_first_then_the_passkey_then_recovery_codes(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    b2b_idp.sign_in(nora, app)
    with_passkey(b2b_idp, nora, strong_app(b2b_idp))
    walker, page = at_page(b2b_idp, nora, app, "challenge-choose")
    assert [f.fields["method"] for f in page.forms] == ["totp", "passkey", "recovery_code"]
    page = walker.submit(page)
    assert page.name == "challenge-totp"
    assert walker.submit(walker.submit(page, 1, 0), 1).name == "challenge-passkey"


def test_a_recovery_code_stands_in_for_a_lost_passkey(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    with_passkey(b2b_idp, nora, app)
    walker, page = at_page(b2b_idp, nora, app, "challenge-choose")
    page = walker.submit(page, 1)
    assert page.name == "challenge-recovery"
    assert walker.submit(page, code="0000-0000-0000-0000").name == "challenge-recovery"
    assert walker.submit(page, 1, 0).name == "challenge-choose"


# --- phishing-resistant apps -----------------------------------------------------------------------------------------


def test_at_an_app_that_wants_phishing_resistance_nothing_but_a_passkey_is_set_up(b2b_idp, nora):
    signed_in = b2b_idp.sign_in(nora, strong_app(b2b_idp), passkey=SoftwarePasskey())
    assert "challenge-choose" not in signed_in.pages
    assert codes(signed_in)[-1] == "combined_strength_accepted"
    assert signed_in.id_token["acr"] == "phr"


def test_who_has_an_authenticator_app_passes_it_and_then_sets_up_the_passkey(b2b_idp, nora):
    b2b_idp.sign_in(nora, b2b_idp.app("crm", requires="mfa"))
    signed_in = b2b_idp.sign_in(nora, strong_app(b2b_idp), passkey=SoftwarePasskey(), prompt="login")
    assert signed_in.pages == ["challenge-totp", "register-passkey", "consent"]
    assert signed_in.id_token["amr"] == ["pwd", "otp", "hwk", "user", "mfa"]


def test_a_session_that_holds_mfa_sets_up_the_passkey_at_once(b2b_idp, nora):
    assert b2b_idp.sign_in(nora, b2b_idp.app("crm", requires="mfa")).id_token is not None
    signed_in = b2b_idp.sign_in(nora, strong_app(b2b_idp), passkey=SoftwarePasskey())
    assert signed_in.pages == ["register-passkey", "consent"]


def test_accepted_mfa_of_a_trusted_home_is_proof_enough_to_set_up_a_passkey(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, strong_app(b2b_idp), amr=["pwd", "mfa"], passkey=SoftwarePasskey())
    assert signed_in.pages == ["redeem", "register-passkey", "recovery-codes", "consent"]


def test_n_097_who_has_a_factor_here_gets_no_mailed_code_to_set_up_another_with(b2b_idp, nora):
    b2b_idp.sign_in(nora, b2b_idp.app("crm", requires="mfa"))
    nora.driver.authenticator = None  # a thief of the first factor, even one who reads the mail
    signed_in = b2b_idp.sign_in(nora, strong_app(b2b_idp), passkey=SoftwarePasskey(), prompt="login")
    assert (signed_in.id_token, signed_in.pages) == (None, ["challenge-totp"])
    assert LocalMethod.PASSKEY not in methods(b2b_idp, nora)


def test_n_097_a_page_opened_before_the_guest_had_a_factor_registers_none_after(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    thief = nora.driver.passkey = SoftwarePasskey()
    walker, page = at_page(b2b_idp, nora, app, "register-passkey")
    with b2b_idp.idp.store.write() as w:
        w.factors.add_totp(TotpFactor("3f0c0d7e-5b0d-4c55-9b0e-0d5a4ad0a001", nora.id, b"s" * 20, 0, datetime.now(UTC)))
    answer = thief.create(page.passkey_options, origin(b2b_idp))
    assert walker.submit(page, credential=answer).name == "challenge-totp"
    assert methods(b2b_idp, nora) == {LocalMethod.TOTP}


def test_who_cannot_prove_the_factor_they_have_is_told_the_way_forward(b2b_idp, nora):
    b2b_idp.sign_in(nora, b2b_idp.app("crm", requires="mfa"))
    stale = int(datetime.now(UTC).timestamp()) - 3600
    signed_in = b2b_idp.sign_in(nora, strong_app(b2b_idp), auth_time=stale, max_age="60", prompt="login")
    assert (signed_in.id_token, signed_in.error) == (None, "registration_needs_proof")


def test_a_decision_without_a_sign_in_names_the_passkey(b2b_idp, northwind, nora):
    answer = b2b_idp.evaluate(nora, strong_app(b2b_idp), northwind, amr=["pwd"])
    assert (answer["outcome"], answer["challenges"]) == ("askHere", ["passkey"])


def test_a_refresh_stands_on_the_passkey_of_its_sign_in(b2b_idp, nora):
    app = strong_app(b2b_idp)
    signed_in = b2b_idp.sign_in(nora, app, passkey=SoftwarePasskey())
    form = {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]}
    again = b2b_idp._token_request((app.client_id, app.client_secret), form)
    assert b2b_idp.verify(again["id_token"], app.client_id)["acr"] == "phr"


# --- refused answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "say",
    [
        pytest.param({"client_data": {"origin": "https://evil.example"}}, id="N-095-origin"),
        pytest.param({"rp_id": "evil.example"}, id="N-095-rp-id"),
        pytest.param({"user_verified": False}, id="N-095-no-user-verification"),
        pytest.param({"client_data": {"crossOrigin": True}}, id="N-095-cross-origin"),
        pytest.param({"client_data": {"challenge": "AAAA"}}, id="N-095-challenge"),
    ],
)
def test_n_095_a_wrong_assertion_shows_the_page_again_and_yields_no_code(b2b_idp, nora, say):
    app = b2b_idp.app("crm", requires="mfa")
    passkey = with_passkey(b2b_idp, nora, app)
    for name, value in say.items():
        setattr(passkey, name, value)
    refused = b2b_idp.sign_in(nora, app, passkey=passkey, prompt="login")
    assert (refused.id_token, refused.error) == (None, "challenge-passkey")
    assert refused.pages == ["challenge-passkey", "challenge-passkey"]


def test_n_095_each_answer_has_a_challenge_of_its_own(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    passkey = with_passkey(b2b_idp, nora, app)
    walker, page = at_page(b2b_idp, nora, app, "challenge-passkey")
    answer = passkey.get(page.passkey_options, origin(b2b_idp))
    again = walker.submit(page, credential="{}")
    assert json.loads(again.passkey_options)["challenge"] != json.loads(page.passkey_options)["challenge"]
    assert walker.submit(again, credential=answer).name == "challenge-passkey"
    assert walker.get(page.url).passkey_options != again.passkey_options


def test_n_096_a_copied_passkey_is_refused_and_audited(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    passkey = with_passkey(b2b_idp, nora, app)
    b2b_idp.sign_in(nora, app, passkey=passkey, prompt="login")
    passkey.sign_count = 0
    assert b2b_idp.sign_in(nora, app, prompt="login").id_token is None
    audits = b2b_idp.graph("GET", "/auditLogs/directoryAudits?$top=50")["value"]
    [entry] = [a for a in audits if a["activityDisplayName"] == "Passkey refused"]
    assert (entry["result"], entry["initiatedBy"]["user"]["id"]) == ("failure", nora.id)
    assert "sign count" in entry["resultReason"]


def test_wrong_assertions_are_slowed_down_as_wrong_codes_are(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    with_passkey(b2b_idp, nora, app)
    walker, page = at_page(b2b_idp, nora, app, "challenge-passkey")
    for _ in range(6):
        page = walker.submit(page, credential="{}")
    assert "Too many" in page.text


@pytest.mark.parametrize("registering", [False, True])
@pytest.mark.parametrize(
    "answer",
    ["", "null", "[]", "{", '{"id":1}', "[" * 10_000, "[" + "1," * 10_000 + "1]", "\x00", "ä" * 5000],
)
def test_forged_answers_are_refused_in_plain_words(b2b_idp, nora, registering, answer):
    app = b2b_idp.app("crm", requires="mfa")
    if not registering:
        with_passkey(b2b_idp, nora, app)
    nora.driver.passkey = SoftwarePasskey()
    name = "register-passkey" if registering else "challenge-passkey"
    walker, page = at_page(b2b_idp, nora, app, name)
    refused = walker.submit(page, credential=answer, name="n" * 5000)
    assert (refused.status, refused.name) == (200, name)
    assert 'role="alert"><p class="error">' in refused.text


def test_a_form_too_large_is_refused_before_it_is_read(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    with_passkey(b2b_idp, nora, app)
    walker, page = at_page(b2b_idp, nora, app, "challenge-passkey")
    assert walker.submit(page, credential="A" * 70_000).status == 413


def test_n_133_an_answer_without_the_pages_token_does_nothing(b2b_idp, nora):
    app = b2b_idp.app("crm", requires="mfa")
    passkey = with_passkey(b2b_idp, nora, app)
    walker, page = at_page(b2b_idp, nora, app, "challenge-passkey")
    form = {"credential": passkey.get(page.passkey_options, origin(b2b_idp))}
    cookies = "; ".join(f"{k}={v}" for k, v in walker.cookies(page.url).items())
    headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
    assert b2b_idp._transport()("POST", page.url, headers, urlencode(form).encode())[0] == 403


def test_evidence_remembers_the_make_of_the_authenticator_and_reads_what_was_kept_without():
    here = LocalFactor(LocalMethod.PASSKEY, datetime(2026, 6, 1, tzinfo=UTC), "adce0002-35bc-c60a-648b-0b25f1f05503")
    kept = evidence_to_json(Evidence((), (here,)))
    assert evidence_from_json(kept).local == (here,)
    del kept["local"][0]["aaguid"]
    assert evidence_from_json(kept).local == (replace(here, aaguid=None),)
