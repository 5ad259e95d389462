"""A home tenant for tests and the demo: a small real OpenID provider on loopback, scripted or with pages."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_plus, urlencode

import jwt
import urllib3
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, request
from jwt.algorithms import RSAAlgorithm

from b2b_idp.model.events import LOGOUT
from b2b_idp.testing.home_pages import (
    problem_page,
    second_factor_page,
    sign_in_page,
    signed_out_page,
    stylesheet,
)
from b2b_idp.testing.home_script import (
    Account,
    HomeRequest,
    evidence_claims,
    now,
    parse_request,
    proves_mfa,
)
from b2b_idp.testing.loopback import Loopback
from b2b_idp.testing.vendors import MFA_ACR, SFA_ACR, VENDORS, Vendor, Words
from b2b_idp.testing.wsgi import QuickFlask

__all__ = ["MFA_ACR", "SFA_ACR", "Account", "HomeRequest", "ScriptedHome", "compact_jws"]

_PWD = ("pwd",)
_MFA = ("pwd", "otp", "mfa")

_key_lock = threading.Lock()
_keys: list[rsa.RSAPrivateKey] = []


def _shared_key() -> rsa.RSAPrivateKey:
    """One RSA key a process: making it costs more than a test."""
    with _key_lock:
        if not _keys:
            _keys.append(rsa.generate_private_key(65537, 2048))
        return _keys[0]


Spoil = Callable[[dict[str, Any]], Any]


@dataclass
class _Login:
    """Somebody who is on the home's pages."""

    request: HomeRequest
    account: Account | None = None
    first_at: int = 0


@dataclass(frozen=True)
class _Session:
    account: Account
    sid: str
    first_at: int
    second_at: int | None


class ScriptedHome:
    """The provider. Without a script it shows pages to its `accounts`; with one it answers at once.

    `requests` are the parameters of all authorization requests, `asked` of those for which it had to ask the guest
    for MFA, `ended` of those that ended a session; `hits` counts requests by path, `token_requests` are the forms that
    the token endpoint was sent.

    `tamper` holds functions by what they spoil; each gets what would be sent and gives what is sent instead:
    `id_token` ({"header", "claims", "key"}, which it may change → a compact JWT, or None: signed as it is then),
    `logout_token` (the same), `token`, `metadata`, `jwks`, `userinfo` (the document → a document, bytes or a Flask
    Response), `redirect` and `end_session` (the parameters of the way back).
    """

    def __init__(
        self,
        domain: str,
        *,
        port: int = 0,
        accounts: Sequence[Account] = (),
        client_id: str = "b2b",
        client_secret: str | None = None,
        client_key: Any = None,
        metadata_overrides: Mapping[str, Any] | None = None,
        vendor: Vendor = VENDORS["rfc8176"],
    ) -> None:
        """`client_key`: the public key of a client that authenticates by private_key_jwt, not by the secret. `vendor`:
        whose words it speaks where nothing else is said."""
        self.domain = domain
        self.vendor = vendor
        self.asked_by = vendor.asked_by
        """Values in a request that ask for MFA."""
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(24)
        self.client_key = client_key
        self.metadata_overrides = dict(metadata_overrides or {})
        self.accounts = {a.email.lower(): a for a in accounts}
        self.requests: list[Mapping[str, str]] = []
        self.asked: list[Mapping[str, str]] = []
        self.ended: list[Mapping[str, str]] = []
        self.token_requests: list[dict[str, str]] = []
        self.hits: Counter[str] = Counter()
        self.tamper: dict[str, Spoil] = {}
        self.kid: str | None = "k1"
        self.key = _shared_key()
        self.sid: str | None = None
        """What it calls the session of whom it answers for at once; None: it does not say."""
        self.backchannel_logout_uri: str | None = None
        """Where it tells that a session ended on its pages is over."""
        self.respond: Callable[[HomeRequest], Mapping[str, Any]] | None = None
        """Answers an authorization request with id_token claims, or with `error` and `error_description`."""
        self._next: deque[dict[str, Any]] = deque()
        self._codes: dict[str, tuple[HomeRequest, dict[str, Any]]] = {}
        self._access: dict[str, dict[str, Any]] = {}
        self._pushed: dict[str, HomeRequest] = {}
        self._logins: dict[str, _Login] = {}
        self._sessions: dict[str, _Session] = {}
        self.wsgi = self._app()
        self._server = Loopback(self.wsgi, port)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    # --- its life -------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._server.running

    def start(self) -> ScriptedHome:
        """Serves in a thread; after `stop`, again on the same port."""
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> ScriptedHome:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops for good and gives up the port."""
        self._server.release()

    # --- what a test says -----------------------------------------------------------------------------------

    def next(
        self,
        sub: str,
        *,
        amr: Sequence[str] | None = None,
        acr: str | None = None,
        auth_time: int | None = None,
        **claims: Any,
    ) -> None:
        """The next authorization request is answered at once with these claims; `auth_time` None: now."""
        self._next.append({"sub": sub, **evidence_claims(amr, acr, auth_time), **claims})

    def forget_next(self) -> None:
        """What `next` said and nobody has asked for is not said to whoever comes now."""
        self._next.clear()

    def script(
        self,
        account: Account,
        *,
        amr: Sequence[str] | None = _PWD,
        acr: str | None = None,
        auth_time: int | None = None,
        step_up: Sequence[str] | Words | None = None,
        told: Words | None = None,
        **claims: Any,
    ) -> None:
        """From now on answers at once for `account`, with this evidence (`auth_time` None: now).

        `step_up` is the amr (or amr and acr) it answers with, done now, when it is asked for MFA or freshness that the
        evidence is not; None: it cannot, and answers the same. `told` is what it says instead of `amr` and `acr` when
        it is asked for MFA, for a home that keeps it to itself otherwise. A claim that is None is not said.
        """
        up = step_up if isinstance(step_up, Words | None) else Words(tuple(step_up), acr)
        person = {**account.claims(), **self.vendor.claims(account.email, self.domain)}
        if not self.vendor.says_email_verified:
            del person["email_verified"]

        def respond(asked: HomeRequest) -> dict[str, Any]:
            says = told if told is not None and asked.wants_mfa else Words(None if amr is None else tuple(amr), acr)
            evidence = evidence_claims(says.amr, says.acr, auth_time)
            old = asked.max_age is not None and evidence["auth_time"] < now() - asked.max_age
            lacking = asked.wants_mfa and not proves_mfa(asked, says.amr, says.acr)
            if asked.wants_mfa and (lacking or old):
                self.asked.append(asked.parameters)
            if up is not None and (lacking or old):
                evidence = evidence_claims(up.amr, up.acr, None)
            said = {**person, **evidence, **claims}
            return {name: value for name, value in said.items() if value is not None}

        self.respond = respond

    def rotate_key(self, kid: str) -> None:
        """Signs with a new key under a new kid; the old one is no longer published."""
        self.key, self.kid = rsa.generate_private_key(65537, 2048), kid

    def public_jwk(self) -> dict[str, Any]:
        """The signing key as it is published (RFC 7517)."""
        jwk: dict[str, Any] = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        jwk.pop("key_ops", None)
        return jwk | {"use": "sig", "alg": "RS256"} | ({} if self.kid is None else {"kid": self.kid})

    # --- the provider ---------------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = QuickFlask(f"home_{self.domain}", static_folder=None)
        app.add_url_rule("/.well-known/openid-configuration", "metadata", self._metadata)
        app.add_url_rule("/jwks", "jwks", self._jwks)
        app.add_url_rule("/authorize", "authorize", self._authorize)
        app.add_url_rule("/par", "par", self._par, methods=["POST"])
        app.add_url_rule("/sign-in", "sign_in", self._sign_in, methods=["POST"])
        app.add_url_rule("/second-factor", "second_factor", self._second_factor, methods=["POST"])
        app.add_url_rule("/token", "token", self._token, methods=["POST"])
        app.add_url_rule("/userinfo", "userinfo", self._userinfo)
        app.add_url_rule("/end-session", "end_session", self._end_session)
        app.add_url_rule("/home.css", "css", lambda: stylesheet(self.domain))
        app.before_request(lambda: self.hits.update([request.path]))
        return app

    def _metadata(self) -> Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/end-session",
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "authorization_response_iss_parameter_supported": True,
            **self.vendor.metadata,
        }
        return _answer(document | self.metadata_overrides, self.tamper.get("metadata"))

    def _jwks(self) -> Response:
        return _answer({"keys": [self.public_jwk()]}, self.tamper.get("jwks"))

    def _par(self) -> Response:
        if not self._is_our_client():
            return _oauth_error("invalid_client", 401)
        asked = self._parsed(request.form.to_dict(), pushed=True)
        if isinstance(asked, str):
            return _oauth_error("invalid_request", 400)
        uri = "urn:ietf:params:oauth:request_uri:" + secrets.token_urlsafe(16)
        self._pushed[uri] = asked
        return _answer({"request_uri": uri, "expires_in": 60}, None, 201)

    def _authorize(self) -> Response:
        uri = request.args.get("request_uri")
        pushed = self._pushed.pop(uri, None) if uri else None
        asked = pushed or self._parsed(request.args.to_dict())
        if isinstance(asked, str):
            return problem_page(self.domain, asked)
        self.requests.append(asked.parameters)
        if self._next:
            return self._send_back(asked, self._next.popleft())
        if self.respond is not None:
            return self._send_back(asked, self.respond(asked))
        return self._greet(asked)

    def _parsed(self, parameters: Mapping[str, str], *, pushed: bool = False) -> HomeRequest | str:
        return parse_request(parameters, self.client_id, pushed=pushed, vendor=self.vendor, asked_by=self.asked_by)

    def _send_back(self, asked: HomeRequest, claims: Mapping[str, Any]) -> Response:
        if "error" in claims:
            answer = dict(claims)
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = (asked, dict(claims))
            answer = {"code": code}
        answer |= {"state": asked.state, "iss": self.issuer}
        answer = self.tamper.get("redirect", dict)(answer)
        joint = "&" if "?" in asked.redirect_uri else "?"
        location = f"{asked.redirect_uri}{joint}{urlencode(answer)}"
        return Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})

    # --- its pages ------------------------------------------------------------------------------------------

    def _greet(self, asked: HomeRequest) -> Response:
        """Single sign-on where the session is enough, else the page for what lacks."""
        id = secrets.token_urlsafe(16)
        self._logins[id] = login = _Login(asked)
        session = self._sessions.get(request.cookies.get(self._cookie, ""))
        if session is None or not _still_good(session, asked):
            hinted = self.accounts.get((asked.login_hint or "").lower())
            return sign_in_page(self.domain, id, hinted.email if hinted else "", self.accounts)
        login.account, login.first_at = session.account, session.first_at
        if session.second_at is not None:
            return self._signed_in(id, login, session.account, session.second_at)
        return self._after_password(id, login, session.account, volunteered=False)

    def _sign_in(self) -> Response:
        id = request.form.get("login", "")
        login = self._logins.get(id)
        if login is None:
            return self._over()
        username = request.form.get("username", "").strip()
        account = self.accounts.get(username.lower())
        password = request.form.get("password", "")
        if account is None or not secrets.compare_digest(password.encode(), account.password.encode()):
            return sign_in_page(self.domain, id, username, self.accounts, "Wrong e-mail or password.")
        login.account, login.first_at = account, now()
        return self._after_password(id, login, account, volunteered="mfa" in request.form)

    def _after_password(self, id: str, login: _Login, account: Account, volunteered: bool) -> Response:
        wants_mfa = login.request.wants_mfa
        if not account.can_mfa or not (account.mfa_always or wants_mfa or volunteered):
            return self._signed_in(id, login, account, None)
        if wants_mfa and not account.mfa_always:
            self.asked.append(login.request.parameters)
        why = "The app that you go to wants a second factor." if wants_mfa else "Your second factor, please."
        return second_factor_page(self.domain, id, account.email, why)

    def _second_factor(self) -> Response:
        id = request.form.get("login", "")
        login = self._logins.get(id)
        if login is None or login.account is None:
            return self._over()
        code = request.form.get("code", "").replace(" ", "")
        if len(code) != 6 or not (code.isascii() and code.isdigit()):
            email = login.account.email
            return second_factor_page(self.domain, id, email, "", "A code has six digits.")
        return self._signed_in(id, login, login.account, now())

    def _signed_in(self, id: str, login: _Login, account: Account, second_at: int | None) -> Response:
        del self._logins[id]
        session = secrets.token_urlsafe(16)
        sid = secrets.token_urlsafe(16)
        self._sessions[session] = _Session(account, sid, login.first_at, second_at)
        amr, acr = (_PWD, SFA_ACR) if second_at is None else (_MFA, MFA_ACR)
        done = evidence_claims(amr, acr, login.first_at)
        response = self._send_back(login.request, {**account.claims(), **done, "sid": sid})
        response.set_cookie(self._cookie, session, httponly=True, samesite="Lax")
        return response

    def _over(self) -> Response:
        return problem_page(self.domain, "This sign-in is over. Please start again at the app.")

    @property
    def _cookie(self) -> str:
        # cookies ignore ports, and all homes of a demo live on one host
        return "home_" + "".join(c if c.isalnum() else "_" for c in self.domain)

    # --- its end --------------------------------------------------------------------------------------------

    def logout_token(self, sub: str | None = None, sid: str | None = None, **claims: Any) -> str:
        """What it tells its clients when a session, or with `sub` alone every session of a person, is over (OpenID
        Connect Back-Channel Logout 1.0 §2.4). A claim that is None is not said."""
        said = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now(),
            "exp": now() + 120,
            "jti": secrets.token_urlsafe(16),
            "events": {LOGOUT: {}},
            "sub": sub,
            "sid": sid,
        } | claims
        told = {name: value for name, value in said.items() if value is not None}
        return self._signed("logout_token", "logout+jwt", told)

    def _end_session(self) -> Response:
        asked = request.args.to_dict()
        self.ended.append(asked)
        session = self._sessions.pop(request.cookies.get(self._cookie, ""), None)
        if session is not None and self.backchannel_logout_uri is not None:
            form = urlencode({"logout_token": self.logout_token(session.account.sub, session.sid)})
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            # whom it does not reach, it does not keep the guest for
            with suppress(urllib3.exceptions.HTTPError):
                urllib3.request("POST", self.backchannel_logout_uri, body=form, headers=kind, retries=False)
        back = asked.get("post_logout_redirect_uri")
        if back is None or asked.get("client_id") != self.client_id:
            response = signed_out_page(self.domain)
        else:
            answer = self.tamper.get("end_session", dict)({"state": asked["state"]} if "state" in asked else {})
            response = Response(status=302, headers={"Location": f"{back}?{urlencode(answer)}"})
        response.delete_cookie(self._cookie)
        return response

    # --- the back channel -----------------------------------------------------------------------------------

    def _token(self) -> Response:
        form = request.form.to_dict()
        self.token_requests.append(form)
        if not self._is_our_client():
            return _oauth_error("invalid_client", 401)
        asked, person = self._codes.pop(form.get("code", ""), (None, {}))
        challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).decode()
        if (
            asked is None
            or asked.redirect_uri != form.get("redirect_uri")
            or asked.code_challenge != challenge.rstrip("=")
        ):
            return _oauth_error("invalid_grant", 400)
        at = now()
        access_token = secrets.token_urlsafe(24)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": at,
            "exp": at + 300,
            "nonce": asked.nonce,
            "at_hash": urlsafe_b64encode(sha256(access_token.encode()).digest()[:16]).decode().rstrip("="),
            **({} if self.sid is None else {"sid": self.sid}),
        } | person
        self._access[access_token] = person
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        return _answer(answer | {"id_token": self._id_token(claims)}, self.tamper.get("token"))

    def _id_token(self, claims: dict[str, Any]) -> str:
        return self._signed("id_token", "JWT", claims)

    def _signed(self, what: str, type: str, claims: dict[str, Any]) -> str:
        header = {"typ": type, "alg": "RS256"} | ({} if self.kid is None else {"kid": self.kid})
        made: dict[str, Any] = {"header": header, "claims": claims, "key": self.key}
        spoilt = self.tamper[what](made) if what in self.tamper else None
        return spoilt if isinstance(spoilt, str) else compact_jws(made["header"], made["claims"], made["key"])

    def _userinfo(self) -> Response:
        person = self._access.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if person is None:
            return _oauth_error("invalid_token", 401)
        evidence = ("amr", "acr", "auth_time", "sid")
        return _answer({k: v for k, v in person.items() if k not in evidence}, self.tamper.get("userinfo"))

    def _is_our_client(self) -> bool:
        form = request.form
        if self.client_key is not None:
            try:
                jwt.decode(
                    form.get("client_assertion", ""),
                    self.client_key,
                    algorithms=["RS256", "ES256", "PS256"],
                    audience=self.issuer,
                    issuer=self.client_id,
                    options={"require": ["exp", "iat", "jti", "sub"]},
                )
            except jwt.PyJWTError:
                return False
            return True
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            client_id, _, secret = b64decode(credentials).decode().partition(":")
            client_id, secret = unquote_plus(client_id), unquote_plus(secret)
        return client_id == self.client_id and secrets.compare_digest(secret.encode(), self.client_secret.encode())


def compact_jws(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes, key: rsa.RSAPrivateKey) -> str:
    """An RS256 signature over whatever header and claims (RFC 7515 §7.1), valid or not; bytes are taken as
    they are."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(payload)}"
    signature = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), key)
    return f"{signed}.{_b64(signature)}"


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _answer(document: dict[str, Any], spoil: Spoil | None, status: int = 200) -> Response:
    sent = document if spoil is None else spoil(document)
    if isinstance(sent, Response):
        return sent
    body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return Response(body, status, content_type="application/json", headers={"Cache-Control": "no-store"})


def _oauth_error(error: str, status: int) -> Response:
    return _answer({"error": error}, None, status)


def _still_good(session: _Session, asked: HomeRequest) -> bool:
    """Whether the session's password is recent enough, and the person the one who is asked for."""
    young = asked.max_age is None or now() - session.first_at <= asked.max_age
    same = asked.login_hint is None or asked.login_hint.lower() == session.account.email.lower()
    return young and same and asked.prompt not in ("login", "select_account")
