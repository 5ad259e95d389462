"""The world of the real parts: a production instance, a foreign home tenant, a relying party."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from b2b_idp.model.moment import tenant_id_of
from b2b_idp.testing.guest import GuestDriver, Walk
from b2b_idp.testing.walker import Page, Walker
from tests.real.instance import Instance
from tests.real.nodes import Lines, foreign_home, free_port

MFA = "https://refeds.org/profile/mfa"
CALLBACK = "http://127.0.0.1:9/callback"
SECRET = "of-the-foreign-home"

ACCOUNTS: dict[str, dict[str, Any]] = {
    "mia@foreign.example": {"sub": "mia", "name": "Mia Maple", "unasked": ["pwd", "otp", "mfa"], "asked": None},
    "pat@foreign.example": {"sub": "pat", "name": "Pat Pine", "unasked": ["pwd"], "asked": ["pwd", "otp", "mfa"]},
    "sol@foreign.example": {"sub": "sol", "name": "Sol Spruce", "unasked": ["pwd"], "asked": None},
}


@dataclass
class World:
    """Everything that a test needs: the instance, the home's addresses, the app and its relying party."""

    instance: Instance
    home_issuer: str
    tenant_id: str
    app: dict[str, str]
    rp: Lines
    drivers: dict[str, GuestDriver] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)

    def trust(self, mfa: bool) -> None:
        self.instance.graph(
            "PATCH",
            f"/policies/crossTenantAccessPolicy/partners/{self.tenant_id}",
            {"inboundTrust": {"isMfaAccepted": mfa}},
        )

    def invite(self, email: str) -> str:
        """Invites and gives the link."""
        invited = self.instance.graph(
            "POST",
            "/invitations",
            {"invitedUserEmailAddress": email, "inviteRedirectUrl": CALLBACK.rsplit("/", 1)[0]},
        )
        self.users[email] = invited["invitedUser"]["id"]
        return str(invited["inviteRedeemUrl"])

    def driver(self, email: str) -> GuestDriver:
        """The guest's own browser."""
        if email not in self.drivers:

            def at_home(walker: Walker, page: Page) -> Page | None:
                return walker.submit(page, username=email) if page.url.startswith(self.home_issuer) else None

            self.drivers[email] = GuestDriver(Walker(stop_at=CALLBACK.rsplit("/", 1)[0]), lambda: None, at_home)
        return self.drivers[email]

    def start_url(self, **parameters: str) -> str:
        scope = "openid profile email offline_access"
        return str(self.rp("start", redirectUri=CALLBACK, scope=scope, **parameters)["url"])

    def sign_in(self, email: str, **parameters: str) -> tuple[dict[str, Any], Walk]:
        """Signs in through the relying party; its verified tokens and the guest's way."""
        walk = self.driver(email).walk(self.start_url(login_hint=email, **parameters))
        assert walk.finished, (walk.pages, walk.end.url, walk.end.text[-800:])
        return self.rp("finish", url=walk.end.url), walk

    def log(self, email: str) -> dict[str, Any]:
        rows = self.instance.graph("GET", f"/auditLogs/signIns?$filter=userId eq '{self.users[email]}'")["value"]
        row: dict[str, Any] = rows[0]
        return row

    def home_events(self) -> list[dict[str, Any]]:
        walker = Walker()
        events: list[dict[str, Any]] = json.loads(walker.get(f"{self.home_issuer}/_log").text)
        return events


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    port, home_port = free_port(), free_port()
    instance = Instance(tmp_path / "data", port)
    home_issuer = f"http://127.0.0.1:{home_port}"
    tenant_id = tenant_id_of(home_issuer)
    back = f"{instance.issuer}/federation/{tenant_id}/callback"
    with foreign_home(home_port, back, ACCOUNTS, SECRET):
        instance.start()
        rp = Lines("rp.mjs")
        try:
            yield furnished(instance, home_issuer, tenant_id, back, rp)
        finally:
            rp.close()
            instance.stop()


def furnished(instance: Instance, home_issuer: str, tenant_id: str, back: str, rp: Lines) -> World:
    """Configured over HTTP only, as an administrator would."""
    made = instance.graph(
        "POST",
        "/identity/identityProviders",
        {
            "@odata.type": "#microsoft.graph.oidcIdentityProvider",
            "displayName": "Foreign",
            "clientId": "b2b",
            "issuer": home_issuer,
            "wellKnownEndpoint": f"{home_issuer}/.well-known/openid-configuration",
            "responseType": "code",
            "scope": "openid profile email",
            "clientAuthentication": {
                "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
                "clientSecret": SECRET,
            },
            "b2bIdp": {
                "domains": ["foreign.example"],
                "authenticationContext": {"profile": "rfc8176", "stepUp": {"with": "acr_values", "values": [MFA]}},
            },
        },
    )
    assert (made["b2bIdp"]["tenantId"], made["b2bIdp"]["redirectUri"]) == (tenant_id, back)
    instance.graph(
        "POST",
        "/policies/crossTenantAccessPolicy/partners",
        {"tenantId": tenant_id, "inboundTrust": {"isMfaAccepted": True}},
    )
    app = instance.graph("POST", "/applications", {"displayName": "CRM", "web": {"redirectUris": [CALLBACK]}})
    instance.graph("POST", "/servicePrincipals", {"appId": app["appId"]})
    secret = instance.graph("POST", f"/applications/{app['id']}/addPassword", {})["secretText"]
    instance.graph(
        "POST",
        "/identity/conditionalAccess/policies",
        {
            "displayName": "MFA for guests",
            "state": "enabled",
            "conditions": {
                "users": {"includeUsers": ["GuestsOrExternalUsers"]},
                "applications": {"includeApplications": [app["appId"]]},
                "clientAppTypes": ["all"],
            },
            "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
        },
    )
    rp("discover", issuer=instance.issuer, clientId=app["appId"], clientSecret=secret)
    return World(instance, home_issuer, tenant_id, {"appId": app["appId"], "secret": secret}, rp)
