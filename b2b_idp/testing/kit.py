"""The test kit: a whole provider in the test's process, home tenants that say what the test tells them to, and
sign-ins through the same code as the wire."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from b2b_idp.extension import B2BIdp, system_moment
from b2b_idp.keys.ring import KeyRing, SigningKey
from b2b_idp.testing.cases import Case, differences
from b2b_idp.testing.directory import Directory
from b2b_idp.testing.explaining import explain
from b2b_idp.testing.home_tenant import Account
from b2b_idp.testing.loopback import Loopback, Served
from b2b_idp.testing.passkey import SoftwarePasskey
from b2b_idp.testing.token_claims import TokenClaims, assert_claims
from b2b_idp.testing.values import (
    CALLBACK,
    Because,
    KitApp,
    KitDecision,
    KitGroup,
    KitGuest,
    KitHome,
    SignedIn,
    Visit,
)
from b2b_idp.testing.vendors import Words
from b2b_idp.testing.verifying import Verifier
from b2b_idp.testing.walker import SocketTransport
from b2b_idp.testing.wsgi import QuickFlask, exchange

__all__ = [
    "CALLBACK",
    "OWN_WORDS",
    "Because",
    "Case",
    "Kit",
    "KitApp",
    "KitDecision",
    "KitGroup",
    "KitGuest",
    "KitHome",
    "SignedIn",
    "Visit",
    "code_in",
]

OWN_WORDS: Sequence[str] = ("*",)
"""`amr` left to the home: what its make says of a password, or of MFA."""

_keys_lock = threading.Lock()
_keys: list[SigningKey] = []


def _own_ring() -> KeyRing:
    """Signing keys made once a process, since an RSA key costs more than a whole test, in a ring of the kit's own."""
    with _keys_lock:
        if not _keys:
            _keys.extend(KeyRing.in_memory(system_moment()).list())
        return KeyRing(_keys, None)


class Kit(Directory):
    """`b2b_idp` in a test. `host`: of the issuer, a name of loopback; browsers have no passkeys for an address."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__()
        self.flask = QuickFlask("b2b_idp_kit", static_folder=None)
        # silent until `serve`: requests of the kit go straight into the Flask application
        self._server = Loopback(self.flask)
        self.issuer = f"http://{host}:{self._server.port}/idp"
        self._names[self.issuer] = "<issuer>"
        self.idp = B2BIdp(
            self.flask,
            issuer=self.issuer,
            database_url="sqlite://",
            allow_private_upstreams=True,
            keys=_own_ring(),
        )
        self._read: set[str] = set()
        self._decided: set[str] = set()
        self._verifier = Verifier(self.issuer, self._fetch)

    def close(self) -> None:
        for home in self._homes.values():
            home.provider.close()
        self.idp.store.close()
        self._server.release()

    # --- signing in --------------------------------------------------------------------------------------------------

    def sign_in(
        self,
        guest: KitGuest,
        app: KitApp,
        *,
        amr: Sequence[str] | None = OWN_WORDS,
        acr: str | None = None,
        auth_time: int | None = None,
        mfa: bool = False,
        step_up: Sequence[str] | bool | None = None,
        passkey: SoftwarePasskey | None = None,
        **parameters: str,
    ) -> SignedIn:
        """Signs `guest` in to `app` over the wire.

        `amr`, `acr`, `auth_time` (NumericDate; default now) are what the home says unasked. Left out, it says in its
        make's words that a password was used, or with `mfa=True` that two factors were. `step_up` is the amr it answers
        with when it is asked for MFA and what it said is not MFA; True: its make's words for it; default: it cannot,
        and answers the same. `passkey` is in the guest's hand from now on: registered where one may be, used where one
        is asked for. Further arguments are authorization request parameters (prompt="login"). A guest whose invitation
        has lapsed, as a test travelled in time, is sent another first.
        """
        guest.driver.passkey = passkey or guest.driver.passkey
        verifier = base64.urlsafe_b64encode(sha256(guest.id.encode()).digest()).decode().rstrip("=")
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "client_id": app.client_id,
            "redirect_uri": app.redirect_uri,
            "response_type": "code",
            "scope": app.scope,
            "state": "kit",
            "nonce": "kit-nonce",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "login_hint": guest.email,
        } | parameters
        url = f"{self.issuer}/authorize?{urlencode(query)}"
        home = self.script(guest, amr=amr, acr=acr, auth_time=auth_time, mfa=mfa, step_up=step_up)
        self._invite_again(guest)
        guest.driver.email = None
        went = self._walk(guest, url, home, follow=False)
        answer = {k: v[0] for k, v in parse_qs(urlsplit(went.url).query).items()} if went.finished else {}
        if "code" not in answer:
            return SignedIn(None, None, {}, went.asked, went.decision, went.error, went.pages)
        tokens = self._token_request(
            (app.client_id, app.client_secret),
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": app.redirect_uri,
                "code_verifier": verifier,
            },
        )
        if "id_token" not in tokens:
            return SignedIn(None, None, tokens, went.asked, went.decision, tokens.get("error"), went.pages)
        return SignedIn(
            self._claims("id_token", tokens, guest, app),
            self._claims("access_token", tokens, guest, app),
            tokens,
            went.asked,
            went.decision,
            None,
            went.pages,
        )

    def visit(
        self,
        guest: KitGuest,
        url: str,
        *,
        amr: Sequence[str] | None = OWN_WORDS,
        acr: str | None = None,
        auth_time: int | None = None,
        mfa: bool = False,
        step_up: Sequence[str] | bool | None = None,
        follow: bool = False,
    ) -> Visit:
        """Opens an address in the guest's browser: an app's sign-in, or where an app sends the browser. The guest goes
        through all that is asked, until the browser is sent to an address of the app, which is not called; with
        `follow` it is, and the visit ends on the app's page. The arguments are those of `sign_in`."""
        home = self.script(guest, amr=amr, acr=acr, auth_time=auth_time, mfa=mfa, step_up=step_up)
        guest.driver.email = guest.email
        return self._walk(guest, url, home, follow)

    def _walk(self, guest: KitGuest, url: str, home: KitHome | None, follow: bool) -> Visit:
        asked_before = len(home.provider.asked) if home else 0
        guest.driver.walker.stop_at = None if follow else self._is_outside
        walk = guest.driver.walk(url)
        asked = [{"where": "home", "method": "mfa"} for _ in (home.provider.asked[asked_before:] if home else ())]
        asked += [{"where": "here", "method": m} for m in walk.challenges]
        finished = walk.finished or (follow and self._is_outside(walk.end.url) and walk.end.status < 400)
        said = parse_qs(urlsplit(walk.end.url).query).get("error", [None])[0] if walk.finished else None
        return Visit(
            url=walk.end.url,
            finished=finished,
            status=walk.end.status,
            text=walk.end.text,
            asked=asked,
            decision=self._decision(),
            pages=walk.pages,
            error=said or (None if finished else walk.end.error or walk.end.name),
        )

    def script(
        self,
        guest: KitGuest,
        *,
        amr: Sequence[str] | None = OWN_WORDS,
        acr: str | None = None,
        auth_time: int | None = None,
        mfa: bool = False,
        step_up: Sequence[str] | bool | None = None,
    ) -> KitHome | None:
        """Has the guest's home say this of them from now on, whatever browser comes; the home, if they have one. The
        arguments are those of `sign_in`."""
        domain = guest.email.rpartition("@")[2]
        home = self._homes.get(domain)
        if home is None:
            return None
        vendor = home.provider.vendor
        told = None
        if amr is OWN_WORDS:
            own = vendor.mfa if mfa else vendor.one_factor
            if mfa and vendor.only_when_asked:
                own, told = vendor.one_factor, vendor.mfa
            amr, acr = own.amr, own.acr if acr is None else acr
        elif mfa:
            raise ValueError("mfa=True leaves the words to the home: say either mfa or amr")
        if step_up is True and not home.provider.asked_by:
            raise ValueError(
                f"out of the box {domain} cannot be asked for MFA; say how, in "
                "home_tenant(…, authentication_context={'stepUp': {'with': 'acr_values', 'values': […]}})"
            )
        up = vendor.mfa if step_up is True else Words(tuple(step_up), acr) if step_up else None
        home.provider.script(
            Account(sub=f"{domain}-{guest.email}", email=guest.email, name=guest.email.partition("@")[0].title()),
            amr=amr,
            acr=acr,
            auth_time=auth_time,
            step_up=up,
            told=told,
        )
        return home

    def evaluate(self, guest: KitGuest, app: KitApp, home: KitHome, **asked: Any) -> dict[str, Any]:
        """The decision without a sign-in: `amr=[…]`, `acr=…`, `authTime=…`, `asked=True`, `session={…}`."""
        body: dict[str, Any] = {
            "userId": guest.id,
            "appId": app.client_id,
            "home": {"tenantId": home.tenant_id},
        }
        for name in ("amr", "acr", "authTime"):
            if name in asked:
                body["home"][name] = asked.pop(name)
        answer: dict[str, Any] = self.graph("POST", "/identity/conditionalAccess/evaluate", body | asked)
        return answer

    def check(self, app: KitApp, *cases: Case) -> None:
        """Signs each case's guest in to `app` and asserts what the case says; one AssertionError tells of all that
        differ, with the decision's reasons and the rules behind the claims."""
        __tracebackhide__ = True
        wrong: list[str] = []
        for case in cases:
            amr = OWN_WORDS if case.amr is None else case.amr
            done = self.sign_in(case.guest, app, amr=amr, acr=case.acr, mfa=case.mfa, step_up=case.step_up)
            wrong += differences(case, done)
        if wrong:
            raise AssertionError("\n".join(wrong))

    # --- tokens ------------------------------------------------------------------------------------------------------

    def verify(self, token: str, audience: str | None = None) -> dict[str, Any]:
        """A token's claims, its signature checked with the published keys, those of its application's own included."""
        return self._verifier.verify(token, audience, lambda: audience or self._api_of(token))

    def _api_of(self, token: str) -> str | None:
        """The client id of the API that an access token is for, which may have keys of its own."""
        audience = jwt.decode(token, options={"verify_signature": False}).get("aud")
        if audience == self.issuer or not isinstance(audience, str):
            return None
        with self.idp.store.read() as r:
            api = r.apps.by_identifier_uri(audience) or r.apps.by_client_id(audience)
        return None if api is None else api.app_id

    def _fetch(self, url: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(exchange(self.flask, "GET", url, {})[2])
        return document

    def claims(self, token: str | Mapping[str, Any]) -> TokenClaims:
        """The claims of a token that an app under test got, for `assert_claims` and snapshots: the token as it was
        sent, which is verified, or its claims. `oid` says whose it is."""
        claims = self.verify(token) if isinstance(token, str) else token
        kind = "access_token" if "client_id" in claims else "id_token"
        audience = claims.get("aud")
        client_id = str(claims.get("client_id", audience[0] if isinstance(audience, list) else audience))
        whose = f"{claims.get('email', claims.get('oid', 'somebody'))} for {client_id}"
        return self._explained(kind, claims, str(claims.get("oid")), client_id, whose)

    def assert_claims(self, token: str | Mapping[str, Any] | None, expected: Mapping[str, Any]) -> None:
        """`assert_claims` for a token that an app under test got, as `claims` takes it."""
        __tracebackhide__ = True
        assert_claims(token if token is None or isinstance(token, TokenClaims) else self.claims(token), expected)

    def rotate_keys(self, *, now: bool = False) -> None:
        """Publishes new signing keys, which sign once every client that caches the key set has them, or `now`."""
        self.idp.keys.rotate(system_moment(), now=now)

    def _claims(self, kind: str, tokens: Mapping[str, Any], guest: KitGuest, app: KitApp) -> TokenClaims:
        claims = self.verify(tokens[kind], app.client_id if kind == "id_token" else None)
        return self._explained(kind, claims, guest.id, app.client_id, f"{guest.email} for {app.name}")

    def _explained(self, kind: str, claims: Mapping[str, Any], user_id: str, client_id: str, whose: str) -> TokenClaims:
        return TokenClaims(
            claims,
            kind,
            whose,
            lambda: explain(self.idp.store, self.graph, self.issuer, kind, user_id, client_id, claims),
            self._names,
        )

    # --- what happened -----------------------------------------------------------------------------------------------

    def _decision(self) -> KitDecision:
        """The newest entry of the sign-in log. In frozen time entries are of one age: the one not seen before."""
        with self.idp.store.read() as r:
            rows = [document for _, document in r.logs.signins(most=1)]
            if rows and rows[0]["id"] in self._decided:
                rows = [document for _, document in r.logs.signins(most=1000)]
        if not rows:
            return KitDecision("none", [])
        newest = next((row for row in rows if row["id"] not in self._decided), rows[0])
        self._decided.add(newest["id"])
        ours = newest["b2bIdp"]
        reasons = [Because(x["code"], x["text"], x["policyId"]) for x in ours["reasons"]]
        return KitDecision(ours["outcome"], reasons)

    def _mailed_code(self) -> str | None:
        """The newest code in the outbox: the kit's mailbox. In frozen time mails are of one age: unread ones first."""
        with self.idp.store.read() as r:
            codes = [(letter.id, c) for letter in r.outbox.latest(20) if (c := code_in(letter.body))]
        unread = [code for id, code in codes if id not in self._read]
        self._read.update(id for id, _ in codes)
        return next(iter(unread or [code for _, code in codes]), None)

    def _transport(self) -> Any:
        sockets = SocketTransport()

        def send(
            method: str, url: str, headers: Mapping[str, str], body: bytes | None
        ) -> tuple[int, list[tuple[str, str]], bytes]:
            if url.startswith(self.issuer + "/"):
                return exchange(self.flask, method, url, headers, body)
            for home in self._homes.values():
                # a home that runs is in this process too; one that is stopped has to be seen to be down
                if home.provider.running and url.startswith(home.provider.issuer + "/"):
                    return exchange(home.provider.wsgi, method, url, headers, body)
            return sockets(method, url, headers, body)

        return send

    def serve(self) -> Served:
        """Has the provider listen at its issuer's address, for browser tests and apps in other languages: the address,
        to the end of the `with` where there is one, else of the test."""
        self._server.start()
        return Served(self.issuer, self._server.stop)


def code_in(text: str) -> str | None:
    """The eight-digit code that a mail carries."""
    words = (w.strip(".,:") for w in text.replace(" ", "\n").split())
    return next((w for w in words if len(w) == 8 and w.isascii() and w.isdigit()), None)
