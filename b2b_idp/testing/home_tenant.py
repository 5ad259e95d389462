"""A home tenant for tests and the demo: a small real OpenID provider on loopback, scripted or with a sign-in page."""

from __future__ import annotations

import html
import json
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, make_response, redirect, request
from jwt.algorithms import RSAAlgorithm
from werkzeug.serving import WSGIRequestHandler, make_server

MFA_ACR = "https://refeds.org/profile/mfa"
SFA_ACR = "https://refeds.org/profile/sfa"
_MFA_AMR = ("pwd", "otp", "mfa")

_key_lock = threading.Lock()
_keys: list[rsa.RSAPrivateKey] = []


def _shared_key() -> rsa.RSAPrivateKey:
    """One RSA key a process: making it costs more than a test."""
    with _key_lock:
        if not _keys:
            _keys.append(rsa.generate_private_key(65537, 2048))
        return _keys[0]


@dataclass(frozen=True)
class Account:
    """Somebody who works at the home. `mfa_always`: the home asks for the second factor at every sign-in."""

    sub: str
    email: str
    name: str
    given_name: str | None = None
    family_name: str | None = None
    password: str = field(default="password", repr=False)
    can_mfa: bool = True
    mfa_always: bool = False


@dataclass(frozen=True)
class Script:
    """What the home answers without a page: for this account, with this evidence."""

    account: Account
    amr: Sequence[str] | None
    acr: str | None
    auth_time: int | None
    step_up: Sequence[str] | None
    claims: Mapping[str, Any]


@dataclass
class _Session:
    account: Account
    mfa: bool
    at: int


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Tests read `requests`, not a log."""


Tamper = Callable[[dict[str, Any]], Any]


class ScriptedHome:
    """The provider. `requests` records every authorization request's parameters, `asked` those of them that made the
    home ask for a second factor. `tamper` may hold, by name, functions that spoil what is sent: `id_token` (header,
    claims and key in a dict → compact JWT or None to sign as it is), `token` (the token answer), `metadata`, `jwks`,
    `userinfo`, `redirect` (the parameters of the answer)."""

    def __init__(
        self,
        domain: str,
        *,
        port: int = 0,
        accounts: Sequence[Account] = (),
        client_id: str = "b2b",
        client_secret: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.domain = domain
        self.client_id = client_id
        self.client_secret = client_secret or secrets.token_urlsafe(24)
        self.accounts = {a.email: a for a in accounts}
        self.requests: list[dict[str, str]] = []
        self.asked: list[dict[str, str]] = []
        self.tamper: dict[str, Tamper] = {}
        self.key = _shared_key()
        self._extra_metadata = dict(metadata or {})
        self._script: Script | None = None
        self._codes: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}
        self._sessions: dict[str, _Session] = {}
        self._server = make_server("127.0.0.1", port, self._app(), threaded=True, request_handler=_Quiet)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        self._thread: threading.Thread | None = None

    def start(self) -> ScriptedHome:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> ScriptedHome:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def script(
        self,
        account: Account,
        *,
        amr: Sequence[str] | None = ("pwd",),
        acr: str | None = None,
        auth_time: int | None = None,
        step_up: Sequence[str] | None = None,
        **claims: Any,
    ) -> None:
        """From now on answer at once for `account`: `amr` unasked, `step_up` when asked for MFA that `amr` is not."""
        self._script = Script(account, amr, acr, auth_time, step_up, claims)

    # --- the provider ------------------------------------------------------------------------------------------------

    def _app(self) -> Flask:
        app = Flask(f"home_{self.domain}", static_folder=None)
        app.add_url_rule("/.well-known/openid-configuration", "metadata", self._metadata)
        app.add_url_rule("/jwks", "jwks", self._jwks)
        app.add_url_rule("/authorize", "authorize", self._authorize)
        app.add_url_rule("/sign-in", "sign_in", self._sign_in, methods=["POST"])
        app.add_url_rule("/token", "token", self._token, methods=["POST"])
        app.add_url_rule("/userinfo", "userinfo", self._userinfo)
        app.add_url_rule("/home.css", "css", lambda: Response(_CSS, content_type="text/css"))
        return app

    def _spoilt(self, what: str, document: dict[str, Any]) -> Any:
        spoil = self.tamper.get(what)
        return document if spoil is None else spoil(document)

    def _send(self, what: str, document: dict[str, Any]) -> Response:
        sent = self._spoilt(what, document)
        if isinstance(sent, Response):
            return sent
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        return Response(body, content_type="application/json")

    def _metadata(self) -> Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "acr_values_supported": [SFA_ACR, MFA_ACR],
            "authorization_response_iss_parameter_supported": True,
        }
        return self._send("metadata", document | self._extra_metadata)

    def public_jwk(self) -> dict[str, Any]:
        jwk: dict[str, Any] = json.loads(RSAAlgorithm.to_jwk(self.key.public_key()))
        jwk.pop("key_ops", None)
        return jwk | {"kid": "k1", "use": "sig", "alg": "RS256"}

    def _jwks(self) -> Response:
        return self._send("jwks", {"keys": [self.public_jwk()]})

    def _authorize(self) -> Response:
        asked = request.args.to_dict()
        self.requests.append(asked)
        wants_mfa = _wants_mfa(asked)
        if self._script is not None:
            return self._answer_script(self._script, asked, wants_mfa)
        session = self._sessions.get(request.cookies.get(self._cookie, ""))
        fresh = session is not None and asked.get("prompt") not in ("login", "select_account")
        if (
            session is not None
            and fresh
            and asked.get("login_hint", session.account.email) == session.account.email
        ):
            young = "max_age" not in asked or _now() - session.at <= int(asked["max_age"])
            if young and (session.mfa or not wants_mfa or not session.account.can_mfa):
                return self._answer(
                    asked, session.account, _amr(session.mfa), _acr(session.mfa), session.at, {}
                )
            if young:
                self.asked.append(asked)
                return self._page(asked, session.account, second=True)
        return self._page(asked, self.accounts.get(asked.get("login_hint", "")), second=False)

    @property
    def _cookie(self) -> str:
        return "home_" + self.domain.replace(".", "_")

    def _answer_script(self, s: Script, asked: dict[str, str], wants_mfa: bool) -> Response:
        amr, acr = s.amr, s.acr
        proven = amr is not None and (
            "mfa" in amr or len(set(amr) & {"pwd", "pin"}) < len(set(amr) - {"mfa"}) > 1
        )
        if wants_mfa and not proven:
            self.asked.append(asked)
            amr = amr if s.step_up is None else s.step_up
        auth_time = _now() if s.auth_time is None else s.auth_time
        return self._answer(asked, s.account, amr, acr, auth_time, s.claims)

    def _answer(
        self,
        asked: Mapping[str, str],
        account: Account,
        amr: Sequence[str] | None,
        acr: str | None,
        auth_time: int | None,
        claims: Mapping[str, Any],
    ) -> Response:
        code = secrets.token_urlsafe(24)
        person = {
            "sub": account.sub,
            "email": account.email,
            "email_verified": True,
            "name": account.name,
            "given_name": account.given_name,
            "family_name": account.family_name,
            "amr": None if amr is None else list(amr),
            "acr": acr,
            "auth_time": auth_time,
        } | dict(claims)
        self._codes[code] = {
            "asked": dict(asked),
            "claims": {k: v for k, v in person.items() if v is not None},
        }
        answer = self._spoilt("redirect", {"code": code, "state": asked.get("state", ""), "iss": self.issuer})
        return make_response(redirect(f"{asked['redirect_uri']}?{urlencode(answer)}", 302))

    def _page(
        self, asked: Mapping[str, str], account: Account | None, *, second: bool, error: str = ""
    ) -> Response:
        fields = {"username": account.email if account else "", "password": ""}
        if second:
            fields = {"code": ""}
        hidden = html.escape(json.dumps(dict(asked)), quote=True)
        inputs = "".join(
            f'<label for="{name}">{_LABELS[name]}</label>'
            f'<input id="{name}" name="{name}" value="{html.escape(value, quote=True)}" required '
            f"{_ATTRIBUTES[name]}>"
            for name, value in fields.items()
        )
        who = html.escape(account.email) if account and second else ""
        hidden_account = f'<input type="hidden" name="account" value="{who}">' if who else ""
        title = "Your second factor" if second else "Sign in"
        alert = f'<p role="alert">{html.escape(error)}</p>' if error else ""
        page = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} – {self.domain}</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="stylesheet" href="/home.css"></head>'
            f"<body><main><p>{html.escape(self.domain)}</p><h1>{title}</h1>{alert}"
            f'<form method="post" action="/sign-in"><input type="hidden" name="asked" value="{hidden}">'
            f"{hidden_account}{inputs}<button>Go on</button></form></main></body></html>"
        )
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Cache-Control"] = "no-store"
        return response

    def _sign_in(self) -> Response:
        asked = json.loads(request.form["asked"])
        if "code" in request.form:
            account = self.accounts[request.form["account"]]
            code = request.form["code"].replace(" ", "")
            if len(code) != 6 or not code.isdigit():
                return self._page(asked, account, second=True, error="Six digits, please.")
            return self._signed_in(asked, account, mfa=True)
        found = self.accounts.get(request.form["username"].strip().lower())
        if found is None or not secrets.compare_digest(
            request.form["password"].encode(), found.password.encode()
        ):
            return self._page(asked, found, second=False, error="Wrong user name or password.")
        wants_mfa = _wants_mfa(asked)
        if found.can_mfa and (found.mfa_always or wants_mfa):
            if not found.mfa_always:
                self.asked.append(asked)
            return self._page(asked, found, second=True)
        return self._signed_in(asked, found, mfa=False)

    def _signed_in(self, asked: Mapping[str, str], account: Account, *, mfa: bool) -> Response:
        id = secrets.token_urlsafe(16)
        self._sessions[id] = _Session(account, mfa, _now())
        response = self._answer(asked, account, _amr(mfa), _acr(mfa), _now(), {})
        response.set_cookie(self._cookie, id, httponly=True, samesite="Lax")
        return response

    def _token(self) -> Response:
        form = request.form
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        header = request.headers.get("Authorization", "")
        if header.startswith("Basic "):
            client_id, _, secret = b64decode(header[6:]).decode().partition(":")
            client_id, secret = unquote(client_id), unquote(secret)
        held = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = urlsafe_b64encode(sha256(verifier).digest()).decode().rstrip("=")
        good_client = client_id == self.client_id and secrets.compare_digest(secret, self.client_secret)
        if held is None or not good_client or held["asked"].get("code_challenge") != challenge:
            return Response(json.dumps({"error": "invalid_grant"}), 400, content_type="application/json")
        now = _now()
        claims = {
            "iss": self.issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": held["asked"].get("nonce"),
        } | held["claims"]
        access_token = secrets.token_urlsafe(24)
        self._tokens[access_token] = claims
        token = {"header": {"kid": "k1", "typ": "JWT"}, "claims": claims, "key": self.key}
        made = self._spoilt("id_token", token)
        if not isinstance(made, str):
            made = jwt.encode(token["claims"], token["key"], "RS256", headers=token["header"])  # type: ignore[arg-type]
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": made}
        return self._send("token", answer)

    def _userinfo(self) -> Response:
        claims = self._tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if claims is None:
            return Response(status=401)
        person = ("sub", "email", "email_verified", "name", "given_name", "family_name")
        return self._send("userinfo", {k: claims[k] for k in person if k in claims})


def _wants_mfa(asked: Mapping[str, str]) -> bool:
    """Whether a request asks for MFA, by acr_values or by the claims parameter."""
    if MFA_ACR in asked.get("acr_values", "").split():
        return True
    try:
        members = json.loads(asked.get("claims", "{}")).get("id_token", {})
    except (ValueError, AttributeError):
        return False
    return "mfa" in (members.get("amr") or {}).get("values", ()) or MFA_ACR in (members.get("acr") or {}).get(
        "values", ()
    )


def _now() -> int:
    return int(datetime.now(UTC).timestamp())


def _amr(mfa: bool) -> tuple[str, ...]:
    return _MFA_AMR if mfa else ("pwd",)


def _acr(mfa: bool) -> str:
    return MFA_ACR if mfa else SFA_ACR


_LABELS = {
    "username": "User name",
    "password": "Password",
    "code": "Code of your authenticator (any six digits)",
}
_ATTRIBUTES = {
    "username": 'autocomplete="username"',
    "password": 'type="password" autocomplete="current-password"',
    "code": 'inputmode="numeric" autocomplete="one-time-code"',
}
_CSS = """
:root { color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }
body { display: grid; place-items: center; min-height: 100vh; margin: 0; background: Canvas; color: CanvasText; }
main { width: min(22rem, 90vw); padding: 2rem; border: 1px solid GrayText; border-radius: 0.75rem; }
main > p:first-child { margin: 0; letter-spacing: 0.08em; text-transform: uppercase; font-size: 0.8rem; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; }
label { display: block; margin-top: 0.75rem; }
input { width: 100%; box-sizing: border-box; padding: 0.6rem; font: inherit; border-radius: 0.4rem; border: 1px solid GrayText; }
button { width: 100%; margin-top: 1.25rem; padding: 0.7rem; font: inherit; border: 0; border-radius: 0.4rem; background: #14532d; color: #fff; }
:focus-visible { outline: 3px solid #2563eb; outline-offset: 2px; }
[role=alert] { color: #b91c1c; }
"""
