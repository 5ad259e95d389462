"""The steps of a sign-in: each once, in its own browser, judged by the policies of now (areas B, D and E)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from freezegun import freeze_time

from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.walker import Walker

CALLBACK = "https://app.example/callback"


@pytest.fixture
def fabrikam(b2b_idp):
    return b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)


@pytest.fixture
def northwind(b2b_idp):
    return b2b_idp.home_tenant("northwind.example")


def authorize(kit, app, **parameters):
    query = {
        "client_id": app.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "code_challenge": "A" * 43,
        "code_challenge_method": "S256",
    }
    return f"{kit.issuer}/authorize?{urlencode(query | parameters)}"


def at_our_door(kit, home, app, email, **parameters):
    """A browser with home's answer in hand, not yet brought to us: (walker, callback URL)."""
    home.provider.script(Account(email, email, "Somebody"))
    walker = Walker(kit._transport(), f"{kit.issuer}/federation/")
    page = walker.get(authorize(kit, app, login_hint=email, **parameters))
    walker.stop_at = CALLBACK
    assert page.status == 0
    return walker, page.url


def codes(signed_in):
    return [r.code for r in signed_in.decision.reasons]


# --- the callback ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", ["without", "unknown", "other browser"])
def test_n_030_a_callback_that_no_sign_in_of_this_browser_waits_for_reaches_no_home(b2b_idp, fabrikam, spoil):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    query = parse_qs(urlsplit(url).query)
    if spoil == "without":
        query.pop("state")
    elif spoil == "unknown":
        query["state"] = ["x" * 60]
    else:
        walker = Walker(b2b_idp._transport(), CALLBACK)
    page = walker.get(f"{url.partition('?')[0]}?{urlencode(query, doseq=True)}")
    assert (page.status, page.error) == (400, "signin_unknown")
    assert len(fabrikam.provider._codes) == 1


def test_n_031_the_same_callback_many_times_at_once_succeeds_once(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    exchanged = []
    fabrikam.provider.tamper["token"] = lambda answer: exchanged.append(1) or answer
    cookies = dict(walker.cookies(url))

    def visit(_):
        one = Walker(b2b_idp._transport(), CALLBACK)
        one.cookies(url).update(cookies)
        return one.get(url)

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(visit, range(20)))
    assert sorted({p.status for p in pages}) == [200, 400]
    assert [p.name for p in pages].count("redeem") == 1
    assert len(exchanged) == 1


def test_n_034_a_callback_brought_to_another_homes_address_is_refused_and_takes_nothing(b2b_idp, fabrikam, northwind):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    page = walker.get(url.replace(fabrikam.tenant_id, northwind.tenant_id))
    assert page.status == 400
    assert len(fabrikam.provider._codes) == 1
    assert walker.get(url).name == "redeem"


def test_n_032_the_iss_of_another_home_is_refused_before_any_token_request(b2b_idp, fabrikam, northwind):
    app = b2b_idp.app("crm")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    query = parse_qs(urlsplit(url).query) | {"iss": [northwind.provider.issuer]}
    page = walker.get(f"{url.partition('?')[0]}?{urlencode(query, doseq=True)}")
    assert (page.status, page.error) == (400, "home_answer_refused")
    assert len(fabrikam.provider._codes) == 1


def test_n_047_the_homes_own_error_reaches_the_app_cleaned(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    query = parse_qs(urlsplit(url).query)
    query.pop("code")
    query |= {"error": ["<script>\r\nX: y"], "error_description": ["d" * 10_000]}
    end = walker.get(f"{url.partition('?')[0]}?{urlencode(query, doseq=True)}")
    answer = parse_qs(urlsplit(end.url).query)
    assert end.url.startswith(CALLBACK)
    assert (answer["error"], answer["state"], answer["iss"]) == (["access_denied"], ["s"], [b2b_idp.issuer])
    assert "%3Cscript" not in end.url and "X%3A" not in end.url


@pytest.mark.parametrize("said", ["access_denied", "server_error", "temporarily_unavailable"])
def test_the_app_hears_which_of_the_three_errors_the_home_gave(b2b_idp, fabrikam, said):
    app = b2b_idp.app("crm")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    query = parse_qs(urlsplit(url).query)
    query.pop("code")
    end = walker.get(f"{url.partition('?')[0]}?{urlencode(query | {'error': [said]}, doseq=True)}")
    assert parse_qs(urlsplit(end.url).query)["error"] == [said]


def test_n_048_a_home_disabled_meanwhile_is_refused_at_the_callback(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    b2b_idp.graph("PATCH", f"/identity/identityProviders/{fabrikam.tenant_id}", {"b2bIdp": {"enabled": False}})
    page = walker.get(url)
    assert (page.status, page.error) == (400, "home_disabled")


def test_n_048_a_partner_blocked_meanwhile_is_refused_at_the_callback(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    nobody = {"accessType": "blocked", "targets": [{"target": "AllApplications", "targetType": "application"}]}
    b2b_idp.graph(
        "PATCH",
        f"/policies/crossTenantAccessPolicy/partners/{fabrikam.tenant_id}",
        {"b2bCollaborationInbound": {"applications": nobody}},
    )
    page = walker.get(url)
    assert (page.status, page.error) == (400, "inbound_blocked")


@pytest.mark.parametrize("path", ["", "?_=1"])
def test_n_049_the_middle_of_a_sign_in_belongs_to_the_browser_that_began_it(b2b_idp, fabrikam, path):
    app = b2b_idp.app("crm")
    walker = Walker(b2b_idp._transport())
    page = walker.get(authorize(b2b_idp, app))
    assert page.name == "home-realm"
    victim = Walker(b2b_idp._transport())
    assert victim.get(page.url + path).error == "signin_unknown"
    resume = page.url.replace("/signin/", "/resume/")
    assert victim.get(resume).error == "signin_unknown"


# --- steps and forms -------------------------------------------------------------------------------------------------


def test_n_090_going_straight_to_the_end_yields_no_code(b2b_idp, northwind):
    app = b2b_idp.app("crm", requires="mfa")
    b2b_idp.invite("nora@northwind.example")
    walker, url = at_our_door(b2b_idp, northwind, app, "nora@northwind.example")
    page = walker.get(url)
    assert page.name == "redeem"
    end = walker.get(page.url.replace("/signin/", "/resume/"))
    assert (end.name, end.status) == ("redeem", 200)
    page = walker.submit(end)
    assert page.name == "email-code"
    assert walker.get(page.url.replace("/signin/", "/resume/")).name == "email-code"


def test_a_form_sent_twice_takes_its_step_once(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    page = walker.get(url)
    assert walker.submit(page).name == "consent"
    assert walker.submit(page).name == "consent"


@pytest.mark.parametrize(
    ("csrf", "headers", "status"),
    [
        ("", {}, 403),
        ("0.forged", {}, 403),
        (None, {"Origin": "https://evil.example"}, 403),
        (None, {"Sec-Fetch-Site": "cross-site"}, 403),
        (None, {"Content-Type": "application/json"}, 403),
        (None, {}, 200),
    ],
)
def test_n_133_a_form_from_elsewhere_has_no_effect(b2b_idp, fabrikam, csrf, headers, status):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    page = walker.get(url)
    sent = page.forms[0].fields | ({} if csrf is None else {"csrf": csrf})
    cookies = "; ".join(f"{k}={v}" for k, v in walker.cookies(url).items())
    kept = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"} | headers
    answered = b2b_idp._transport()("POST", page.url, kept, urlencode(sent).encode())
    assert answered[0] == (303 if status == 200 else status)
    assert walker.get(page.url).name == ("consent" if status == 200 else "redeem")


def test_a_declined_consent_is_told_to_the_app(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    page = walker.submit(walker.get(url))
    assert page.name == "consent"
    end = walker.submit(page, button=1)
    assert parse_qs(urlsplit(end.url).query)["error"] == ["access_denied"]


def test_a_sign_in_ends_by_expiry(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    walker = Walker(b2b_idp._transport())
    page = walker.get(authorize(b2b_idp, app))
    with freeze_time(datetime.now(UTC) + timedelta(hours=2)):
        assert walker.get(page.url).error == "signin_expired"


# --- the policies of now ---------------------------------------------------------------------------------------------


def test_n_084_stale_mfa_is_asked_for_again_with_max_age(b2b_idp):
    home = b2b_idp.home_tenant("fabrikam.example", trust_mfa=True, mfa_max_age="PT12H")
    app = b2b_idp.app("crm", requires="mfa")
    ada = b2b_idp.invite("ada@fabrikam.example")
    old = int(datetime.now(UTC).timestamp()) - 13 * 3600
    signed_in = b2b_idp.sign_in(ada, app, amr=["pwd", "mfa"], auth_time=old)
    assert home.provider.requests[0]["max_age"] == "43200"
    assert codes(signed_in) == ["home_step_up", "home_could_not", "local_mfa_accepted"]
    assert "auth_time" not in signed_in.id_token or signed_in.id_token["auth_time"] <= old


def test_n_086_a_home_that_keeps_answering_one_factor_is_asked_once(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", requires="mfa")
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, app, amr=["pwd"])
    assert len(fabrikam.provider.requests) == 1
    assert codes(signed_in) == ["home_step_up", "home_could_not", "local_mfa_accepted"]


def test_n_086_or_refused_where_the_partner_says_block(b2b_idp):
    b2b_idp.home_tenant("fabrikam.example", trust_mfa=True, when_home_cannot="block")
    app = b2b_idp.app("crm", requires="mfa")
    signed_in = b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), app, amr=["pwd"])
    assert signed_in.error == "blocked_by_partner_policy"
    assert codes(signed_in)[-1] == "blocked_by_partner_policy"


def test_n_087_an_answer_with_the_request_edited_away_counts_for_what_it_says(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", requires="mfa")
    b2b_idp.invite("ada@fabrikam.example")
    walker = Walker(b2b_idp._transport(), fabrikam.provider.issuer)
    leaving = walker.get(authorize(b2b_idp, app, login_hint="ada@fabrikam.example")).url
    assert "acr_values" in leaving
    fabrikam.provider.script(Account("ada", "ada@fabrikam.example", "Ada"), amr=["pwd"])
    query = {k: v[0] for k, v in parse_qs(urlsplit(leaving).query).items() if k != "acr_values"}
    walker.stop_at = CALLBACK
    page = walker.get(f"{fabrikam.provider.issuer}/authorize?{urlencode(query)}")
    page = walker.submit(page)
    assert page.name == "email-code"
    assert not any(r["b2bIdp"]["outcome"] == "allowed" for r in b2b_idp.graph("GET", "/auditLogs/signIns")["value"])


def test_n_088_trust_switched_off_during_the_sign_in_counts_at_once(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", requires="mfa")
    b2b_idp.invite("ada@fabrikam.example")
    walker, url = at_our_door(b2b_idp, fabrikam, app, "ada@fabrikam.example")
    fabrikam.provider.script(Account("ada", "ada@fabrikam.example", "Ada"), amr=["pwd", "mfa"])
    b2b_idp.graph(
        "PATCH",
        f"/policies/crossTenantAccessPolicy/partners/{fabrikam.tenant_id}",
        {"inboundTrust": {"isMfaAccepted": False}},
    )
    page = walker.submit(walker.get(url))
    assert page.name == "email-code"


def test_n_089_a_session_with_one_factor_opens_no_app_that_needs_two(b2b_idp, northwind):
    plain, strict = b2b_idp.app("wiki"), b2b_idp.app("payroll", requires="mfa")
    nora = b2b_idp.invite("nora@northwind.example")
    assert b2b_idp.sign_in(nora, plain).id_token["amr"] == ["pwd"]
    silent = b2b_idp.sign_in(nora, strict, prompt="none")
    assert (silent.id_token, silent.error) == (None, "interaction_required")


def test_n_097_a_thief_of_the_first_factor_cannot_make_the_second(b2b_idp, northwind):
    nora = b2b_idp.invite("nora@northwind.example")
    northwind.provider.script(Account("nora", "nora@northwind.example", "Nora"))
    assert nora.driver.walk(nora.redeem_url).pages == ["redeem", "me"]
    app = b2b_idp.app("crm", requires="mfa")
    thief = Walker(b2b_idp._transport(), CALLBACK)
    page = thief.get(authorize(b2b_idp, app, login_hint="nora@northwind.example"))
    assert page.name == "email-code"
    assert thief.submit(page, code="00000000").name == "email-code"


def test_a_guest_whose_home_proved_mfa_before_registers_none_when_it_cannot(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", requires="mfa")
    ada = b2b_idp.invite("ada@fabrikam.example")
    assert codes(b2b_idp.sign_in(ada, app, amr=["pwd", "mfa"]))[-1] == "home_mfa_accepted"
    later = b2b_idp.sign_in(ada, app, amr=["pwd"], prompt="login")
    assert later.error == "registration_needs_proof"


def test_n_099_a_report_only_policy_changes_nothing_and_is_logged(b2b_idp, northwind):
    app = b2b_idp.app("crm")
    policy = b2b_idp.require_mfa(app.client_id, state="enabledForReportingButNotEnforced")
    signed_in = b2b_idp.sign_in(b2b_idp.invite("nora@northwind.example"), app)
    assert codes(signed_in) == ["no_mfa_required"]
    row = b2b_idp.graph("GET", "/auditLogs/signIns?$top=1")["value"][0]
    assert [r["policyId"] for r in row["b2bIdp"]["reportOnly"]] == [policy]


@pytest.mark.parametrize("change", ["disabled", "trust off", "sessions revoked"])
def test_n_100_at_refresh_the_rights_of_now_count(b2b_idp, fabrikam, change):
    app = b2b_idp.app("crm", requires="mfa")
    ada = b2b_idp.invite("ada@fabrikam.example")
    signed_in = b2b_idp.sign_in(ada, app, amr=["pwd", "mfa"])
    if change == "disabled":
        b2b_idp.graph("PATCH", f"/users/{ada.id}", {"accountEnabled": False})
    elif change == "sessions revoked":
        b2b_idp.graph("POST", f"/users/{ada.id}/revokeSignInSessions")
    else:
        b2b_idp.graph(
            "PATCH",
            f"/policies/crossTenantAccessPolicy/partners/{fabrikam.tenant_id}",
            {"inboundTrust": {"isMfaAccepted": False}},
        )
    answer = b2b_idp._token_request(
        (app.client_id, app.client_secret),
        {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]},
    )
    assert answer["error"] == "invalid_grant"


def test_groups_added_after_redemption_are_in_the_next_token(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", groupMembershipClaims="SecurityGroup")
    ada = b2b_idp.invite("ada@fabrikam.example")
    group = b2b_idp.graph("POST", "/groups", {"displayName": "Sales", "mailNickname": "sales"})
    reference = {"@odata.id": f"{b2b_idp.issuer}/v1.0/directoryObjects/{ada.id}"}
    b2b_idp.graph("POST", f"/groups/{group['id']}/members/$ref", reference)
    assert b2b_idp.sign_in(ada, app).id_token["groups"] == [group["id"]]


def test_an_app_that_needs_assignment_refuses_only_after_home_said_who_it_is(b2b_idp, fabrikam):
    app = b2b_idp.app("crm", assignment_required=True)
    ada = b2b_idp.invite("ada@fabrikam.example")
    assert b2b_idp.sign_in(ada, app).error == "not_assigned"
    assert len(fabrikam.provider.requests) == 1
    body = {"principalId": ada.id, "resourceId": app.sp_id, "appRoleId": "00000000-0000-0000-0000-000000000000"}
    b2b_idp.graph("POST", f"/servicePrincipals/{app.sp_id}/appRoleAssignedTo", body)
    assert b2b_idp.sign_in(ada, app).id_token["oid"] == ada.id


def test_prompt_none_without_a_session_is_login_required(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    assert b2b_idp.sign_in(b2b_idp.invite("ada@fabrikam.example"), app, prompt="none").error == "login_required"


def test_prompt_login_visits_home_again_and_moves_auth_time(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    ada = b2b_idp.invite("ada@fabrikam.example")
    b2b_idp.sign_in(ada, app)
    assert b2b_idp.sign_in(ada, app).pages == []
    assert len(fabrikam.provider.requests) == 1
    again = b2b_idp.sign_in(ada, app, prompt="login")
    assert again.id_token is not None
    assert fabrikam.provider.requests[1]["prompt"] == "login"


def test_n_134_the_session_id_changes_at_every_sign_in_at_home(b2b_idp, fabrikam):
    app = b2b_idp.app("crm")
    ada = b2b_idp.invite("ada@fabrikam.example")
    kept = ada.driver._walker.cookies(b2b_idp.issuer)
    b2b_idp.sign_in(ada, app)
    first = {k: v for k, v in kept.items() if k.endswith("_session")}
    b2b_idp.sign_in(ada, app, prompt="login")
    second = {k: v for k, v in kept.items() if k.endswith("_session")}
    assert list(first) == list(second)
    assert first != second
