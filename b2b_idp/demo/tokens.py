"""Test tokens of the demo world, each made by a sign-in through the provider, the home tenant and their pages.

`POST /demo/token` with {"guest", "app"?, "amr"?, "acr"?, "authTime"?, "scope"?}: → {"issuer", "jwksUri", "guest",
"app", "clientId", "tokens": {"id_token", "access_token", …}, "claims": {"idToken", "accessToken"}, "asked", "outcome",
"reasons"}; `b2b-idp token` calls it. Mounted by the demo only: there is no such door in a provider that serves.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pyotp
from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from b2b_idp.demo.phone import Authenticator
from b2b_idp.testing.guest import GuestDriver
from b2b_idp.testing.kit import code_in
from b2b_idp.testing.walker import Page, Walker

if TYPE_CHECKING:
    from b2b_idp.demo.world import DemoApp, Person, World

DEFAULT_SCOPE = "openid profile email offline_access"


class TokenRequest(BaseModel):
    """Whose token is wanted, for which app, and what the home is to say. Without `amr`, `acr` and `authTime` the guest
    does at home what they always do there."""

    model_config = ConfigDict(extra="forbid", strict=True)

    guest: str = Field(max_length=320)
    app: str | None = Field(None, max_length=200)
    amr: list[str] | None = Field(None, max_length=20)
    acr: str | None = Field(None, max_length=200)
    authTime: int | None = Field(None, ge=0, le=2**40)
    scope: str = Field(DEFAULT_SCOPE, max_length=2000)


class NotMadeError(Exception):
    """There is no token; why, for whoever asked."""

    def __init__(self, error: Literal["unknown_guest", "unknown_app", "refused"], why: str) -> None:
        super().__init__(why)
        self.error = error


def token_blueprint(world: World) -> Blueprint:
    """`/demo/token`. JSON only, so that no page of another site can send it."""
    blueprint = Blueprint("b2b_idp_tokens", __name__)

    @blueprint.post("/demo/token")
    def token() -> tuple[Response, int]:
        if not request.is_json:
            return _refusal("invalid_request", "Send JSON.", 415)
        try:
            asked = TokenRequest.model_validate_json(request.get_data())
        except ValidationError as e:
            first = e.errors(include_url=False, include_input=False)[0]
            return _refusal("invalid_request", f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 400)
        try:
            return jsonify(make_token(world, asked)), 200
        except NotMadeError as e:
            return _refusal(e.error, str(e), 403 if e.error == "refused" else 404)

    return blueprint


def _refusal(error: str, why: str, status: int) -> tuple[Response, int]:
    return jsonify({"error": error, "error_description": why}), status


def make_token(world: World, asked: TokenRequest) -> dict[str, Any]:
    """Signs a guest in from a fresh browser. Raises NotMadeError."""
    person, app = _person(world, asked.guest), _app(world, asked.app)
    home = world.homes[person.home]
    if asked.amr is not None or asked.acr is not None or asked.authTime is not None:
        account = home.accounts[person.email]
        said = account.claims()
        home.next(said.pop("sub"), amr=asked.amr, acr=asked.acr, auth_time=asked.authTime, **said)

    def at_home(walker: Walker, page: Page) -> Page | None:
        return world.sign_in_at_home(walker, page, person) if page.url.startswith(home.issuer) else None

    driver = GuestDriver(Walker(stop_at=app.redirect_uri), lambda: _mailed_code(world), at_home)
    phone = next((a for a in world.phone if a.name == person.email), None)
    if phone is not None:
        driver.authenticator, driver.last_step = pyotp.TOTP(phone.key), phone.spent
    verifier = secrets.token_urlsafe(48)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked_before = len(home.asked)
    query = {
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "response_type": "code",
        "scope": asked.scope,
        "state": secrets.token_urlsafe(8),
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "login_hint": person.email,
    }
    try:
        walk = driver.walk(f"{world.issuer}/authorize?{urlencode(query)}")
    finally:
        home.forget_next()
    if driver.authenticator is not None:
        kept = Authenticator(person.email, driver.authenticator.secret, driver.last_step)
        world.phone[:] = [kept if a.name == person.email else a for a in world.phone]
        if phone is None:
            world.phone.append(kept)
    answer = {k: v[0] for k, v in parse_qs(urlsplit(walk.end.url).query).items()} if walk.finished else {}
    if "code" not in answer:
        why = answer.get("error_description") or walk.end.error or walk.end.name
        raise NotMadeError("refused", f"{person.email} did not get in: {why}")
    tokens = world.token_request(
        grant_type="authorization_code",
        code=answer["code"],
        redirect_uri=app.redirect_uri,
        code_verifier=verifier,
        client_id=app.client_id,
        client_secret=app.client_secret,
    )
    if "access_token" not in tokens:
        raise NotMadeError("refused", str(tokens.get("error_description", tokens.get("error"))))
    entry = next(
        r for r in world.graph("GET", "/auditLogs/signIns?$top=20")["value"] if r["userPrincipalName"] == person.email
    )
    return {
        "issuer": world.issuer,
        "jwksUri": f"{world.issuer}/jwks",
        "guest": person.email,
        "app": app.name,
        "clientId": app.client_id,
        "tokens": tokens,
        "claims": {"idToken": _claims(tokens.get("id_token")), "accessToken": _claims(tokens["access_token"])},
        "asked": [{"where": "home", "method": "mfa"} for _ in home.asked[asked_before:]]
        + [{"where": "here", "method": method} for method in walk.challenges],
        "outcome": entry["b2bIdp"]["outcome"],
        "reasons": entry["b2bIdp"]["reasons"],
    }


def _person(world: World, email: str) -> Person:
    found = next((p for p in world.people if p.email == email.strip().lower()), None)
    if found is None:
        raise NotMadeError("unknown_guest", f"The demo's guests are {', '.join(p.email for p in world.people)}.")
    return found


def _app(world: World, name: str | None) -> DemoApp:
    if name is None:
        return next(iter(world.apps.values()))
    found = next((a for a in world.apps.values() if name in (a.name, a.client_id)), None)
    if found is None:
        raise NotMadeError("unknown_app", f"The demo's apps are {', '.join(world.apps)}.")
    return found


def _mailed_code(world: World) -> str | None:
    with world.idp.store.read() as r:
        return next((c for letter in r.outbox.latest(5) if (c := code_in(letter.body))), None)


def _claims(token: str | None) -> dict[str, Any] | None:
    """What a token of ours says; it came from the token endpoint itself (OpenID Connect Core §3.1.3.7, 6)."""
    if token is None:
        return None
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims
