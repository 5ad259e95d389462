"""b2b-idp, one worker, on either database. The app demands MFA and the partner is trusted: the whole decision runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import urllib3

from b2b_idp.model.moment import tenant_id_of
from benchmarks import postgres
from benchmarks.client import Client
from benchmarks.contenders.contender import CALLBACK, DOMAIN, SCOPE, Contender
from benchmarks.home import Home
from benchmarks.postgres import Postgres
from benchmarks.processes import Server, answers

PROGRAM = [sys.executable, "-m", "b2b_idp.cli"]
MFA = "https://refeds.org/profile/mfa"


class B2bIdp(Contender):
    """On SQLite: WAL, synchronous=FULL."""

    name: ClassVar[str] = "b2b-idp"

    def __init__(self, folder: Path, home: Home, cores: Collection[int]) -> None:
        super().__init__(folder, home, cores)
        self.client_credentials_scope = f"{self.issuer}/.default"
        self.instance = folder / "instance"
        self._http = urllib3.PoolManager()

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.instance / 'b2b-idp.sqlite3'}"

    @property
    def env(self) -> dict[str, str]:
        """Its settings, for commands too."""
        return {"B2B_IDP_ALLOW_PRIVATE_UPSTREAMS": "true", "B2B_IDP_GRAPH_REQUESTS": "1000000"}

    def start(self) -> None:
        self._init = json.loads(self.run("init", "--issuer", self.issuer, "--json").splitlines()[-1])
        self.server = self.serve(self.cores)

    def run(self, command: str, *arguments: str) -> str:
        """A command over the instance; what it printed."""
        argv = [*PROGRAM, command, "--data", str(self.instance), *arguments]
        return subprocess.run(argv, env=os.environ | self.env, capture_output=True, text=True, check=True).stdout

    def serve(self, cores: Collection[int], port: int | None = None) -> Server:
        """A server over the instance; `port` is the issuer's if None."""
        port = port or self.port
        argv = [*PROGRAM, "serve", "--data", str(self.instance), "--workers", "1", "--port", str(port)]
        ready = answers(f"http://127.0.0.1:{port}/readyz")
        return Server(argv, ready, cores, self.folder / f"server-{port}.log", env=self.env)

    def furnish(self, guests: Collection[str]) -> None:
        self.graph("/identity/identityProviders", self._home_document())
        partner = {
            "tenantId": tenant_id_of(self.home.issuer),
            "inboundTrust": {"isMfaAccepted": True},
            "automaticUserConsentSettings": {"inboundAllowed": True},
        }
        self.graph("/policies/crossTenantAccessPolicy/partners", partner)
        consent = {"adminConsent": [*SCOPE.split(), "offline_access"]}
        app = self.graph(
            "/applications", {"displayName": "App", "web": {"redirectUris": [CALLBACK]}, "b2bIdp": consent}
        )
        self.graph("/servicePrincipals", {"appId": app["appId"]})
        self._app = (app["appId"], self.graph(f"/applications/{app['id']}/addPassword", {})["secretText"])
        self.graph("/identity/conditionalAccess/policies", mfa_for({"includeUsers": ["GuestsOrExternalUsers"]}))
        client = self.client()
        for guest in guests:
            self.invite(guest)
            client.forget()
            client.sign_in(guest)

    def _home_document(self) -> dict[str, Any]:
        return {
            "@odata.type": "#microsoft.graph.oidcIdentityProvider",
            "displayName": "Home",
            "clientId": self.client_id(),
            "issuer": self.home.issuer,
            "wellKnownEndpoint": f"{self.home.issuer}/.well-known/openid-configuration",
            "responseType": "code",
            "scope": SCOPE,
            "clientAuthentication": {
                "@odata.type": "#microsoft.graph.oidcClientSecretAuthentication",
                "clientSecret": self.home.clients[self.client_id()],
            },
            "b2bIdp": {
                "domains": [DOMAIN],
                "authenticationContext": {
                    "profile": "rfc8176",
                    "stepUp": {"with": "acr_values", "values": [MFA]},
                },
            },
        }

    def client(self, *, offline: bool = False, servers: Sequence[str] = ()) -> Client:
        scope = f"{SCOPE} offline_access" if offline else SCOPE
        return Client(self.issuer, *self._app, CALLBACK, scope, self.home.issuer, servers=servers)

    def newcomers(self, count: int) -> Iterator[str]:
        guests = list(super().newcomers(count))
        for guest in guests:
            self.invite(guest)
        return iter(guests)

    def invite(self, guest: str) -> str:
        """Invites; the guest's object id."""
        invitation = {"invitedUserEmailAddress": guest, "inviteRedirectUrl": CALLBACK.removesuffix("callback")}
        invited: str = self.graph("/invitations", invitation)["invitedUser"]["id"]
        return invited

    def graph(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the Graph API as the first administrator."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._http.request("POST", f"{self._init['graph']}{path}", json=body, headers=headers)
        if answer.status >= 400:
            raise RuntimeError(f"POST {path}: {answer.status} {answer.data!r}")
        return answer.json() if answer.data else {}

    @cached_property
    def _token(self) -> str:
        admin = self._init["admin"]
        client = Client(self.issuer, admin["clientId"], admin["clientSecret"], CALLBACK, SCOPE, self.home.issuer)
        token: str = client.token(grant_type="client_credentials", scope=self.client_credentials_scope)["access_token"]
        return token


class B2bIdpPostgres(B2bIdp):
    """On a PostgreSQL of its own, on the same cores."""

    name = "b2b-idp, PostgreSQL"

    @classmethod
    def missing(cls) -> str | None:
        return postgres.missing()

    @property
    def database_url(self) -> str:
        return self._database

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"B2B_IDP_DATABASE_URL": self.database_url}

    def make_database(self) -> str:
        """The address of an empty database."""
        self.postgres = Postgres(self.folder / "postgres", self.cores)
        return self.postgres.database()

    def start(self) -> None:
        self._database = self.make_database()
        super().start()


def mfa_for(users: Mapping[str, list[str]]) -> dict[str, Any]:
    """A conditional access policy: every app wants MFA of these."""
    return {
        "displayName": "MFA",
        "state": "enabled",
        "conditions": {"users": users, "applications": {"includeApplications": ["All"]}, "clientAppTypes": ["all"]},
        "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
    }
