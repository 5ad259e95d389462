"""Dex on PostgreSQL, with its sessions switched on. Both of its tokens are RS256: it signs with one key."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from benchmarks import postgres
from benchmarks.client import Client
from benchmarks.contenders.contender import CALLBACK, SCOPE, Contender, first_sign_ins
from benchmarks.postgres import Postgres
from benchmarks.processes import Server, answers
from tests.real.go_parts import go_program

MODULE = Path(__file__).parents[1] / "dex"
FLAGS = ("-trimpath", "-ldflags=-s -w")


class Dex(Contender):
    """A broker without policies or invitations: whoever the home vouches for is in."""

    name = "Dex"
    client_credentials_scope = "openid"

    @classmethod
    def missing(cls) -> str | None:
        return postgres.missing()

    def start(self) -> None:
        program = go_program(MODULE, ".", "dex", FLAGS)
        self.postgres = Postgres(self.folder / "postgres", self.cores)
        self.postgres.database()
        config = {
            "issuer": self.issuer,
            "listen": f"127.0.0.1:{self.port}",
            "database": {"port": self.postgres.port, "name": "b2b_1"},
            "clients": [{"id": "app", "secret": self.secret, "redirectURIs": [CALLBACK], "name": "App"}],
            "home": {
                "issuer": self.home.issuer,
                "clientID": self.client_id(),
                "clientSecret": self.home.clients[self.client_id()],
                "redirectURI": f"{self.issuer}/callback",
            },
        }
        ready = answers(f"{self.issuer}/.well-known/openid-configuration")
        self.server = Server([program, json.dumps(config)], ready, self.cores, self.folder / "server.log")

    def furnish(self, guests: Collection[str]) -> None:
        first_sign_ins(self, guests)

    def client(self, *, offline: bool = False) -> Client:
        scope = f"{SCOPE} offline_access" if offline else SCOPE
        return Client(self.issuer, "app", self.secret, CALLBACK, scope, self.home.issuer)
