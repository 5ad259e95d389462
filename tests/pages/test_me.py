"""The person's own page: who they are here, what they undo themselves, the guests they answer for."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlencode

import pytest
from freezegun import freeze_time
from person import Person, audits, mails, save, sponsor, token_of, user_of

from b2b_idp.guests.roles import GLOBAL_ADMINISTRATOR
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker

HOSTILE = "<img src=x onerror=alert(1)>"
ELSEWHERE = "https://elsewhere.example/start?a=1"


@pytest.fixture
def fabrikam(b2b_idp):
    return b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)


@pytest.fixture
def crm(b2b_idp):
    return b2b_idp.app("CRM")


@pytest.fixture
def ada(b2b_idp, fabrikam, crm):
    return Person(b2b_idp, b2b_idp.invite("ada@fabrikam.example", display_name="Ada Alder"), crm)


@pytest.fixture
def ben(b2b_idp, fabrikam):
    """A guest who has not redeemed yet."""
    return b2b_idp.invite("ben@fabrikam.example", display_name="Ben Birch")


# --- what it shows --------------------------------------------------------------------------------------------------


def test_the_page_says_who_one_is_here_and_who_invited(ada):
    page = ada.look()
    assert (page.status, page.name) == (200, "me")
    for said in ("Ada Alder", "ada@fabrikam.example", "at <bdi>Fabrikam</bdi>", "Invited by", "Here since", "CRM"):
        assert said in page.text


def test_an_inviting_person_is_named(ada, b2b_idp, ben, crm):
    with b2b_idp.idp.store.write() as w:
        invitation = w.invitations.latest(ben.id)
        again = replace(
            invitation, id=str(uuid.uuid4()), invited_by=ada.id, created_at=datetime(2100, 1, 1, tzinfo=UTC)
        )
        w.invitations.add(again)
    assert "<dd><bdi>Ada Alder</bdi></dd>" in Person(b2b_idp, ben, crm).look().text


def test_an_account_that_ends_says_when(ada, b2b_idp):
    assert "Account ends" not in ada.look().text
    save(b2b_idp, ada.id, expires_at=datetime(2100, 6, 12, tzinfo=UTC))
    assert "12 June 2100" in ada.look().text


def test_only_apps_that_the_person_can_open_are_listed(ada, b2b_idp):
    b2b_idp.app("Payroll", assignment_required=True)
    wiki = b2b_idp.app("Wiki")
    assert "Wiki" in ada.look().text
    b2b_idp.graph("PATCH", f"/servicePrincipals/{wiki.sp_id}", {"accountEnabled": False})
    page = ada.look()
    assert "Payroll" not in page.text
    assert "Wiki" not in page.text


def test_n_154_markup_in_names_is_shown_as_text(ada, b2b_idp, ben):
    app = b2b_idp.app(HOSTILE)
    for id in (ada.id, ben.id):
        b2b_idp.graph("PATCH", f"/users/{id}", {"displayName": HOSTILE})
    sponsor(b2b_idp, ben, ada.id)
    b2b_idp.sign_in(ada.guest, app)
    with b2b_idp.idp.store.write() as w:
        again = replace(w.invitations.latest(ada.id), id=str(uuid.uuid4()), invited_by=ben.id)
        w.invitations.add(replace(again, created_at=datetime(2100, 1, 1, tzinfo=UTC)))
    page = ada.look()
    assert "<img" not in page.text
    # heading, inviter, app, shared with (and its button), sponsored (and its three buttons)
    assert unescape(page.text).count(HOSTILE) == 9


@pytest.mark.parametrize("path", ["/me", "/me/leave"])
def test_nobody_signed_in_is_told_so(b2b_idp, path):
    page = Walker(b2b_idp._transport()).get(b2b_idp.issuer + path)
    assert (page.status, page.error) == (400, "login_required")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda kit, ada, home: save(kit, ada.id, expires_at=datetime(2001, 1, 1, tzinfo=UTC)), "guest_disabled"),
        (
            lambda kit, ada, home: kit.graph("DELETE", f"/identity/identityProviders/{home.tenant_id}"),
            "home_disabled",
        ),
        (
            lambda kit, ada, home: kit.graph(
                "PATCH",
                f"/policies/crossTenantAccessPolicy/partners/{home.tenant_id}",
                {
                    "b2bCollaborationInbound": {
                        "usersAndGroups": {
                            "accessType": "blocked",
                            "targets": [{"target": "AllUsers", "targetType": "user"}],
                        }
                    }
                },
            ),
            "inbound_blocked",
        ),
    ],
    ids=["account ended", "home gone", "partner blocked"],
)
def test_a_session_counts_only_while_person_and_home_are_let_in(ada, b2b_idp, fabrikam, spoil, code):
    csrf = token_of(ada.look("/me/leave"))
    spoil(b2b_idp, ada, fabrikam)
    assert ada.look().error == code
    assert ada.post("/me/leave", csrf=csrf).status_code == 400
    assert user_of(b2b_idp, ada.id).deleted_at is None


# --- where the invitation leads -------------------------------------------------------------------------------------


def redeem(kit, fabrikam, address):
    """Redeems an invitation whose inviteRedirectUrl is `address`; the page where it ends."""
    made = kit.graph(
        "POST",
        "/invitations",
        {"invitedUserEmailAddress": "eve@fabrikam.example", "inviteRedirectUrl": address},
    )
    fabrikam.provider.script(Account(sub="eve", email="eve@fabrikam.example", name="Eve"))
    driver = kit._driver()
    return driver, driver.walk(made["inviteRedeemUrl"]).end


def test_an_address_of_no_app_is_shown_as_text_with_the_reason(b2b_idp, fabrikam, crm):
    _, page = redeem(b2b_idp, fabrikam, ELSEWHERE)
    assert page.url == f"{b2b_idp.issuer}/me?from=invitation"
    assert "Your invitation is accepted." in page.text
    assert "belongs to no app that" in page.text
    assert f"<code>{ELSEWHERE}</code>" in page.text
    assert not [link for link in page.links if "elsewhere" in link]


def test_the_reason_is_gone_once_the_origin_is_configured(b2b_idp, fabrikam, crm):
    driver, page = redeem(b2b_idp, fabrikam, ELSEWHERE)
    b2b_idp.graph(
        "PATCH",
        "/policies/authorizationPolicy",
        {"b2bIdp": {"redirectOrigins": ["https://elsewhere.example"]}},
    )
    assert ELSEWHERE not in driver._walker.get(page.url).text


def test_an_invitation_to_this_very_page_needs_no_excuse(b2b_idp, fabrikam, crm):
    _, page = redeem(b2b_idp, fabrikam, f"{b2b_idp.issuer}/me")
    assert page.name == "me"
    assert "belongs to no app" not in page.text


@pytest.mark.parametrize(
    "query",
    [
        {"from": "//evil"},
        {"from": HOSTILE},
        {"from": "invitation"},
        {"done": HOSTILE},
        {"next": "https://evil.example"},
    ],
)
def test_n_137_the_address_of_the_page_puts_no_words_or_links_into_it(ada, query):
    page = ada.look("/me?" + urlencode(query))
    assert (page.status, page.name) == (200, "me")
    assert "notice" not in page.text
    assert "evil" not in page.text
    assert "onerror" not in page.text


# --- consents -------------------------------------------------------------------------------------------------------


def test_withdrawing_permission_ends_the_apps_grants_and_asks_again(ada, b2b_idp, crm):
    tokens = b2b_idp.sign_in(ada.guest, crm).tokens
    page = ada.look()
    after = ada.walker.submit(page, ada.form(page, "/me/consents", app=crm.client_id))
    assert (after.name, "The app has lost your permission." in after.text) == ("me", True)
    assert "What you share with apps" not in after.text
    refreshed = b2b_idp._token_request(
        (crm.client_id, crm.client_secret),
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    )
    assert refreshed["error"] == "invalid_grant"
    assert "consent" in b2b_idp.sign_in(ada.guest, crm).pages
    assert audits(b2b_idp, "Withdraw consent")[0]["resultReason"] == "CRM"


def test_other_apps_keep_what_they_have(ada, b2b_idp, crm):
    wiki = b2b_idp.app("Wiki")
    tokens = b2b_idp.sign_in(ada.guest, wiki).tokens
    page = ada.look()
    ada.walker.submit(page, ada.form(page, "/me/consents", app=crm.client_id))
    refreshed = b2b_idp._token_request(
        (wiki.client_id, wiki.client_secret),
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    )
    assert "access_token" in refreshed


@pytest.mark.parametrize("app", ["", "nonsense", "\0", "99999999-0000-4000-8000-000000000000", "x" * 5000])
def test_withdrawing_what_no_app_has_changes_nothing(ada, b2b_idp, app):
    assert ada.post("/me/consents", csrf=token_of(ada.look("/me/leave")), app=app).status_code == 303
    assert "What you share with apps" in ada.look().text
    assert audits(b2b_idp, "Withdraw consent") == []


# --- leaving --------------------------------------------------------------------------------------------------------


def test_leaving_is_confirmed_and_then_deletes_the_account_and_the_session(ada, b2b_idp):
    asked = ada.look("/me/leave")
    assert (asked.name, "within 30 days" in asked.text) == ("me", True)
    assert user_of(b2b_idp, ada.id) is not None
    page = ada.leave()
    assert (page.status, page.name) == (200, "signed-out")
    assert "closed, as you asked" in page.text
    assert user_of(b2b_idp, ada.id) is None
    assert not [name for name in ada.walker.cookies(b2b_idp.issuer) if name.endswith("_session")]
    assert ada.look().error == "login_required"
    [entry] = audits(b2b_idp, "Leave organization")
    assert entry["initiatedBy"]["user"]["id"] == entry["targetResources"][0]["id"] == ada.id


def test_the_organisation_can_bring_the_guest_back(ada, b2b_idp):
    ada.leave()
    b2b_idp.graph("POST", f"/directory/deletedItems/{ada.id}/restore")
    assert user_of(b2b_idp, ada.id).deleted_at is None


def test_leaving_ends_what_apps_were_granted(ada, b2b_idp, crm):
    tokens = b2b_idp.sign_in(ada.guest, crm).tokens
    ada.leave()
    refreshed = b2b_idp._token_request(
        (crm.client_id, crm.client_secret),
        {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
    )
    assert refreshed["error"] == "invalid_grant"


@pytest.fixture
def nina(b2b_idp, crm):
    b2b_idp.home_tenant("contoso.example", own=True)
    return Person(b2b_idp, b2b_idp.member("nina@contoso.example"), crm)


def test_a_member_cannot_leave(nina, b2b_idp):
    page = nina.look()
    assert "You are a member of" in page.text
    assert not [link for link in page.links if link.endswith("/me/leave")]
    refused = nina.look("/me/leave")
    assert (refused.status, refused.error) == (403, "forbidden")


def test_the_last_global_administrator_cannot_leave(ada, b2b_idp):
    csrf = token_of(ada.look("/me/leave"))
    b2b_idp.graph(
        "POST",
        "/roleManagement/directory/roleAssignments",
        {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "principalId": ada.id, "directoryScopeId": "/"},
    )
    asked, refused = ada.look("/me/leave"), ada.post("/me/leave", csrf=csrf)
    assert (asked.error, refused.status_code) == ("conflict", 400)
    assert "You are the only Global Administrator here." in refused.text
    assert user_of(b2b_idp, ada.id) is not None


# --- sponsored guests -----------------------------------------------------------------------------------------------


def test_a_sponsor_sees_the_guests_they_answer_for(ada, b2b_idp, ben):
    assert "Guests you answer for" not in ada.look().text
    sponsor(b2b_idp, ben, ada.id)
    page = ada.look()
    for said in ("Ben Birch", "ben@fabrikam.example", "not accepted yet", "Still needed", "No longer needed"):
        assert said in page.text


def test_a_member_of_a_sponsoring_group_answers_too(nina, b2b_idp, fabrikam, ben):
    group = b2b_idp.graph(
        "POST",
        "/groups",
        {"displayName": "Project", "mailEnabled": False, "mailNickname": "project", "securityEnabled": True},
    )["id"]
    sponsor(b2b_idp, ben, group)
    assert nina.answer(ben.id, "needed").status_code == 403
    body = {"@odata.id": f"{b2b_idp.issuer}/v1.0/directoryObjects/{nina.id}"}
    b2b_idp.graph("POST", f"/groups/{group}/members/$ref", body)
    assert nina.answer(ben.id, "needed").status_code == 303


def test_still_needed_is_noted_and_audited(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    page = ada.look()
    after = ada.walker.submit(page, ada.form(page, "/me/guests", guest=ben.id), button=0)
    assert "You answer for this guest from today on." in after.text
    properties = user_of(b2b_idp, ben.id).properties
    assert properties["b2bIdp.attestedBy"] == ada.id
    [entry] = audits(b2b_idp, "Attest guest")
    assert (entry["initiatedBy"]["user"]["id"], entry["targetResources"][0]["id"]) == (ada.id, ben.id)


def test_no_longer_needed_switches_the_account_off_once(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    page = ada.look()
    after = ada.walker.submit(page, ada.form(page, "/me/guests", guest=ben.id), button=1)
    assert "account is switched off" in after.text
    assert not user_of(b2b_idp, ben.id).account_enabled
    assert not [f for f in after.forms if f.action.endswith("/me/guests")]
    assert ada.answer(ben.id, "not-needed").status_code == 303
    [entry] = audits(b2b_idp, "Disable account")
    assert (entry["initiatedBy"]["user"]["id"], entry["targetResources"][0]["id"]) == (ada.id, ben.id)


@pytest.mark.parametrize("answer", ["needed", "not-needed"])
@pytest.mark.parametrize("whose", ["another's", "own", "unknown", "nonsense"])
def test_for_any_other_guest_the_answer_is_the_same_403(ada, b2b_idp, ben, answer, whose):
    """The refusals do not tell which ids exist."""
    sponsor(b2b_idp, ada, ada.id)  # nobody answers for oneself
    id = {"another's": ben.id, "own": ada.id, "unknown": str(uuid.uuid4()), "nonsense": "\0'--"}[whose]
    before = user_of(b2b_idp, ben.id), user_of(b2b_idp, ada.id)
    refused = ada.answer(id, answer)
    assert refused.status_code == 403
    assert 'data-error="forbidden"' in refused.text
    assert "You are not a sponsor of this guest." in refused.text
    assert (user_of(b2b_idp, ben.id), user_of(b2b_idp, ada.id)) == before


def test_a_sponsor_does_not_switch_off_an_administrator(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    b2b_idp.graph(
        "POST",
        "/roleManagement/directory/roleAssignments",
        {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "principalId": ben.id, "directoryScopeId": "/"},
    )
    assert ada.answer(ben.id, "not-needed").status_code == 403
    assert user_of(b2b_idp, ben.id).account_enabled


@pytest.mark.parametrize("answer", ["", "both", HOSTILE])
def test_an_answer_that_is_none_changes_nothing(ada, b2b_idp, ben, answer):
    sponsor(b2b_idp, ben, ada.id)
    before = user_of(b2b_idp, ben.id)
    assert ada.answer(ben.id, answer).status_code == 400
    assert user_of(b2b_idp, ben.id) == before


def test_of_many_guests_the_first_200_are_shown_and_who_ends_first_comes_first(ada, b2b_idp, ben):
    template = user_of(b2b_idp, ben.id)
    with b2b_idp.idp.store.write() as w:
        for n in range(205):
            ends = datetime(2100 + n, 1, 1, tzinfo=UTC)
            some = replace(template, id=str(uuid.uuid4()), upn=f"u{n}@x", mail=f"g{n}@x.example", expires_at=ends)
            w.users.add(replace(some, properties={"displayName": f"Guest {n:03}"}))
            w.directory.relate("sponsor", some.id, ada.id)
    text = ada.look().text
    assert "The first 200 of 205 are shown." in text
    assert text.index("Guest 000") < text.index("Guest 001") < text.index("Guest 199")
    assert "Guest 200" not in text


# --- forms ----------------------------------------------------------------------------------------------------------

FORMS = ["/me/leave", "/me/consents", "/me/guests"]


def everything(kit, ada, ben):
    with kit.idp.store.read() as r:
        people = r.users.by_ids([ada.id, ben.id])
        return people, r.grants.consents_of(ada.id), r.logs.audits(most=1000)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("token", ["missing", "empty", "foreign"])
def test_n_133_a_form_without_this_sessions_token_has_no_effect(ada, b2b_idp, ben, crm, path, token):
    sponsor(b2b_idp, ben, ada.id)
    other = Person(b2b_idp, b2b_idp.invite("eve@fabrikam.example"), crm)
    csrf = {"missing": {}, "empty": {"csrf": ""}, "foreign": {"csrf": token_of(other.look("/me/leave"))}}[token]
    before = everything(b2b_idp, ada, ben)
    refused = ada.post(path, app=crm.client_id, guest=ben.id, answer="not-needed", **csrf)
    assert (refused.status_code, 'data-error="forged_form"' in refused.text) == (403, True)
    assert everything(b2b_idp, ada, ben) == before


@pytest.mark.parametrize("path", FORMS)
def test_n_133_a_form_from_another_origin_has_no_effect(ada, b2b_idp, ben, crm, path):
    sponsor(b2b_idp, ben, ada.id)
    before, csrf = everything(b2b_idp, ada, ben), token_of(ada.look("/me/leave"))
    refused = ada.post(
        path, origin="https://evil.example", csrf=csrf, app=crm.client_id, guest=ben.id, answer="not-needed"
    )
    assert refused.status_code == 403
    assert everything(b2b_idp, ada, ben) == before


@pytest.mark.parametrize("path", ["/me", *FORMS])
def test_n_155_a_get_changes_nothing(ada, b2b_idp, ben, crm, path):
    sponsor(b2b_idp, ben, ada.id)
    before, csrf = everything(b2b_idp, ada, ben), token_of(ada.look("/me/leave"))
    query = urlencode({"csrf": csrf, "app": crm.client_id, "guest": ben.id, "answer": "not-needed"})
    assert ada.look(f"{path}?{query}").status in (200, 405)
    assert everything(b2b_idp, ada, ben) == before


def test_n_134_the_pages_forms_go_nowhere_else(ada):
    for path in ("/me", "/me/leave"):
        policy = ada.look(path).headers["Content-Security-Policy"]
        assert "form-action 'self';" in policy
        assert "frame-ancestors 'none'" in policy


# --- one-time passes for sponsored guests ---------------------------------------------------------------------------


def give_pass(person, guest_id):
    return person.post("/me/passes", csrf=token_of(person.look()), guest=guest_id)


def pass_of(kit, id):
    with kit.idp.store.read() as r:
        return r.passes.of(id)


@pytest.fixture
def confirmed(ada, b2b_idp, crm):
    """Ada has just shown a second factor, at her trusted home."""
    b2b_idp.sign_in(ada.guest, crm, amr=["pwd", "mfa"], prompt="login")


def test_n_097_who_holds_only_the_first_factor_gives_no_pass(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    page = ada.look()
    refused = ada.walker.submit(page, ada.form(page, "/me/passes", guest=ben.id))
    assert refused.error == "forbidden"
    assert "Confirm first that it is you" in refused.text
    assert pass_of(b2b_idp, ben.id) is None


@pytest.mark.usefixtures("confirmed")
def test_a_sponsor_gives_a_one_time_pass_and_sees_it_once(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    page = ada.look()
    page = ada.walker.submit(page, ada.form(page, "/me/passes", guest=ben.id))
    assert (page.status, page.name) == (200, "me")
    code = page.text.partition('<code class="secret">')[2].partition("</code>")[0]
    assert len(code.replace("-", "")) == 16
    assert page.headers["Cache-Control"] == "no-store"
    held = pass_of(b2b_idp, ben.id)
    assert (held.created_by, held.usable_once) == (ada.id, True)
    [entry] = audits(b2b_idp, "Create Temporary Access Pass")
    assert (entry["initiatedBy"]["user"]["id"], entry["targetResources"][0]["id"]) == (ada.id, ben.id)
    assert code not in str(entry) + ada.look().text


@pytest.mark.usefixtures("confirmed")
def test_the_guest_is_mailed_that_a_pass_was_given(ada, b2b_idp, ben, crm):
    Person(b2b_idp, ben, crm)
    sponsor(b2b_idp, ben, ada.id)
    assert give_pass(ada, ben.id).status_code == 200
    assert "one-time pass" in mails(b2b_idp, "ben@fabrikam.example")[0]


@pytest.mark.usefixtures("confirmed")
def test_a_sponsor_cannot_have_a_guest_mailed_without_end(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    answers = [give_pass(ada, ben.id) for _ in range(3)]
    assert [a.status_code for a in answers] == [200, 429, 429]
    assert 0 < int(answers[1].headers["Retry-After"]) <= 300


@pytest.mark.usefixtures("confirmed")
@pytest.mark.parametrize("begins", ["now", "later"])
def test_a_pass_that_somebody_else_gave_is_not_replaced_while_it_stands(ada, b2b_idp, ben, begins):
    sponsor(b2b_idp, ben, ada.id)
    now = datetime.now(UTC)
    starts = {} if begins == "now" else {"startDateTime": (now + timedelta(days=1)).isoformat()}
    path = f"/users/{ben.id}/authentication/temporaryAccessPassMethods"
    given = b2b_idp.graph("POST", path, {"isUsableOnce": True} | starts)["id"]
    with freeze_time(now + timedelta(minutes=6), tick=True):
        refused = give_pass(ada, ben.id)
    assert refused.status_code == 400
    assert "somebody else" in refused.text
    assert pass_of(b2b_idp, ben.id).id == given


@pytest.mark.usefixtures("confirmed")
@pytest.mark.parametrize("whose", ["another's", "own", "unknown", "nonsense"])
def test_nobody_gives_a_pass_to_other_guests_or_themselves(ada, b2b_idp, ben, whose):
    sponsor(b2b_idp, ada, ada.id)
    id = {"another's": ben.id, "own": ada.id, "unknown": str(uuid.uuid4()), "nonsense": "\0'--"}[whose]
    refused = give_pass(ada, id)
    assert refused.status_code == 403
    assert "You are not a sponsor of this guest." in refused.text
    assert pass_of(b2b_idp, ben.id) is None
    assert pass_of(b2b_idp, ada.id) is None


@pytest.mark.usefixtures("confirmed")
def test_a_sponsor_gives_none_to_an_administrator_and_none_for_an_account_that_is_off(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    save(b2b_idp, ben.id, account_enabled=False)
    assert give_pass(ada, ben.id).status_code == 400
    save(b2b_idp, ben.id, account_enabled=True)
    held = {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "principalId": ben.id, "directoryScopeId": "/"}
    b2b_idp.graph("POST", "/roleManagement/directory/roleAssignments", held)
    assert give_pass(ada, ben.id).status_code == 403
    assert pass_of(b2b_idp, ben.id) is None


def test_a_pass_is_given_only_by_a_form_of_the_own_page(ada, b2b_idp, ben):
    sponsor(b2b_idp, ben, ada.id)
    csrf = token_of(ada.look())
    assert ada.post("/me/passes", csrf="x", guest=ben.id).status_code == 403
    assert ada.post("/me/passes", csrf=csrf, guest=ben.id, origin="https://evil.example").status_code == 403
    assert pass_of(b2b_idp, ben.id) is None
