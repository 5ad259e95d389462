"""The world of the real parts: a production instance, a foreign home tenant, a relying party."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from b2b_idp.model.moment import tenant_id_of
from b2b_idp.testing.guest import GuestDriver, Walk
from b2b_idp.testing.walker import Page, Walker
from tests.ports import free_port
from tests.real.instance import Instance
from tests.real.keycloak import Keycloak, shared_keycloak
from tests.real.nodes import Browser, ForeignHome, RelyingParty, foreign_home
from tests.real.wordless import WordlessHome

MFA = "https://refeds.org/profile/mfa"
CALLBACK = "http://127.0.0.1:9/callback"

ACCOUNTS: dict[str, dict[str, Any]] = {
    f"{login}@foreign.example": {
        "sub": login,
        "factors": factors,
        "name": name,
        "email": f"{login}@foreign.example",
        "email_verified": True,
    }
    for login, name, factors in (("mia", "Mia Maple", "mfa"), ("pat", "Pat Pine", "ask"), ("sol", "Sol Spruce", "pwd"))
}


@dataclass
class World:
    """Everything that a test needs: the instance, the home's addresses, the app and its relying party."""

    instance: Instance
    home: ForeignHome
    tenant_id: str
    app: dict[str, str]
    rp: RelyingParty
    drivers: dict[str, GuestDriver] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

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
        self.links[email] = invited["inviteRedeemUrl"]
        return self.links[email]

    def driver(self, email: str) -> GuestDriver:
        """The guest's own browser."""
        if email not in self.drivers:

            def at_home(walker: Walker, page: Page) -> Page | None:
                if not page.url.startswith(self.home.issuer):
                    return None
                known = {"login": email, "password": "password", "otp": "123456"}
                return walker.submit(page, **{k: known[k] for k in page.forms[0].fields if k in known})

            walker = Walker(stop_at=CALLBACK.rsplit("/", 1)[0])
            self.drivers[email] = GuestDriver(walker, lambda: None, at_home, time.sleep)
        return self.drivers[email]

    def start_url(self, **parameters: str) -> str:
        return self.rp.start(
            self.instance.issuer,
            self.app["appId"],
            CALLBACK,
            client_secret=self.app["secret"],
            params=parameters,
        )

    def sign_in(self, email: str, **parameters: str) -> tuple[dict[str, Any], Walk]:
        """Signs in through the relying party; what it made of the answer, and the guest's way."""
        walk = self.driver(email).walk(self.start_url(login_hint=email, **parameters))
        assert walk.finished, (walk.pages, walk.end.url, walk.end.text[-800:])
        return self.rp.finish(walk.end.url), walk

    def log(self, email: str) -> dict[str, Any]:
        rows = self.instance.graph("GET", f"/auditLogs/signIns?$filter=userId eq '{self.users[email]}'")["value"]
        row: dict[str, Any] = rows[0]
        return row


def redirect_uri(instance: Instance, home_issuer: str) -> str:
    return f"{instance.issuer}/federation/{tenant_id_of(home_issuer)}/callback"


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    instance = Instance(tmp_path / "data", free_port())
    with foreign_home(ACCOUNTS, lambda issuer: redirect_uri(instance, issuer)) as home, RelyingParty() as rp:
        instance.start()
        try:
            yield furnished(instance, home, rp)
        finally:
            instance.stop()


BY_KEY = {"@odata.type": "#microsoft.graph.oidcPrivateJwtKeyClientAuthentication"}
REFEDS = {"profile": "rfc8176", "stepUp": {"with": "acr_values", "values": [MFA]}}


def furnished(
    instance: Instance,
    home: ForeignHome | Keycloak | WordlessHome,
    rp: RelyingParty,
    context: dict[str, Any] = REFEDS,
    by_key: bool = False,
) -> World:
    """Configured over HTTP only, as an administrator would. `context`: the home's authenticationContext. `by_key`: the
    instance proves itself there by its keys, not by a secret."""
    secret = {
        "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
        "clientSecret": home.client_secret,
    }
    tenant_id, back = tenant_id_of(home.issuer), redirect_uri(instance, home.issuer)
    made = instance.graph(
        "POST",
        "/identity/identityProviders",
        {
            "@odata.type": "#microsoft.graph.oidcIdentityProvider",
            "displayName": "Foreign",
            "clientId": home.client_id,
            "issuer": home.issuer,
            "wellKnownEndpoint": f"{home.issuer}/.well-known/openid-configuration",
            "responseType": "code",
            "scope": "openid profile email",
            "clientAuthentication": BY_KEY if by_key else secret,
            "b2bIdp": {
                "domains": [home.domain],
                "authenticationContext": context,
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
    return World(instance, home, tenant_id, {"appId": app["appId"], "secret": secret}, rp)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A fresh profile; nothing that it shows may give the console an error to report."""
    chromium.ask("new")
    yield chromium
    assert chromium.complaints() == []


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """One server for all the workers of a run."""
    folder = tmp_path_factory.getbasetemp()
    with shared_keycloak(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as running:
        yield running
