"""The measuring client: one app and one browser, on keep-alive connections. One a thread."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlencode, urljoin, urlsplit

from benchmarks.proofs import Key
from benchmarks.wire import Answer, Connection

MAX_REDIRECTS = 12


class WrongAnswer(Exception):
    """A server did not do what was measured: the numbers would mean nothing."""


@dataclass
class Client:
    """An app at `issuer`, registered as `client_id` with `client_secret` and `redirect_uri`; it asks for `scope`, and
    `more` in each authorization request. Its browser may have a session at `home`, which knows by a cookie who sits
    there. Where several servers are the issuer, `servers` are their netlocs, and each request goes to the next one."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    scope: str
    home: str
    more: Mapping[str, str] = field(default_factory=dict)
    servers: Sequence[str] = ()
    authorize_url: str = field(init=False)
    token_url: str = field(init=False)
    jwks_url: str = field(init=False)
    userinfo_url: str = field(init=False)

    def __post_init__(self) -> None:
        own = urlsplit(self.issuer).netloc
        self._next = {own: itertools.cycle([Connection(own, server) for server in self.servers or [own]])}
        self._cookies: dict[str, dict[str, str]] = {}
        basic = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        self._authorization = f"Basic {base64.b64encode(basic.encode()).decode()}"
        metadata = self.discover()
        self.authorize_url, self.token_url = metadata["authorization_endpoint"], metadata["token_endpoint"]
        self.jwks_url, self.userinfo_url = metadata["jwks_uri"], metadata["userinfo_endpoint"]

    def discover(self) -> dict[str, Any]:
        """The provider's metadata."""
        metadata: dict[str, Any] = self._json(f"{self.issuer}/.well-known/openid-configuration")
        return metadata

    def keys(self) -> dict[str, Any]:
        """The provider's JWK Set."""
        keys: dict[str, Any] = self._json(self.jwks_url)
        return keys

    def userinfo(self, headers: Mapping[str, str]) -> dict[str, Any]:
        """What the provider says of the person of the access token in these headers."""
        claims: dict[str, Any] = self._json(self.userinfo_url, headers)
        return claims

    def token(self, *, headers: Mapping[str, str] = MappingProxyType({}), **form: str) -> dict[str, Any]:
        """The token endpoint's answer to `form`, which `headers` may go with."""
        own = {"Authorization": self._authorization, "Content-Type": "application/x-www-form-urlencoded"}
        answer = self._send("POST", self.token_url, own | dict(headers), urlencode(form).encode())
        if answer.status != 200:
            raise WrongAnswer(_told(form["grant_type"], answer))
        tokens: dict[str, Any] = answer.json()
        return tokens

    def sign_in(self, person: str, *, at_home: bool = True, key: Key | None = None) -> dict[str, Any]:
        """The tokens of a sign-in in which nobody has to type, bound to the `key` if there is one: redirects from the
        app to the app. Home sends away who is not signed in `at_home`."""
        self._cookies[urlsplit(self.home).netloc] = {"person": person} if at_home else {}
        url, verifier = self._begin(person)
        for _ in range(MAX_REDIRECTS):
            answer = self._browse(url)
            location = answer.header("location")
            if answer.status not in (302, 303) or location is None:
                raise WrongAnswer(_told(url, answer))
            url = urljoin(url, location)
            if url.startswith(self.redirect_uri):
                return self._finish(url, verifier, key)
        raise WrongAnswer(f"more than {MAX_REDIRECTS} redirects, the last to {url}")

    def forget(self) -> None:
        """A browser opened anew."""
        self._cookies.clear()

    def _begin(self, login_hint: str) -> tuple[str, str]:
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
        return f"{self.authorize_url}?{urlencode(asked | dict(self.more))}", verifier

    def _finish(self, callback: str, verifier: str, key: Key | None) -> dict[str, Any]:
        """The tokens for a callback URL."""
        code = parse_qs(urlsplit(callback).query).get("code")
        if not code:
            raise WrongAnswer(f"no code, but {', '.join(parse_qs(urlsplit(callback).query).get('error', []))}")
        tokens = self.token(
            headers={} if key is None else key.proof("POST", self.token_url),
            grant_type="authorization_code",
            code=code[0],
            redirect_uri=self.redirect_uri,
            code_verifier=verifier,
        )
        if "id_token" not in tokens:
            raise WrongAnswer("no id_token")
        return tokens

    def _browse(self, url: str) -> Answer:
        kept = self._cookies.setdefault(urlsplit(url).netloc, {})
        headers = {"Accept": "text/html"}
        if kept:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        answer = self._send("GET", url, headers)
        for header, value in answer.headers:
            if header == "set-cookie":
                self._keep(kept, value)
        return answer

    @staticmethod
    def _keep(kept: dict[str, str], line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        if value and "max-age=0" not in line.lower():
            kept[name] = value
        else:
            kept.pop(name, None)

    def _json(self, url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Any:
        answer = self._send("GET", url, headers)
        if answer.status != 200:
            raise WrongAnswer(_told(url, answer))
        return answer.json()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        parts = urlsplit(url)
        if parts.netloc not in self._next:
            self._next[parts.netloc] = itertools.cycle([Connection(parts.netloc, parts.netloc)])
        connection = next(self._next[parts.netloc])
        return connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, headers, body)


def _told(asked: str, answer: Answer) -> str:
    """What was asked and what a person would read of the answer, without what differs each time."""
    text = re.sub(r"(?s)<style.*?</style>|<[^>]+>|\s+", " ", answer.body.decode(errors="replace"))
    return f"{asked.partition('?')[0]}: {answer.status} {' '.join(text.split())[:120]}"
