"""The measuring client: one app and one browser, on keep-alive connections. One a thread."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urljoin, urlsplit

import urllib3

MAX_REDIRECTS = 12


class WrongAnswer(Exception):
    """A server did not do what was measured: the numbers would mean nothing."""


@dataclass
class Client:
    """An app at `issuer`, registered as `client_id` with `client_secret` and `redirect_uri`; it asks for `scope`."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str
    authorize_url: str = field(init=False)
    token_url: str = field(init=False)

    def __post_init__(self) -> None:
        self._pools: dict[str, urllib3.HTTPConnectionPool] = {}
        self._cookies: dict[str, dict[str, str]] = {}
        basic = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        self._authorization = f"Basic {base64.b64encode(basic.encode()).decode()}"
        metadata = self.discover()
        self.authorize_url, self.token_url = metadata["authorization_endpoint"], metadata["token_endpoint"]

    def discover(self) -> dict[str, Any]:
        answer = self._send("GET", f"{self.issuer}/.well-known/openid-configuration")
        if answer.status != 200:
            raise WrongAnswer(f"discovery: {answer.status}")
        metadata: dict[str, Any] = answer.json()
        return metadata

    def token(self, **form: str) -> dict[str, Any]:
        """The token endpoint's answer to `form`."""
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = self._send("POST", self.token_url, urlencode(form), headers)
        if answer.status != 200:
            raise WrongAnswer(f"{form['grant_type']}: {answer.status} {answer.data[:300]!r}")
        tokens: dict[str, Any] = answer.json()
        return tokens

    def begin(self, login_hint: str) -> tuple[str, str]:
        """An authorization request's URL and its PKCE verifier."""
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.scope,
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": login_hint,
        }
        return f"{self.authorize_url}?{urlencode(asked)}", verifier

    def finish(self, callback: str, verifier: str) -> dict[str, Any]:
        """The tokens for a callback URL."""
        code = parse_qs(urlsplit(callback).query).get("code")
        if not code:
            raise WrongAnswer(f"no code in {callback}")
        return self.token(
            grant_type="authorization_code", code=code[0], redirect_uri=self.redirect_uri, code_verifier=verifier
        )

    def sign_in(self, login_hint: str) -> dict[str, Any]:
        """The tokens of a sign-in in which nobody has to type: redirects from the app back to the app."""
        url, verifier = self.begin(login_hint)
        for _ in range(MAX_REDIRECTS):
            answer = self._browse(url)
            location = answer.headers.get("Location")
            if answer.status not in (302, 303) or location is None:
                raise WrongAnswer(f"{url}: {answer.status} {answer.data[:300]!r}")
            url = urljoin(url, location)
            if url.startswith(self.redirect_uri):
                return self.finish(url, verifier)
        raise WrongAnswer(f"more than {MAX_REDIRECTS} redirects")

    def forget(self) -> None:
        """A browser opened anew: no cookies."""
        self._cookies.clear()

    def _browse(self, url: str) -> urllib3.BaseHTTPResponse:
        kept = self._cookies.setdefault(urlsplit(url).netloc, {})
        headers = {"Accept": "text/html"}
        if kept:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        answer = self._send("GET", url, headers=headers)
        for line in answer.headers.getlist("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if value:
                kept[name] = value
            else:
                kept.pop(name, None)
        return answer

    def _send(
        self, method: str, url: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        parts = urlsplit(url)
        pool = self._pools.get(parts.netloc)
        if pool is None:
            pool = self._pools[parts.netloc] = urllib3.HTTPConnectionPool(
                parts.hostname or "", parts.port, maxsize=1, retries=False, timeout=30
            )
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return pool.request(method, target, body=body, headers=headers, redirect=False)
