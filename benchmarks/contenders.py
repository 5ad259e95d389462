"""The two that are measured. Each starts its own server, furnished so that every scenario can run."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import urllib3
from client import Client
from processes import Server

from b2b_idp.model.moment import tenant_id_of
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.walker import Walker

PEER = Path(__file__).parent / "peer"
CALLBACK = "http://127.0.0.1:9/callback"
MFA = "https://refeds.org/profile/mfa"
SCOPE = "openid profile email"


def free_port() -> int:
    """A loopback port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Home:
    """The home tenant of both: its own process, its CPU time is not counted. `clients`: id to secret."""

    def __init__(self, core: int) -> None:
        port = free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        self.clients = {name: secrets.token_urlsafe(24) for name in ("b2b-idp", "peer")}
        config = json.dumps({"port": port, "clients": self.clients})
        probe = f"{self.issuer}/.well-known/openid-configuration"
        self.server = Server(["node", str(PEER / "home.mjs"), config], probe, core)


class Contender(ABC):
    """A provider under measurement. `guests` may sign in without typing anything once `furnish` is through."""

    name: str
    client_credentials_scope: str
    server: Server

    def __init__(self, data: Path, home: Home) -> None:
        data.mkdir(parents=True)
        self.data, self.home = data, home
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def start(self, core: int) -> None:
        """Runs the server, pinned to `core`."""

    @abstractmethod
    def furnish(self, guests: list[str]) -> None:
        """Registers the app and the guests."""

    @abstractmethod
    def client(self, *, offline: bool = False) -> Client:
        """The app with a browser of its own. Refresh tokens are made, and stored, only for an `offline` one."""


class B2bIdp(Contender):
    """b2b-idp with SQLite, one worker. The app demands MFA and the partner is trusted: the whole decision runs."""

    name = "b2b-idp"

    def __init__(self, data: Path, home: Home) -> None:
        super().__init__(data, home)
        self.client_credentials_scope = f"{self.issuer}/.default"
        self._program = [sys.executable, "-m", "b2b_idp.cli"]
        self._env = {"B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true"}
        init = [*self._program, "init", "--data", str(data / "instance"), "--issuer", self.issuer, "--json"]
        made = subprocess.run(init, env=os.environ | self._env, stdout=subprocess.PIPE, text=True, check=True)
        self._init: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
        self._token = ""

    def start(self, core: int) -> None:
        serve = [*self._program, "serve", "--data", str(self.data / "instance"), "--workers", "1"]
        self.server = Server(serve, f"{self.issuer}/readyz", core, self._env)

    def furnish(self, guests: list[str]) -> None:
        tenant = tenant_id_of(self.home.issuer)
        self._graph(
            "/identity/identityProviders",
            {
                "@odata.type": "#microsoft.graph.oidcIdentityProvider",
                "displayName": "Home",
                "clientId": "b2b-idp",
                "issuer": self.home.issuer,
                "wellKnownEndpoint": f"{self.home.issuer}/.well-known/openid-configuration",
                "responseType": "code",
                "scope": SCOPE,
                "clientAuthentication": {
                    "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
                    "clientSecret": self.home.clients["b2b-idp"],
                },
                "b2bIdp": {
                    "domains": sorted({guest.partition("@")[2] for guest in guests}),
                    "authenticationContext": {
                        "profile": "rfc8176",
                        "stepUp": {"with": "acr_values", "values": [MFA]},
                    },
                },
            },
        )
        self._graph(
            "/policies/crossTenantAccessPolicy/partners",
            {"tenantId": tenant, "inboundTrust": {"isMfaAccepted": True}},
        )
        app = self._graph("/applications", {"displayName": "App", "web": {"redirectUris": [CALLBACK]}})
        self._graph("/servicePrincipals", {"appId": app["appId"]})
        self._app = (app["appId"], self._graph(f"/applications/{app['id']}/addPassword", {})["secretText"])
        self._graph(
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
        for guest in guests:
            self._redeem(guest)

    def _redeem(self, guest: str) -> None:
        """Takes up an invitation by its link, then signs in and consents at the app."""
        back = CALLBACK.removesuffix("/callback")
        invited = self._graph("/invitations", {"invitedUserEmailAddress": guest, "inviteRedirectUrl": back})
        driver = GuestDriver(Walker(stop_at=back), lambda: None)
        asked, _ = self.client(offline=True).begin(guest)
        for start in (invited["inviteRedeemUrl"], asked):
            walk = driver.walk(start)
            if not walk.finished:
                raise RuntimeError(f"{guest} stopped at {walk.end.url}: {walk.end.text[-500:]}")

    def client(self, *, offline: bool = False) -> Client:
        return Client(self.issuer, *self._app, CALLBACK, f"{SCOPE} offline_access" if offline else SCOPE)

    def _graph(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not self._token:
            admin = self._init["admin"]
            client = Client(self.issuer, admin["clientId"], admin["clientSecret"], CALLBACK, SCOPE)
            self._token = client.token(grant_type="client_credentials", scope=self.client_credentials_scope)[
                "access_token"
            ]
        answer = urllib3.request(
            "POST",
            f"{self._init['graph']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {answer.data!r}")
        return answer.json() if answer.data else {}


class Peer(Contender):
    """npm oidc-provider with a durable SQLite adapter. It believes its home and has no policy to decide."""

    name = "oidc-provider"
    client_credentials_scope = "api"

    def __init__(self, data: Path, home: Home) -> None:
        super().__init__(data, home)
        self._secret = secrets.token_urlsafe(24)

    def start(self, core: int) -> None:
        # oidc-provider drops offline_access without prompt=consent: here the app's registration says it.
        apps = [
            {
                "client_id": client_id,
                "client_secret": self._secret,
                "redirect_uris": [CALLBACK],
                "grant_types": ["authorization_code", "client_credentials", *more],
            }
            for client_id, more in (("app", []), ("offline-app", ["refresh_token"]))
        ]
        home = {"issuer": self.home.issuer, "clientId": "peer", "clientSecret": self.home.clients["peer"]}
        config = {"port": self.port, "data": str(self.data), "clients": apps, "home": home}
        probe = f"{self.issuer}/.well-known/openid-configuration"
        self.server = Server(["node", str(PEER / "peer.mjs"), json.dumps(config)], probe, core)

    def furnish(self, guests: list[str]) -> None:
        for guest in guests:
            self.client().sign_in(guest)

    def client(self, *, offline: bool = False) -> Client:
        return Client(self.issuer, "offline-app" if offline else "app", self._secret, CALLBACK, SCOPE)
