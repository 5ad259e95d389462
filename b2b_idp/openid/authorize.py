"""The authorization endpoint, and `/resume/<id>`, which alone hands codes to clients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.errors import REDIRECT
from b2b_idp.openid.parts import OpenIdParts, form_pairs
from b2b_idp.openid.request import Bad, client_of, parse, redirect_uri_of
from b2b_idp.openid.responses import ascii_of
from b2b_idp.signin.values import Granted, Landed, Refused, Show
from b2b_idp.store import Reader
from b2b_idp.tokens.hint import read_hint
from b2b_idp.tokens.names import pairwise
from b2b_idp.tokens.signing import issuer_for

NOBODY = "nobody"
"""The user id that nobody has."""


def authorize_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        moment = parts.moment()
        pairs = form_pairs(request) if request.method == "POST" else list(request.args.items(multi=True))
        with parts.store.read() as r:
            app = client_of(r, pairs)
            redirect_uri = redirect_uri_of(app, pairs)
            asked = parse(r, app, redirect_uri, pairs, parts.issuer, partial(_hinted, parts, r, app))
        if isinstance(asked, Bad):
            return _error(parts, asked.to, asked.problem)
        return _respond(parts, parts.signin.begin(asked, parts.browser(), moment))

    @blueprint.get("/resume/<uuid:id>")
    def resume(id: object) -> Response:
        return _respond(parts, parts.signin.conclude(str(id), parts.browser(), parts.moment()))


def _hinted(parts: OpenIdParts, r: Reader, app: App, hint: str) -> str | None:
    """The user whom an id_token_hint names. A hint that is not ours, or another app's, names nobody who could be signed
    in; one without `oid` can only be held against the browser's session."""
    claims = read_hint(r, parts.keys, hint, parts.issuer, parts.moment().at)
    if claims is None or claims["aud"] != app.app_id:
        return NOBODY
    if "oid" in claims:
        return str(claims["oid"])
    session_id = parts.browser().session_id
    session = r.signins.session(session_id) if session_id else None
    user = r.users.by_id(session.user_id) if session else None
    if user is None:
        return None
    return user.id if pairwise(parts.vault, app, user.id) == claims["sub"] else NOBODY


def _respond(parts: OpenIdParts, answer: Show | Granted | Landed) -> Response:
    match answer:
        case Granted():
            code = parts.vault.handle("code", answer.grant_id)
            response = _send(parts, answer.request, {"code": code}, answer.app)
            parts.set_session(response, answer.session_id, answer.persistent)
            return response
        case Refused(request=AuthorizeRequest() as asked):
            return _error(parts, asked, answer.problem)
        case _:
            return parts.pages.show(answer)


def _error(parts: OpenIdParts, asked: AuthorizeRequest, problem: Problem) -> Response:
    error = REDIRECT[problem.code]
    if problem.code is Code.HOME_SAID_ERROR:
        error = problem.details.get("error", error)
        if error not in ("access_denied", "server_error", "temporarily_unavailable"):
            error = "access_denied"
    return _send(parts, asked, {"error": error, "error_description": ascii_of(problem.say)})


def _send(parts: OpenIdParts, asked: AuthorizeRequest, fields: Mapping[str, str], app: App | None = None) -> Response:
    """The authorization response at the registered redirect URI, with `state` and `iss` (RFC 9207)."""
    sent = dict(fields)
    if asked.state is not None:
        sent["state"] = asked.state
    sent["iss"] = _issuer(parts, asked.client_id, app)
    if asked.response_mode == "form_post":
        return parts.pages.form_post(asked.redirect_uri, sent)
    joint = "&" if "?" in asked.redirect_uri else "?"
    response = redirect(f"{asked.redirect_uri}{joint}{urlencode(sent)}", 303, Response)
    assert isinstance(response, Response)
    return response


def _issuer(parts: OpenIdParts, client_id: str, app: App | None) -> str:
    """The issuer as this app's id_tokens name it, which only a policy of the app's can change."""
    if app is not None and app.claims_policy_id is None:
        return parts.issuer
    with parts.store.read() as r:
        app = r.apps.by_client_id(client_id)
        return parts.issuer if app is None else issuer_for(r, app, parts.issuer, parts.moment().at)
