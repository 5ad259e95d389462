"""Sessions at apps follow: trust withdrawn, guest disabled, strength raised, signed out; and the apps are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from b2b_idp.model.events import LOGOUT, SESSION_REVOKED
from b2b_idp.testing.kit import Kit, KitApp, KitGuest, KitHome
from b2b_idp.tokens.notices import ATTEMPTS

PHISHING_RESISTANT = "00000000-0000-0000-0000-000000000004"


class Listener:
    """A SaaS app's back-channel logout address."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.answers = 200
        self.told, self.ready = threading.Event(), threading.Event()
        self.ready.set()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                listener.heard.append(parse_qs(body)["logout_token"][0])
                listener.told.set()
                listener.ready.wait(20)
                self.send_response(listener.answers)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_port}/backchannel-logout"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


@pytest.fixture
def fabrikam(b2b_idp: Kit) -> KitHome:
    return b2b_idp.home_tenant("fabrikam.example", trust_mfa=True)


@pytest.fixture
def crm(b2b_idp: Kit, listener: Listener) -> KitApp:
    return b2b_idp.app("CRM", requires="mfa", b2bIdp={"backchannelLogoutUri": listener.uri})


@pytest.fixture
def maria(b2b_idp: Kit, fabrikam: KitHome) -> KitGuest:
    return b2b_idp.invite("maria@fabrikam.example")


def follow(kit: Kit) -> int:
    moment = kit.idp.moment()
    ended = kit.idp.continuity.follow(moment)
    kit.idp.notifier.deliver(moment)
    return ended


def refreshed(kit: Kit, app: KitApp, tokens: dict[str, Any]) -> str | None:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return kit._token_request((app.client_id, app.client_secret), form).get("error")


def withdraw_trust(kit: Kit, home: KitHome) -> None:
    kit.graph(
        "PATCH",
        f"/policies/crossTenantAccessPolicy/partners/{home.tenant_id}",
        {"inboundTrust": {"isMfaAccepted": False}},
    )


def test_trust_withdrawn_ends_what_stood_on_it_and_the_app_is_told(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, fabrikam: KitHome, listener: Listener
) -> None:
    signed_in = b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    assert follow(b2b_idp) == 0
    withdraw_trust(b2b_idp, fabrikam)
    assert follow(b2b_idp) == 1
    claims = b2b_idp.verify(listener.heard[0], crm.client_id)
    assert (claims["sub"], claims["sid"]) == (signed_in.id_token["sub"], signed_in.id_token["sid"])
    assert claims["events"][LOGOUT] == {}
    assert claims["events"][SESSION_REVOKED]["initiating_entity"] == "policy"
    assert "nonce" not in claims
    assert claims["exp"] - claims["iat"] <= 120
    assert refreshed(b2b_idp, crm, signed_in.tokens) == "invalid_grant"
    assert follow(b2b_idp) == 0
    assert len(listener.heard) == 1


def test_a_session_obeys_at_once_without_any_notice(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, fabrikam: KitHome
) -> None:
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    withdraw_trust(b2b_idp, fabrikam)
    assert b2b_idp.sign_in(maria, crm, prompt="none").error == "interaction_required"


def test_a_strength_raised_ends_what_does_not_meet_it(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener
) -> None:
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    b2b_idp.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "Phishing-resistant",
            "state": "enabled",
            "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}},
            "grantControls": {"operator": "OR", "authenticationStrength": {"id": PHISHING_RESISTANT}},
        },
    )
    assert follow(b2b_idp) == 1
    assert len(listener.heard) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/users/{id}", {"accountEnabled": False}),
        ("POST", "/users/{id}/revokeSignInSessions", None),
        ("DELETE", "/users/{id}", None),
    ],
)
def test_whatever_ends_a_guests_sessions_is_told(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener, method: str, path: str, body: Any
) -> None:
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    b2b_idp.graph(method, path.format(id=maria.id), body)
    follow(b2b_idp)
    (token,) = listener.heard
    told = b2b_idp.verify(token, crm.client_id)["events"][SESSION_REVOKED]
    assert told["initiating_entity"] == "admin"


def test_an_app_is_told_when_its_guest_withdraws_consent_and_no_other_is(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener
) -> None:
    wiki = Listener()
    signed_in = b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    b2b_idp.sign_in(maria, b2b_idp.app("Wiki", b2bIdp={"backchannelLogoutUri": wiki.uri}))
    walker = maria.driver._walker
    page = walker.get(f"{b2b_idp.issuer}/me")
    withdraws = next(n for n, form in enumerate(page.forms) if form.fields.get("app") == crm.client_id)
    walker.submit(page, withdraws)
    follow(b2b_idp)
    (token,) = listener.heard
    claims = b2b_idp.verify(token, crm.client_id)
    assert claims["sid"] == signed_in.id_token["sid"]
    assert claims["events"][SESSION_REVOKED]["initiating_entity"] == "user"
    assert wiki.heard == []
    wiki.server.shutdown()
    wiki.server.server_close()


def test_an_unrelated_change_ends_nothing_however_old_the_factors_are(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener
) -> None:
    """The age of a factor is judged when a token is asked for, not when an administrator edits something else."""
    b2b_idp.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "Hourly",
            "state": "enabled",
            "conditions": {"users": {"includeUsers": ["All"]}, "applications": {"includeApplications": ["All"]}},
            "sessionControls": {"signInFrequency": {"isEnabled": True, "type": "hours", "value": 1}},
        },
    )
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    moment = b2b_idp.idp.moment()
    later = replace(moment, at=moment.at + timedelta(hours=3))
    assert b2b_idp.idp.continuity.follow(later) == 0


def test_an_app_that_does_not_answer_is_told_again_and_given_up_at_last(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener
) -> None:
    listener.answers = 500
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    b2b_idp.graph("POST", f"/users/{maria.id}/revokeSignInSessions")
    moment = b2b_idp.idp.moment()
    for _ in range(ATTEMPTS + 2):
        b2b_idp.idp.notifier.deliver(moment)
        moment = replace(moment, at=moment.at + timedelta(hours=3))
    assert len(listener.heard) == ATTEMPTS
    assert len(set(listener.heard)) == ATTEMPTS


def test_a_notice_is_for_the_apps_of_the_session_that_want_it(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, listener: Listener
) -> None:
    wiki = b2b_idp.app("Wiki")
    b2b_idp.sign_in(maria, wiki, amr=["pwd", "mfa"])
    b2b_idp.graph("POST", f"/users/{maria.id}/revokeSignInSessions")
    follow(b2b_idp)
    assert listener.heard == []


def test_an_app_that_is_slow_delays_no_other(b2b_idp: Kit, maria: KitGuest, listener: Listener) -> None:
    """The slow one answers only when the other has been told."""
    slow = Listener()
    slow.ready.clear()
    for name, ear in (("Slow", slow), ("Quick", listener)):
        b2b_idp.sign_in(maria, b2b_idp.app(name, b2bIdp={"backchannelLogoutUri": ear.uri}))
    b2b_idp.graph("POST", f"/users/{maria.id}/revokeSignInSessions")
    told = b2b_idp.idp.notifier.begin(b2b_idp.idp.moment())
    assert listener.told.wait(20)
    assert not all(t.done() for t in told)
    assert b2b_idp.idp.notifier.begin(b2b_idp.idp.moment()) == []
    slow.ready.set()
    assert sum(t.result() for t in told) == 2
    slow.server.shutdown()
    slow.server.server_close()


@pytest.mark.parametrize("uri", ["http://app.example/logout", "https://app.example/#x", "javascript:alert(1)", ""])
def test_an_address_that_is_none_is_refused(b2b_idp: Kit, uri: str) -> None:
    with pytest.raises(AssertionError, match=": 400 "):
        b2b_idp.app("Bad", b2bIdp={"backchannelLogoutUri": uri})


def test_an_app_with_a_signing_key_of_its_own_is_told_in_its_own_terms(
    b2b_idp: Kit, crm: KitApp, maria: KitGuest, fabrikam: KitHome, listener: Listener
) -> None:
    definition = '{"ClaimsMappingPolicy": {"Version": 1, "issuerWithApplicationId": true}}'
    policy = b2b_idp.graph("POST", "/policies/claimsMappingPolicies", {"displayName": "P", "definition": [definition]})
    address = {"@odata.id": f"{b2b_idp.issuer}/v1.0/policies/claimsMappingPolicies/{policy['id']}"}
    b2b_idp.graph("POST", f"/servicePrincipals/{crm.sp_id}/claimsMappingPolicies/$ref", address)
    b2b_idp.sign_in(maria, crm, amr=["pwd", "mfa"])
    b2b_idp.graph("POST", f"/servicePrincipals/{crm.sp_id}/addTokenSigningCertificate", {"displayName": "CN=CRM"})
    withdraw_trust(b2b_idp, fabrikam)
    assert follow(b2b_idp) == 1
    metadata = b2b_idp.flask.test_client().get(f"/idp/{crm.client_id}/.well-known/openid-configuration").json
    keys = b2b_idp.flask.test_client().get(f"/idp/jwks?appid={crm.client_id}").json
    kid = jwt.get_unverified_header(listener.heard[0])["kid"]
    key = next(k for k in jwt.PyJWKSet.from_dict(keys).keys if k.key_id == kid)
    told = jwt.decode(listener.heard[0], key, ["RS256"], audience=crm.client_id, issuer=metadata["issuer"])
    assert told["events"][LOGOUT] == {}
