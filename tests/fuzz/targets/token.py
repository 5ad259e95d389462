"""The form of the token endpoint, and how its client authenticates."""

from __future__ import annotations

import json
from base64 import b64encode
from random import Random
from urllib.parse import quote

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets.provider import VERIFIER, Pairs, Provider, query_of

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSJ9.c2lnbmF0dXJl"
WORDS = (
    *("grant_type", "code", "refresh_token", "client_id", "client_secret", "client_assertion", "client_assertion_type"),
    *("scope", "resource", "audience", "subject_token", "code_verifier", "redirect_uri", "device_code", "openid"),
    *("offline_access", "client_credentials", "authorization_code", EXCHANGE, DEVICE, ASSERTION, ACCESS, JWT),
)
FORM = "application/x-www-form-urlencoded"
FRESH = 0.002
"""The share of inputs before which a guest signs in anew, so that there is a live refresh token among them."""


class Token:
    def __init__(self) -> None:
        self._provider = Provider()
        self._refresh = ""

    def make(self, random: Random) -> tuple[dict[str, str], bytes]:
        """The headers, and the body."""
        edit, app = Mutator(random, WORDS), self._provider.app
        if not self._refresh or edit.often(FRESH):
            done = self._provider.kit.come(self._provider.guest, app, scope="openid offline_access")
            self._refresh = str(done.tokens["refresh_token"])
        pairs = self._form(random)
        headers = {"Content-Type": FORM if edit.often(0.97) else edit.text(FORM)}
        match random.randrange(8):
            case 0 | 1:
                pairs += [("client_id", app.client_id), ("client_secret", app.client_secret)]
            case 2:
                pairs += [("client_id", app.client_id), ("client_assertion", JWT), ("client_assertion_type", ASSERTION)]
            case 3:
                word = edit.text(f"{quote(app.client_id)}:{quote(app.client_secret)}").encode("utf-8", "replace")
                headers["Authorization"] = f"Basic {b64encode(word).decode()}"
            case 4:
                headers["DPoP"] = edit.text(JWT)
                pairs += [("client_id", app.client_id), ("client_secret", app.client_secret)]
            case 5:
                pass
            case _:
                word = f"{quote(app.client_id)}:{quote(app.client_secret)}".encode()
                headers["Authorization"] = f"Basic {b64encode(word).decode()}"
        for _ in range(random.choice((0, 1, 1, 2, 3))):
            edit.parameters(pairs, crowded=0.05)
        body = query_of(pairs, edit.often(0.2)).encode("utf-8", "replace")
        return headers, edit.raw(body) if edit.often(0.05) else body

    def _form(self, random: Random) -> Pairs:
        api = self._provider.issuer
        return random.choice(
            (
                [("grant_type", "client_credentials"), ("scope", f"{api}/.default")],
                [("grant_type", "refresh_token"), ("refresh_token", self._refresh), ("scope", "openid")],
                [
                    ("grant_type", "authorization_code"),
                    ("code", self._refresh[::-1]),
                    ("code_verifier", VERIFIER),
                    ("redirect_uri", self._provider.app.redirect_uri),
                ],
                [("grant_type", DEVICE), ("device_code", self._refresh)],
                [
                    ("grant_type", EXCHANGE),
                    ("subject_token", JWT),
                    ("subject_token_type", ACCESS),
                    ("audience", api),
                    ("resource", api),
                ],
            )
        )

    def give(self, made: tuple[dict[str, str], bytes]) -> bool:
        headers, body = made
        clean = {k: v.encode("latin-1", "ignore").decode("latin-1") for k, v in headers.items()}
        status, _, data = self._provider.ask("POST", "/token", clean, body)
        answer = json.loads(data)
        if status != 200:
            assert answer["error"], answer
            return False
        self._refresh = answer.get("refresh_token", self._refresh)
        return True

    def close(self) -> None:
        self._provider.close()
