"""Contoso Expenses: a plain Flask app with Authlib's OpenID Connect client. Copy it, change the look, keep the rest."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

WHY: Mapping[str, str] = {
    "iss": "Who issued the token: the organisation whose app this is",
    "aud": "Whom it is for: this app's client id",
    "sub": "Who you are to this app; another app sees another value",
    "oid": "Who you are in this organisation's directory, the same for all its apps",
    "tid": "The organisation that invited you",
    "idp": "Where you really signed in: your home organisation",
    "acct": "0 for a member, 1 for a guest",
    "amr": "How you proved who you are: at home as far as it is trusted, and here",
    "acr": "The level that this amounts to",
    "auth_time": "When: the oldest proof that counted",
    "name": "Your name, as the directory has it",
    "given_name": "Your first name, as the directory has it",
    "family_name": "Your last name, as the directory has it",
    "email": "The address you proved when you took up the invitation",
    "preferred_username": "For display only; it can change",
    "groups": "The groups you are in that this app wants to know",
    "roles": "What you may do in this app",
    "nonce": "Ties the token to this browser's sign-in",
    "sid": "The session, so that signing out ends it everywhere",
    "ver": "The token's format",
    "uti": "The token's own id",
    "iat": "When the token was made",
    "nbf": "From when it is good",
    "exp": "Until when it is good",
    "at_hash": "Ties the access token to this one",
}
"""What the app says about the claims of every token; any other claim was mapped for this app by a policy."""

REQUIRED = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")


def create_app(config: Mapping[str, str] | None = None) -> Flask:
    """The app. `config` or the environment names OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET and, when the app
    is not reached at the address it sees itself, BASE_URL."""
    settings = dict(os.environ if config is None else config)
    missing = [name for name in REQUIRED if not settings.get(name)]
    if missing:
        raise SystemExit("The sample app needs " + ", ".join(missing))
    app = Flask(__name__)
    app.secret_key = settings.get("SECRET_KEY") or secrets.token_bytes(32)
    # the provider may run on the same host: cookies know no ports
    app.config.update(
        SESSION_COOKIE_NAME="contoso_expenses", SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_HTTPONLY=True
    )
    base_url = settings.get("BASE_URL", "")
    oauth = OAuth(app)
    idp = oauth.register(
        "idp",
        client_id=settings["OIDC_CLIENT_ID"],
        client_secret=settings["OIDC_CLIENT_SECRET"],
        server_metadata_url=settings["OIDC_ISSUER"] + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )

    def address(endpoint: str) -> str:
        return base_url + url_for(endpoint) if base_url else url_for(endpoint, _external=True)

    @app.get("/")
    def home() -> str | Response:
        if "claims" in session:
            return redirect(url_for("who_am_i"))
        return render_template("home.html", sign_in_link=url_for("sign_in"), error=session.pop("error", None))

    @app.get("/sign-in")
    def sign_in() -> Response:
        hints = {k: request.args[k] for k in ("login_hint", "domain_hint", "prompt") if k in request.args}
        answer: Response = idp.authorize_redirect(address("callback"), **hints)
        return answer

    @app.get("/callback")
    def callback() -> Response:
        try:
            # checks state, issuer, audience, nonce, signature and times of the id_token
            token = idp.authorize_access_token()
        except OAuthError as e:
            session["error"] = f"Sign-in did not work: {e.description or e.error}"
            return redirect(url_for("home"))
        session.clear()
        session["claims"] = dict(token["userinfo"])
        session["id_token"] = token["id_token"]
        session["csrf"] = secrets.token_urlsafe(16)
        return redirect(url_for("who_am_i"))

    @app.get("/who-am-i")
    def who_am_i() -> str | Response:
        claims = session.get("claims")
        if claims is None:
            return redirect(url_for("home"))
        return render_template(
            "who-am-i.html",
            name=claims.get("name") or claims.get("email") or claims["sub"],
            claims=[(name, _shown(value), _why(name)) for name, value in sorted(claims.items())],
            sign_out_action=url_for("sign_out"),
            csrf=session["csrf"],
        )

    @app.get("/claims")
    def claims_document() -> dict[str, Any] | Response:
        """The claims as the app got them, for scripts."""
        return session.get("claims") or redirect(url_for("home"))

    @app.post("/sign-out")
    def sign_out() -> Response:
        if not secrets.compare_digest(request.form.get("csrf", ""), session.get("csrf", "-")):
            abort(400)
        hint = session.pop("id_token", None)
        session.clear()
        end = idp.load_server_metadata()["end_session_endpoint"]
        back = {"post_logout_redirect_uri": address("home"), "id_token_hint": hint}
        return redirect(f"{end}?{urlencode({k: v for k, v in back.items() if v})}")

    return app


def _why(name: str) -> str:
    return WHY.get(name, "Mapped for this app by its claims mapping policy")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
