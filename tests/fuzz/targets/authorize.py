"""The parameters of an authorization request, by GET and by POST."""

from __future__ import annotations

import json
from random import Random

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets.provider import Pairs, Provider, query_of

CLAIMS = {"id_token": {"acr": {"essential": True, "values": ["phr"]}, "email": None}, "userinfo": {"name": None}}
MORE = {
    "prompt": "login none consent select_account",
    "max_age": "0",
    "acr_values": "mfa phr c1",
    "response_mode": "form_post.jwt",
    "claims": json.dumps(CLAIMS),
    "ui_locales": "de en",
    "domain_hint": "fabrikam.example",
    "id_token_hint": "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYSJ9.c2lnbmF0dXJl",
    "request": "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIn0.",
    "request_uri": "urn:ietf:params:oauth:request_uri:abc",
    "resource": "https://api.example",
    "dpop_jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
}
WORDS = (*MORE, *MORE.values(), "openid", "none", "code", "token", "query", "fragment", "S256", "plain")


class Authorize:
    def __init__(self) -> None:
        self._provider = Provider()

    def make(self, random: Random) -> tuple[str, str]:
        """The method, and the parameters."""
        edit = Mutator(random, WORDS)
        pairs: Pairs = list(self._provider.authorization().items())
        pairs += random.sample(list(MORE.items()), random.choice((0, 0, 1, 2)))
        for _ in range(random.choice((1, 1, 2, 3))):
            edit.parameters(pairs)
        return random.choice(("GET", "GET", "POST")), query_of(pairs, edit.often(0.2))

    def give(self, made: tuple[str, str]) -> bool:
        method, query = made
        if method == "GET":
            return self._provider.ask("GET", f"/authorize?{query}")[0] < 400
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._provider.ask("POST", "/authorize", headers, query.encode("utf-8", "replace"))[0] < 400

    def close(self) -> None:
        self._provider.close()
