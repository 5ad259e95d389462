"""The person's security page: what is set up here, and changes to it with young MFA only."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time
from person import Person, audits, mails, token_of, user_of

from b2b_idp.model.evidence import LocalMethod
from b2b_idp.store.tables import passkeys
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker

SECURITY = "/me/security"
ADDRESS = "nora@northwind.example"
CHANGES = ("add", "remove", "rename", "codes", "sessions")


@pytest.fixture
def northwind(b2b_idp):
    """A home tenant that is not trusted for MFA."""
    return b2b_idp.home_tenant("northwind.example")


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("CRM", requires="mfa")


@pytest.fixture
def nora(b2b_idp, northwind, crm):
    """A guest who has set up an authenticator a while ago, and signed in with it since."""
    return Person(b2b_idp, b2b_idp.invite(ADDRESS, display_name="Nora North"), crm)


@contextmanager
def later(**time):
    with freeze_time(datetime.now(UTC) + timedelta(**time), tick=True) as clock:
        yield clock


def registered(kit, id):
    with kit.idp.store.read() as r:
        return r.factors.registered(id)


def codes_left(kit, id):
    with kit.idp.store.read() as r:
        return r.factors.recovery_codes_left(id)


def change(person, kind, **fields):
    """Sends a change as somebody does who knows the token of the own page."""
    return person.post(f"{SECURITY}/{kind}", csrf=token_of(person.look(SECURITY)), **fields)


# --- what it shows --------------------------------------------------------------------------------------------------


def test_the_own_page_leads_to_it(nora):
    page = nora.look()
    assert [link for link in page.links if link.endswith(SECURITY)]


def test_it_shows_what_is_set_up_when_and_when_it_was_used_last_and_the_codes_left(nora, crm, b2b_idp):
    page = nora.look(SECURITY)
    assert (page.status, page.name) == (200, "me-security")
    for said in ("Authenticator app", "Added", "not yet", "10 are left"):
        assert said in page.text
    with later(hours=1):
        b2b_idp.sign_in(nora.guest, crm, prompt="login")
        page = nora.look(SECURITY)
    assert "not yet" not in page.text
    assert registered(b2b_idp, nora.id)[0].last_used_at is not None


def test_it_never_shows_codes_or_secrets_again(nora, b2b_idp):
    page = nora.look(SECURITY)
    assert nora.guest.driver.authenticator.secret not in page.text
    assert "otpauth:" not in page.text


def test_nobody_signed_in_is_told_so(b2b_idp):
    for path in (SECURITY, f"{SECURITY}/{uuid.uuid4()}"):
        page = Walker(b2b_idp._transport()).get(b2b_idp.issuer + path)
        assert (page.status, page.error) == (400, "login_required")


# --- with young MFA, at once ----------------------------------------------------------------------------------------


def test_with_young_mfa_another_authenticator_is_set_up_without_a_challenge(nora, b2b_idp):
    page = nora.press(nora.look(SECURITY), "/add")
    assert (page.name, nora.asked.pages) == ("me-security", ["challenge-choose", "register-totp", "me-security"])
    assert "You can use it from now on." in page.text
    assert len(registered(b2b_idp, nora.id)) == 2
    assert codes_left(b2b_idp, nora.id) == 10
    assert [a["resultReason"] for a in audits(b2b_idp, "User registered security info")] == ["totp", "totp"]
    assert sum("set up" in m for m in mails(b2b_idp, ADDRESS)) == 2


def test_one_of_two_is_removed_and_codes_stay(nora, b2b_idp):
    old, _ = nora.press(nora.look(SECURITY), "/add") and registered(b2b_idp, nora.id)
    page = nora.press(nora.look(f"{SECURITY}/{old.id}"), "/remove")
    assert (page.name, nora.asked.challenges) == ("me-security", [])
    assert old.id not in [f.id for f in registered(b2b_idp, nora.id)]
    assert codes_left(b2b_idp, nora.id) == 10
    [entry] = audits(b2b_idp, "User deleted security info")
    assert entry["resultReason"] == f"totp {old.id}"
    assert "An authenticator app was removed" in mails(b2b_idp, ADDRESS)[0]


def test_the_last_one_takes_recovery_codes_and_other_sessions_with_it(nora, b2b_idp, crm):
    elsewhere = b2b_idp._driver()
    elsewhere.authenticator, elsewhere.last_step = nora.guest.driver.authenticator, nora.guest.driver.last_step
    other = Person(b2b_idp, type(nora.guest)(nora.id, ADDRESS, "", elsewhere), b2b_idp.app("Wiki"))
    [factor] = registered(b2b_idp, nora.id)
    page = nora.look(f"{SECURITY}/{factor.id}")
    assert "your recovery codes go with it" in page.text
    page = nora.press(page, "/remove")
    assert page.name == "me-security"
    assert registered(b2b_idp, nora.id) == []
    assert codes_left(b2b_idp, nora.id) == 0
    assert other.look().error == "login_required"


def test_fresh_recovery_codes_are_shown_once_and_the_old_ones_are_good_no_more(nora, b2b_idp):
    page = nora.walker.submit(nora.look(SECURITY), nora.form(nora.look(SECURITY), "/codes"))
    assert page.name == "recovery-codes"
    assert nora.walker.get(page.url).text == page.text
    page = nora.through(page)
    assert page.name == "me-security"
    assert codes_left(b2b_idp, nora.id) == 10
    [_] = audits(b2b_idp, "User drew recovery codes")
    assert "A new list of recovery codes was drawn" in mails(b2b_idp, ADDRESS)[0]


def test_all_other_sessions_end_with_their_grants_and_this_one_stays(nora, b2b_idp, crm):
    elsewhere = b2b_idp._driver()
    elsewhere.authenticator, elsewhere.last_step = nora.guest.driver.authenticator, nora.guest.driver.last_step
    wiki = b2b_idp.app("Wiki")
    there = type(nora.guest)(nora.id, ADDRESS, "", elsewhere)
    tokens = b2b_idp.sign_in(there, wiki).tokens
    page = nora.press(nora.look(SECURITY), "/sessions")
    assert "in this browser only" in page.text
    assert nora.look().name == "me"
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    answer = b2b_idp._token_request((wiki.client_id, wiki.client_secret), refresh)
    assert answer["error"] == "invalid_grant"
    assert elsewhere._walker.get(b2b_idp.issuer + "/me").error == "login_required"
    [_] = audits(b2b_idp, "User ended other sessions")


@pytest.fixture
def passkey(b2b_idp, nora):
    """The id of a passkey that Nora has as well."""
    id, at = str(uuid.uuid4()), b2b_idp.idp.moment().at
    row = {"id": id, "user_id": nora.id, "credential_id": b"1", "public_key": b"2", "sign_count": 0, "aaguid": id}
    with b2b_idp.idp.store.write() as w:
        w.factors._c.execute(
            passkeys.insert(), row | {"name": "Old", "transports": [], "backed_up": False, "created_at": at}
        )
    return id


def test_a_passkey_is_listed_by_its_name_and_renamed(nora, b2b_idp, passkey):
    page = nora.walker.submit(
        nora.look(f"{SECURITY}/{passkey}"), nora.form(nora.look(f"{SECURITY}/{passkey}"), "/rename"), name="  My  key "
    )
    assert "My key" in page.text
    assert [f.name for f in registered(b2b_idp, nora.id)] == [None, "My key"]
    [_] = audits(b2b_idp, "User renamed security info")
    assert "was given another name" in mails(b2b_idp, ADDRESS)[0]


@pytest.mark.parametrize("name", ["", "   ", "\u202eevil", "\0"])
def test_a_name_can_be_read(nora, b2b_idp, passkey, name):
    assert change(nora, "rename", factor=passkey, name=name).status_code == 400
    assert registered(b2b_idp, nora.id)[1].name == "Old"


def test_with_a_passkey_left_recovery_codes_stay(nora, b2b_idp, passkey):
    [authenticator, _] = registered(b2b_idp, nora.id)
    nora.press(nora.look(f"{SECURITY}/{authenticator.id}"), "/remove")
    assert [f.id for f in registered(b2b_idp, nora.id)] == [passkey]
    assert codes_left(b2b_idp, nora.id) == 10


# --- without, after a challenge -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["add", "codes", "sessions"])
def test_mfa_of_a_quarter_of_an_hour_ago_is_asked_for_again_first(nora, b2b_idp, northwind, kind):
    with later(minutes=16):
        page = nora.press(nora.look(SECURITY), f"/{kind}")
        assert (page.name, nora.asked.pages[0]) == ("me-security", "challenge-totp")


def test_the_challenge_stands_before_removing_too(nora, b2b_idp):
    [factor] = registered(b2b_idp, nora.id)
    with later(minutes=16):
        page = nora.look(f"{SECURITY}/{factor.id}")
        page = nora.walker.submit(page, nora.form(page, "/remove"))
        assert page.name == "challenge-totp"
        assert registered(b2b_idp, nora.id) == [factor]
        assert nora.through(page).name == "me-security"
    assert registered(b2b_idp, nora.id) == []


def test_a_recovery_code_passes_the_challenge_when_the_phone_is_lost(nora, b2b_idp, crm):
    page = nora.walker.submit(nora.look(SECURITY), nora.form(nora.look(SECURITY), "/codes"))
    code = page.text.partition("<code>")[2].partition("</code>")[0]
    nora.through(page)
    [factor] = registered(b2b_idp, nora.id)
    with later(minutes=20):
        page = nora.look(f"{SECURITY}/{factor.id}")
        page = nora.walker.submit(page, nora.form(page, "/remove"))
        page = nora.walker.submit(page, 1, 0)
        assert page.name == "challenge-recovery"
        assert nora.walker.submit(page, code=code).name == "me-security"
    assert registered(b2b_idp, nora.id) == []


def test_who_has_nothing_here_proves_the_address_by_mail_first(b2b_idp, northwind):
    wiki = b2b_idp.app("Wiki")
    olga = Person(b2b_idp, b2b_idp.invite("olga@northwind.example"), wiki)
    with later(minutes=16):
        page = olga.press(olga.look(SECURITY), "/add")
    assert (page.name, olga.asked.pages) == (
        "me-security",
        ["email-code", "challenge-choose", "register-totp", "recovery-codes", "me-security"],
    )
    assert len(registered(b2b_idp, olga.id)) == 1


def test_mfa_at_a_trusted_home_counts_and_is_asked_for_there(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    ada = Person(b2b_idp, b2b_idp.invite("ada@fabrikam.example"), b2b_idp.app("Wiki"))
    home.provider.script(
        Account("fabrikam.example-ada@fabrikam.example", "ada@fabrikam.example", "Ada"),
        amr=["pwd"],
        step_up=["pwd", "mfa"],
    )
    page = ada.press(ada.look(SECURITY), "/add")
    assert len(home.provider.asked) == 1
    assert ada.asked.pages == ["challenge-choose", "register-totp", "recovery-codes", "me-security"]
    assert page.name == "me-security"
    assert len(registered(b2b_idp, ada.id)) == 1


def test_a_home_that_is_not_trusted_proves_nothing_by_saying_mfa(nora, b2b_idp, northwind, crm):
    with later(hours=1):
        assert b2b_idp.sign_in(nora.guest, b2b_idp.app("Wiki"), amr=["pwd", "mfa"], prompt="login").id_token
        nora.press(nora.look(SECURITY), "/sessions")
    assert nora.asked.pages == ["challenge-totp", "me-security"]


def test_a_partner_that_lets_guests_into_one_app_only_leaves_them_their_security_page(b2b_idp, northwind, nora, crm):
    targets = {"accessType": "allowed", "targets": [{"target": crm.client_id, "targetType": "application"}]}
    b2b_idp.graph(
        "PATCH",
        f"/policies/crossTenantAccessPolicy/partners/{northwind.tenant_id}",
        {"b2bCollaborationInbound": {"applications": targets}},
    )
    assert nora.press(nora.look(SECURITY), "/sessions").name == "me-security"


# --- who may not ----------------------------------------------------------------------------------------------------


def thief_of(kit, northwind, app):
    """Somebody who holds Nora's first factor, and nothing else of hers."""
    driver = kit._driver()
    northwind.provider.script(Account(f"northwind.example-{ADDRESS}", ADDRESS, "Nora"), amr=["pwd"])
    page = driver._walker.get(kit.issuer + "/authorize?" + query_of(app))
    assert page.status == 0
    return driver._walker


def query_of(app):
    return (
        f"client_id={app.client_id}&redirect_uri=https://app.example/callback&response_type=code&scope=openid"
        f"&nonce=n&code_challenge={'x' * 43}&code_challenge_method=S256&login_hint={ADDRESS}&prompt=login"
    )


@pytest.mark.parametrize("kind", CHANGES)
def test_n_097_the_first_factor_alone_changes_nothing(nora, b2b_idp, northwind, kind):
    before = registered(b2b_idp, nora.id), mails(b2b_idp, ADDRESS)
    wiki = b2b_idp.app("Wiki")
    b2b_idp.graph("POST", f"/users/{nora.id}/revokeSignInSessions")
    thief = thief_of(b2b_idp, northwind, wiki) if not _consents(b2b_idp, nora, wiki) else None
    page = thief.get(b2b_idp.issuer + SECURITY)
    assert page.name == "me-security"
    answer = _posted(b2b_idp, thief, f"{SECURITY}/{kind}", csrf=token_of(page), factor=before[0][0].id, name="Mine")
    if kind == "rename":  # an authenticator has no name
        assert answer.status_code == 400
    else:
        page = thief.get(answer.headers["Location"])
        assert page.name == "challenge-totp"
        assert thief.submit(page, code="000000").name == "challenge-totp"
    assert (registered(b2b_idp, nora.id), mails(b2b_idp, ADDRESS)) == before
    assert codes_left(b2b_idp, nora.id) == 10


def _consents(kit, person, app):
    """Has the person consent to the app beforehand, so that nothing stands in a thief's way but factors."""
    with kit.idp.store.write() as w:
        w.grants.consent(person.id, app.client_id, frozenset({"openid"}), kit.idp.moment().at)


def _posted(kit, walker, path, **fields):
    cookies = "; ".join(f"{k}={v}" for k, v in walker.cookies(kit.issuer).items())
    client = kit.flask.test_client(use_cookies=False)
    return client.post("/idp" + path, data=fields, headers={"Cookie": cookies})


def test_n_097_skipping_the_challenge_does_not_end_the_sign_in(nora, b2b_idp):
    with later(minutes=16):
        page = nora.walker.submit(nora.look(SECURITY), nora.form(nora.look(SECURITY), "/codes"))
        assert page.name == "challenge-totp"
        resumed = nora.walker.get(page.url.replace("/signin/", "/resume/"))
    assert resumed.name == "challenge-totp"
    assert audits(b2b_idp, "User drew recovery codes") == []


def test_another_person_at_home_changes_nothing_of_either(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)
    wiki = b2b_idp.app("Wiki")
    ben = Person(b2b_idp, b2b_idp.invite("ben@fabrikam.example"), wiki)
    ada = Person(b2b_idp, b2b_idp.invite("ada@fabrikam.example"), wiki)
    home.provider.script(
        Account("fabrikam.example-ben@fabrikam.example", "ben@fabrikam.example", "Ben"), amr=["pwd", "mfa"]
    )
    page = ada.press(ada.look(SECURITY), "/add")
    assert (page.name, page.error) == ("error", "login_required")
    assert registered(b2b_idp, ada.id) == registered(b2b_idp, ben.id) == []


@pytest.mark.parametrize("kind", ["remove", "rename"])
@pytest.mark.parametrize("whose", ["another's", "unknown", "nonsense"])
def test_nobody_changes_what_is_not_theirs(nora, b2b_idp, crm, kind, whose):
    olga = Person(b2b_idp, b2b_idp.invite("olga@northwind.example"), crm)
    [hers] = registered(b2b_idp, olga.id)
    id = {"another's": hers.id, "unknown": str(uuid.uuid4()), "nonsense": "\0'--"}[whose]
    assert change(nora, kind, factor=id, name="Mine").status_code == 404
    if whose != "nonsense":
        assert nora.look(f"{SECURITY}/{id}").status == 404
    assert registered(b2b_idp, olga.id) == [hers]


@pytest.mark.parametrize("kind", CHANGES)
def test_a_forged_form_changes_nothing(nora, b2b_idp, kind):
    [factor] = registered(b2b_idp, nora.id)
    csrf = token_of(nora.look(SECURITY))
    path = f"{SECURITY}/{kind}"
    assert nora.post(path, csrf="x", factor=factor.id).status_code == 403
    assert nora.post(path, csrf=csrf, factor=factor.id, origin="https://evil.example").status_code == 403
    assert nora.walker.get(f"{nora.kit.issuer}{path}").status in (404, 405)
    assert registered(b2b_idp, nora.id) == [factor]


def test_recovery_codes_are_drawn_only_beside_what_they_stand_in_for(b2b_idp, northwind):
    olga = Person(b2b_idp, b2b_idp.invite("olga@northwind.example"), b2b_idp.app("Wiki"))
    assert "Get a new list" not in olga.look(SECURITY).text
    assert change(olga, "codes").status_code == 400
    with b2b_idp.idp.store.read() as r:
        assert LocalMethod.RECOVERY_CODE not in r.factors.methods(olga.id)


def test_a_disabled_guest_changes_nothing(nora, b2b_idp):
    csrf = token_of(nora.look(SECURITY))
    b2b_idp.graph("PATCH", f"/users/{nora.id}", {"accountEnabled": False})
    assert nora.post(f"{SECURITY}/add", csrf=csrf).status_code == 400
    assert not user_of(b2b_idp, nora.id).account_enabled
