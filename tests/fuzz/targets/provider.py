"""A provider in this process, with what the endpoints' targets need: an app, a guest, a home that answers."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from b2b_idp.testing.values import KitApp, KitGuest
from b2b_idp.testing.wsgi import exchange
from tests.faults.faulty_kit import FaultyKit

Pairs = list[tuple[str, str]]
CHALLENGE, VERIFIER = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


class Fault(Exception):
    """An answer that no input may have."""


class Provider:
    """Its database is a file, so that what an endpoint writes is not taken for a leak of memory."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="b2b-idp-fuzz-"))
        self.kit = FaultyKit(f"sqlite:///{self._folder / 'b2b.sqlite3'}", self._folder / "keys")
        self.issuer = self.kit.issuer
        self.home = self.kit.home_tenant("fabrikam.example", trust_mfa=True)
        self.app: KitApp = self.kit.app("CRM")
        self.guest: KitGuest = self.kit.invite("ada@fabrikam.example")
        self.kit.come(self.guest, self.app, amr=["pwd"])
        self.kit.script(self.guest, amr=["pwd"])
        self.statuses: Counter[int] = Counter()

    def close(self) -> None:
        self.kit.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def authorization(self, **different: str) -> dict[str, str]:
        """The parameters of an authorization request."""
        return {
            "client_id": self.app.client_id,
            "redirect_uri": self.app.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email offline_access",
            "state": "a state",
            "nonce": "a nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "login_hint": self.guest.email,
        } | different

    def departure(self) -> tuple[dict[str, str], str]:
        """Of a sign-in that has just gone home: the query of the request there, and the browser's cookie."""
        status, headers, _ = self.ask("GET", f"/authorize?{urlencode(self.authorization(prompt='login'))}")
        sent = dict(headers)
        assert status == 303, status
        query = dict(parse_qsl(urlsplit(sent["Location"]).query))
        return query, "; ".join(v.partition(";")[0] for k, v in headers if k == "Set-Cookie")

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, Sequence[tuple[str, str]], bytes]:
        """A request; raises Fault for an answer that no input may have."""
        status, answered, data = exchange(self.kit.flask, method, self.issuer + path, headers or {}, body)
        self.statuses[status] += 1
        if status >= 500:
            raise Fault(f"status {status}")
        return status, answered, data


def query_of(pairs: Pairs, rude: bool) -> str:
    """A query. With `rude` nothing is encoded but what would end the line of the request."""
    if not rude:
        return urlencode(pairs, errors="replace")
    text = "&".join(f"{k}={v}" for k, v in pairs)
    return text.encode("utf-8", "replace").decode("latin-1").replace("\r", "").replace("\n", "").replace("#", "")
