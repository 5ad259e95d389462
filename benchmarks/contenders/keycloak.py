"""Keycloak on PostgreSQL, brokering the home: the distribution that the tests have, built for another database."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from benchmarks import postgres
from benchmarks.client import Client
from benchmarks.contenders.contender import CALLBACK, SCOPE, Contender, first_sign_ins
from benchmarks.postgres import Postgres
from benchmarks.processes import Server, answers
from tests.real.keycloak import distribution, lay_out

BUILD = ("--db=postgres",)
HEAP = "-Xms512m -Xmx1024m"


class Keycloak(Contender):
    """Its sessions are in the database, refresh tokens rotate, and who is new is made a user without a page."""

    name = "Keycloak"
    warm_up = 8.0
    client_credentials_scope = "profile"

    @classmethod
    def missing(cls) -> str | None:
        return postgres.missing()

    def start(self) -> None:
        installed, here = distribution(BUILD), self.folder / "keycloak"
        self.postgres = Postgres(self.folder / "postgres", self.cores)
        database = self.postgres.database()
        self.issuer += "/realms/bench"
        lay_out(installed, here, self._realm())
        argv = [
            *(str(here / "bin" / "kc.sh"), "start", "--optimized", "--import-realm", "--cache=local"),
            *("--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self.port}", "--hostname-strict=false"),
            *("--log-level=warn", "--db-username=postgres", "--db-password=none"),
            "--db-url=jdbc:" + database.replace("postgres@", "", 1),
        ]
        ready = answers(f"{self.issuer}/.well-known/openid-configuration")
        env = {"JAVA_OPTS_KC_HEAP": os.environ.get("JAVA_OPTS_KC_HEAP", HEAP)}
        self.server = Server(argv, ready, self.cores, self.folder / "server.log", env=env)

    def furnish(self, guests: Collection[str]) -> None:
        first_sign_ins(self, guests)

    def client(self, *, offline: bool = False) -> Client:
        name = "offline-app" if offline else "app"
        return Client(self.issuer, name, self.secret, CALLBACK, SCOPE, self.home.issuer, more={"kc_idp_hint": "home"})

    def _realm(self) -> dict[str, Any]:
        home = {
            "issuer": self.home.issuer,
            "authorizationUrl": f"{self.home.issuer}/authorize",
            "tokenUrl": f"{self.home.issuer}/token",
            "jwksUrl": f"{self.home.issuer}/jwks",
            "clientId": self.client_id(),
            "clientSecret": self.home.clients[self.client_id()],
            "clientAuthMethod": "client_secret_basic",
            "defaultScope": SCOPE,
            "useJwksUrl": "true",
            "validateSignature": "true",
            "pkceEnabled": "true",
            "pkceMethod": "S256",
            "syncMode": "IMPORT",
            "disableUserInfo": "true",
        }
        return {
            "realm": "bench",
            "enabled": True,
            "sslRequired": "none",
            "accessTokenLifespan": 600,
            "revokeRefreshToken": True,
            "refreshTokenMaxReuse": 0,
            "clients": [self._app("app", "false"), self._app("offline-app", "true")],
            "identityProviders": [
                {"alias": "home", "providerId": "oidc", "enabled": True, "trustEmail": True, "config": home}
            ],
        }

    def _app(self, name: str, refreshes: str) -> dict[str, Any]:
        return {
            "clientId": name,
            "protocol": "openid-connect",
            "secret": self.secret,
            "redirectUris": [CALLBACK],
            "serviceAccountsEnabled": True,
            "attributes": {
                "use.refresh.tokens": refreshes,
                "pkce.code.challenge.method": "S256",
                "access.token.signed.response.alg": "ES256",
            },
        }
