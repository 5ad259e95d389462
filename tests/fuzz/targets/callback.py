"""What a browser brings back from a home: parameters of the redirect URI."""

from __future__ import annotations

from random import Random

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets.provider import Pairs, Provider, query_of

WORDS = ("code", "state", "iss", "error", "error_description", "response", "id_token", "session_state", "access_denied")
FRESH = 0.04
"""The share of inputs before which a guest goes home anew: most of a home's answers are of no sign-in that waits."""


class Callback:
    def __init__(self) -> None:
        self._provider = Provider()
        self._tenant = self._provider.home.tenant_id
        self._waiting, self._cookie = self._provider.departure()

    def make(self, random: Random) -> tuple[str, str]:
        """The path with its query, and the cookie."""
        edit = Mutator(random, WORDS)
        if edit.often(FRESH):
            self._waiting, self._cookie = self._provider.departure()
        said = random.choice(({"code": "a-code-of-this-home"}, {"error": "access_denied", "error_description": "no"}))
        pairs: Pairs = [*said.items(), ("state", self._waiting["state"])]
        if edit.often(0.5):
            pairs.append(("iss", self._provider.home.provider.issuer))
        for _ in range(random.choice((0, 1, 1, 2))):
            edit.parameters(pairs)
        cookie = edit.text(self._cookie) if edit.often(0.1) else self._cookie
        tenant = self._tenant if edit.often(0.97) else random.choice((edit.text(self._tenant)[:80], "0" * 32))
        path = f"/federation/{query_of([('', tenant)], rude=False)[1:]}/callback"
        return f"{path}?{query_of(pairs, edit.often(0.2))}", cookie.encode("ascii", "ignore").decode()

    def give(self, made: tuple[str, str]) -> bool:
        path, cookie = made
        return self._provider.ask("GET", path, {"Cookie": cookie})[0] < 400

    def close(self) -> None:
        self._provider.close()
