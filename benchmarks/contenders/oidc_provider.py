"""npm oidc-provider with durable adapters. It believes its home and has no policy to decide."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar

from benchmarks import postgres
from benchmarks.client import Client
from benchmarks.contenders.contender import CALLBACK, SCOPE, Contender, first_sign_ins
from benchmarks.postgres import Postgres
from benchmarks.processes import Server, answers

NODE = Path(__file__).parents[1] / "peer"


class OidcProvider(Contender):
    """On SQLite: WAL, synchronous=FULL."""

    name: ClassVar[str] = "oidc-provider"
    client_credentials_scope = "api"

    @classmethod
    def missing(cls) -> str | None:
        there = (NODE / "node_modules").is_dir()
        return None if there else "benchmarks/peer/node_modules is missing: run `make bench`"

    def start(self) -> None:
        # oidc-provider drops offline_access without prompt=consent: here the app's registration says it.
        apps = [
            {
                "client_id": client_id,
                "client_secret": self.secret,
                "redirect_uris": [CALLBACK],
                "grant_types": ["authorization_code", "client_credentials", *more],
            }
            for client_id, more in (("app", []), ("offline-app", ["refresh_token"]))
        ]
        home = {
            "issuer": self.home.issuer,
            "clientId": self.client_id(),
            "clientSecret": self.home.clients[self.client_id()],
        }
        config = {"port": self.port, "database": self.database(), "clients": apps, "home": home}
        ready = answers(f"{self.issuer}/.well-known/openid-configuration")
        argv = ["node", str(NODE / "peer.mjs"), json.dumps(config)]
        self.server = Server(argv, ready, self.cores, self.folder / "server.log", env={"NODE_ENV": "production"})

    def database(self) -> dict[str, Any]:
        """Which adapter it has, and over what."""
        return {"adapter": "sqlite", "at": str(self.folder / "peer.sqlite")}

    def furnish(self, guests: Collection[str]) -> None:
        first_sign_ins(self, guests)

    def client(self, *, offline: bool = False) -> Client:
        name = "offline-app" if offline else "app"
        return Client(self.issuer, name, self.secret, CALLBACK, SCOPE, self.home.issuer)


class OidcProviderPostgres(OidcProvider):
    """On a PostgreSQL of its own, on the same cores."""

    name = "oidc-provider, PostgreSQL"

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or postgres.missing()

    def database(self) -> dict[str, Any]:
        self.postgres = Postgres(self.folder / "postgres", self.cores)
        return {"adapter": "postgres", "at": self.postgres.database()}
