"""What the logout plans ask of a relying party, which we are to homes: their logout tokens, and signing out there."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest

from b2b_idp.model.events import LOGOUT, SESSION_REVOKED
from b2b_idp.signin.home_logout import AWAY
from b2b_idp.testing.home_tenant import compact_jws
from b2b_idp.testing.kit import Kit
from tests.conformance import conformance, rfc
from tests.openid.openid_world import CLIENT_KEY, KEYS

BYE = "https://app.example/bye"


@pytest.fixture(scope="module")
def kit():
    made = Kit()
    made.home_tenant("fabrikam.example")
    yield made
    made.close()


@pytest.fixture
def home(kit):
    """The home as a test finds it: honest, and with a session that it calls s1."""
    found = kit.home("fabrikam.example")
    found.provider.sid = "s1"
    yield found
    found.provider.tamper.clear()
    found.provider.ended.clear()


@pytest.fixture(scope="module")
def crm(kit):
    return kit.app("CRM", b2bIdp={"postLogoutRedirectUris": [BYE]})


@pytest.fixture
def maria(kit, home, crm):
    """A guest who is signed in to the app, with her tokens."""
    guest = kit.invite(f"maria{len(kit.graph('GET', '/users')['value'])}@fabrikam.example")
    return guest, kit.sign_in(guest, crm)


def subject(kit, guest):
    """What the home calls the guest."""
    with kit.idp.store.read() as r:
        return r.users.by_id(guest.id).identity.subject


def told(kit, home, token, path="backchannel-logout", **more):
    form = more or {"logout_token": token}
    return kit.flask.test_client().post(f"/idp/federation/{home.tenant_id}/{path}", data=form)


def stands(kit, crm, maria):
    """Whether the session and what it gave to the app still stand."""
    guest, signed_in = maria
    form = {"grant_type": "refresh_token", "refresh_token": signed_in.tokens["refresh_token"]}
    refreshed = kit._token_request((crm.client_id, crm.client_secret), form)
    if "error" in refreshed:
        return False
    signed_in.tokens.update(refreshed)
    return kit.sign_in(guest, crm, prompt="none").error is None


# --- home tells us -------------------------------------------------------------------------------------------------


@conformance("rp-logout-backchannel")
@rfc("Back-Channel Logout", "2.7")
@rfc("Back-Channel Logout", "2.8")
@pytest.mark.parametrize("named", ["sub and sid", "sid", "sub"])
def test_a_logout_token_ends_the_session_and_what_it_gave(kit, home, crm, maria, named):
    sub = subject(kit, maria[0])
    token = home.provider.logout_token(*{"sub and sid": (sub, "s1"), "sid": (None, "s1"), "sub": (sub, None)}[named])
    assert stands(kit, crm, maria)
    answer = told(kit, home, token)
    assert (answer.status_code, answer.data, answer.headers["Cache-Control"]) == (200, b"", "no-store")
    assert not stands(kit, crm, maria)
    assert kit.sign_in(maria[0], crm, prompt="none").error == "login_required"


def spoilt(name, **different):
    def change(made):
        made["claims"] = {k: v for k, v in (made["claims"] | different).items() if v is not ...}

    return pytest.param(change, id=name)


def unsigned(made):
    return jwt.encode(made["claims"], None, "none")


def by_another_alg(made):
    """A good signature by an algorithm that the home's metadata does not name."""
    return jwt.encode(made["claims"], CLIENT_KEY, "ES256", {"kid": made["header"]["kid"]})


def by_another_key(made):
    key = next(k.private for k in KEYS.list() if k.alg == "RS256")
    return compact_jws(made["header"], made["claims"], key)


@conformance("rp-logout-backchannel-alg-none")
@conformance("rp-logout-backchannel-wrong-alg")
@conformance("rp-logout-backchannel-no-events")
@conformance("rp-logout-backchannel-wrong-events")
@conformance("rp-logout-backchannel-nonce")
@conformance("rp-logout-backchannel-wrong-aud")
@conformance("rp-logout-backchannel-wrong-iss")
@rfc("Back-Channel Logout", "2.6")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(unsigned, id="alg none"),
        pytest.param(by_another_alg, id="wrong alg"),
        pytest.param(by_another_key, id="wrong key"),
        pytest.param(lambda made: made["header"].update(typ="at+jwt"), id="typ"),
        spoilt("no events", events=...),
        spoilt("wrong events", events={SESSION_REVOKED: {}}),
        spoilt("events that say no object", events={LOGOUT: True}),
        spoilt("nonce", nonce="n"),
        spoilt("wrong aud", aud="another"),
        spoilt("another aud beside", aud=["b2b", "another"]),
        spoilt("wrong iss", iss="https://login.northwind.example"),
        spoilt("no exp", exp=...),
        spoilt("over", exp=1),
        spoilt("no iat", iat=...),
        spoilt("iat long ago", iat=1),
        spoilt("no jti", jti=...),
        spoilt("neither sub nor sid", sub=..., sid=...),
        spoilt("sid that is no text", sid=1),
    ],
)
def test_a_logout_token_that_is_not_right_is_400_and_ends_nothing(kit, home, crm, maria, spoil):
    home.provider.tamper["logout_token"] = spoil
    answer = told(kit, home, home.provider.logout_token(subject(kit, maria[0]), "s1"))
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert answer.headers["Cache-Control"] == "no-store"
    assert stands(kit, crm, maria)


def test_a_logout_token_counts_once(kit, home, crm, maria):
    token = home.provider.logout_token(sid="s1")
    assert told(kit, home, token).status_code == 200
    again = maria[0], kit.sign_in(maria[0], crm)
    assert told(kit, home, token).status_code == 400
    assert stands(kit, crm, again)


def test_an_id_token_is_no_logout_token(kit, home, crm, maria):
    claims = {"sub": subject(kit, maria[0]), "sid": "s1", "events": None, "jti": None, "nonce": "n"}
    assert told(kit, home, home.provider.logout_token(**claims)).status_code == 400
    assert stands(kit, crm, maria)


@pytest.mark.parametrize("form", [{"other": "x"}, {"logout_token": ["a", "b"]}], ids=str)
def test_a_form_without_one_logout_token_is_400(kit, home, form):
    assert told(kit, home, None, **form).json["error"] == "invalid_request"


def test_an_unknown_home_tells_nothing(kit, home, crm, maria):
    token = home.provider.logout_token(sid="s1")
    address = f"/idp/federation/{crm.object_id}/backchannel-logout"
    answer = kit.flask.test_client().post(address, data={"logout_token": token})
    assert answer.json["error"] == "invalid_request"


def test_another_session_at_home_is_not_over(kit, home, crm, maria):
    for said in ({"sid": "s2"}, {"sub": subject(kit, maria[0]), "sid": "s2"}, {"sub": "somebody-else", "sid": "s1"}):
        assert told(kit, home, home.provider.logout_token(**said)).status_code == 200
    assert stands(kit, crm, maria)


def test_where_home_told_no_sid_any_session_of_the_person_may_be_meant(kit, home, crm):
    home.provider.sid = None
    guest = kit.invite("nina@fabrikam.example")
    nina = guest, kit.sign_in(guest, crm)
    assert told(kit, home, home.provider.logout_token(subject(kit, guest), "s9")).status_code == 200
    assert not stands(kit, crm, nina)


def test_what_was_given_before_a_second_visit_to_the_same_session_at_home_ends_too(kit, home, crm, maria):
    wiki = kit.app("Wiki")
    kit.sign_in(maria[0], wiki, prompt="login")
    told(kit, home, home.provider.logout_token(sid="s1"))
    assert not stands(kit, crm, maria)


def test_it_is_in_the_audit_log_with_the_home_as_its_author(kit, home, crm, maria):
    told(kit, home, home.provider.logout_token(sid="s1"))
    (entry,) = [
        e
        for e in kit.graph("GET", "/auditLogs/directoryAudits?$top=50")["value"]
        if e["activityDisplayName"] == "Sign out by home tenant" and e["targetResources"][0]["id"] == maria[0].id
    ]
    assert entry["initiatedBy"]["app"]["servicePrincipalName"] == home.provider.issuer
    assert entry["resultReason"].startswith("1 session:")


def test_the_entry_of_a_home_shows_what_to_register_there(kit, home):
    ours = kit.graph("GET", f"/identity/identityProviders/{home.tenant_id}")["b2bIdp"]
    here = f"{kit.issuer}/federation/{home.tenant_id}"
    assert (ours["backChannelLogoutUri"], ours["postLogoutRedirectUri"]) == (
        f"{here}/backchannel-logout",
        f"{here}/signed-out",
    )


# --- we sign out at home -------------------------------------------------------------------------------------------


def signed_out_here(kit, maria):
    """The page that says so."""
    guest, signed_in = maria
    guest.driver.walker.stop_at = BYE
    return guest.driver.walker.get(f"{kit.issuer}/logout?{urlencode({'id_token_hint': signed_in.tokens['id_token']})}")


def way_home(page, home):
    (link,) = [link for link in page.links if link.startswith(home.provider.issuer)]
    return link


@conformance("rp-logout-rp-initiated")
@rfc("RP-Initiated Logout", "2")
def test_a_guest_who_signed_out_here_may_sign_out_at_home_and_is_told_so(kit, home, maria):
    page = signed_out_here(kit, maria)
    assert (page.name, home.provider.ended) == ("signed-out", []), "asked, not taken there"
    back = maria[0].driver.walker.get(way_home(page, home))
    assert (back.status, back.name) == (200, "signed-out")
    assert "has signed you out as well" in back.text
    (asked,) = home.provider.ended
    assert asked.keys() == {"client_id", "post_logout_redirect_uri", "state", "logout_hint"}
    assert asked["post_logout_redirect_uri"] == f"{kit.issuer}/federation/{home.tenant_id}/signed-out"
    assert asked["logout_hint"] == maria[0].email


@conformance("rp-logout-rp-initiated-other-state")
@conformance("rp-logout-rp-initiated-no-state")
@pytest.mark.parametrize("state", [{"state": "other"}, {"state": ""}, {}], ids=str)
def test_an_answer_without_the_state_that_was_sent_is_refused(kit, home, maria, state):
    home.provider.tamper["end_session"] = lambda _: state
    back = maria[0].driver.walker.get(way_home(signed_out_here(kit, maria), home))
    assert (back.status, back.name, back.error) == (400, "error", "invalid_request")


@pytest.fixture
def always(kit, home):
    """The home's entry sends whoever signs out here there as well."""
    address = f"/identity/identityProviders/{home.tenant_id}"
    kit.graph("PATCH", address, {"b2bIdp": {"endSession": "always"}})
    yield
    kit.graph("PATCH", address, {"b2bIdp": {"endSession": "offered"}})


def from_the_app(kit, maria, **more):
    guest, signed_in = maria
    guest.driver.walker.stop_at = BYE
    given = {"id_token_hint": signed_in.tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "app's"} | more
    return guest.driver.walker.get(f"{kit.issuer}/logout?{urlencode(given)}")


def test_without_that_an_app_has_its_guest_back_at_once(kit, home, maria):
    assert from_the_app(kit, maria).url == f"{BYE}?state=app%27s"
    assert home.provider.ended == []


def test_a_guest_goes_by_way_of_home_to_the_app_with_the_apps_own_state(kit, home, maria, always):
    assert from_the_app(kit, maria).url == f"{BYE}?state=app%27s"
    assert home.provider.ended[0]["state"] != "app's"


def test_a_state_that_no_home_might_keep_goes_straight_to_the_app(kit, home, maria, always):
    assert from_the_app(kit, maria, state="x" * 3000).url.startswith(BYE)
    assert home.provider.ended == []


@pytest.mark.parametrize("how", ["another browser", "another home", "too late", "no longer registered"])
def test_a_state_leads_on_only_who_was_given_it_and_only_to_what_is_registered(
    kit, home, crm, maria, always, how, monkeypatch
):
    home.provider.tamper["end_session"] = lambda told: {"kept": told["state"]}
    stopped = from_the_app(kit, maria)
    state = parse_qs(urlsplit(stopped.url).query)["kept"][0]
    walker, tenant_id = maria[0].driver.walker, home.tenant_id
    if how == "another browser":
        walker = kit.invite("eve@fabrikam.example").driver.walker
    elif how == "another home":
        tenant_id = crm.object_id
    elif how == "too late":
        now = kit.idp.moment
        monkeypatch.setattr(kit.idp, "moment", lambda: _later(now()))
    else:
        kit.graph("PATCH", f"/applications/{crm.object_id}", {"b2bIdp": {"postLogoutRedirectUris": []}})
    walker.stop_at = BYE
    page = walker.get(f"{kit.issuer}/federation/{tenant_id}/signed-out?state={state}")
    if how == "no longer registered":
        kit.graph("PATCH", f"/applications/{crm.object_id}", {"b2bIdp": {"postLogoutRedirectUris": [BYE]}})
        assert (page.status, page.name) == (200, "signed-out")
    else:
        assert (page.status, page.error) == (400, "invalid_request")


def _later(moment):
    return replace(moment, at=moment.at + AWAY)


@pytest.mark.parametrize("endpoint", [..., "javascript:alert(1)", "http://evil.example/end"])
def test_a_home_without_a_good_address_for_it_is_not_offered(kit, endpoint):
    there = kit.home_tenant(f"n{abs(hash(str(endpoint)))}.example")
    overrides = {} if endpoint is ... else {"end_session_endpoint": endpoint}
    there.provider.tamper["metadata"] = lambda d: (
        {k: v for k, v in d.items() if k != "end_session_endpoint"} | overrides
    )
    guest = kit.invite(f"ada@{there.domain}")
    page = signed_out_here(kit, (guest, kit.sign_in(guest, kit.app("Other"))))
    assert page.name == "signed-out"
    assert not re.search("as well", page.text)
