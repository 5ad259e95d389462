"""The authorization response: code or error at the app's redirect URI, plain or signed (RFC 6749 §4.1.2, RFC 9207, Form
Post Response Mode, JARM)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlencode

from flask import Response

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.errors import REDIRECT
from b2b_idp.openid.parts import OpenIdParts
from b2b_idp.openid.responses import ascii_of
from b2b_idp.redirecting import see_other
from b2b_idp.tokens.signing import issuer_for

SIGNED_FOR = timedelta(minutes=5)
"""How long a signed response is good; its code lives for less."""


def tell_error(parts: OpenIdParts, asked: AuthorizeRequest, problem: Problem) -> Response:
    error = REDIRECT[problem.code]
    if problem.code is Code.HOME_SAID_ERROR:
        error = problem.details.get("error", error)
        if error not in ("access_denied", "server_error", "temporarily_unavailable"):
            error = "access_denied"
    return tell(parts, asked, {"error": error, "error_description": ascii_of(problem.say)})


def tell(parts: OpenIdParts, asked: AuthorizeRequest, fields: Mapping[str, str], app: App | None = None) -> Response:
    """The response with `state` and `iss`; in a JWT of ours and nothing beside it, where the app asked for that. `app`:
    the one that asked, where it is at hand."""
    if app is not None and app.claims_policy_id is None:
        # only a policy of the app's gives its tokens another issuer
        issuer = parts.issuer
    else:
        app, issuer = _app_and_issuer(parts, asked.client_id)
    sent = {**fields, **({} if asked.state is None else {"state": asked.state}), "iss": issuer}
    way, _, signed = asked.response_mode.partition(".")
    if signed:
        sent = {"response": _signed(parts, app, asked.client_id, sent)}
    if way == "form_post":
        return parts.pages.form_post(asked.redirect_uri, sent)
    joint = "&" if "?" in asked.redirect_uri else "?"
    return see_other(f"{asked.redirect_uri}{joint}{urlencode(sent)}")


def _signed(parts: OpenIdParts, app: App | None, client_id: str, fields: Mapping[str, str]) -> str:
    """JARM §2.1. The instance's key signs: it is in the key set of every app."""
    at = parts.moment().at
    claims = {"aud": client_id, "exp": int((at + SIGNED_FOR).timestamp()), **fields}
    return parts.keys.signer("RS256" if app is None else app.response_alg, at).sign(claims, "JWT")


def _app_and_issuer(parts: OpenIdParts, client_id: str) -> tuple[App | None, str]:
    """The app, unless it is gone, and the issuer as its id_tokens name it."""
    with parts.store.read() as r:
        app = r.apps.by_client_id(client_id)
        return app, parts.issuer if app is None else issuer_for(r, app, parts.issuer, parts.moment().at)
