"""The authorization endpoint, and `/resume/<id>`. `respond` alone hands codes to clients."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response, request

from b2b_idp.cookies import held_back
from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.model.request import AuthorizeRequest
from b2b_idp.openid.answer import tell, tell_error
from b2b_idp.openid.asked import Asked, asked_by
from b2b_idp.openid.parts import OpenIdParts, Pairs, form_pairs, repeated
from b2b_idp.openid.request import Bad, answer_to, client_of, parse, redirect_uri_of
from b2b_idp.redirecting import see_other
from b2b_idp.signin.flow.begin import begin
from b2b_idp.signin.flow.conclude import conclude
from b2b_idp.signin.values import Granted, Landed, Refused, Show
from b2b_idp.store import Reader
from b2b_idp.tokens.hint import read_hint
from b2b_idp.tokens.names import pairwise

NOBODY = "nobody"
"""The user id that nobody has."""


class _ToldError(Exception):
    """There is no sign-in: the app is told why."""

    def __init__(self, bad: Bad) -> None:
        self.bad = bad


def authorize_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Response:
        pairs = form_pairs(request) if request.method == "POST" else list(request.args.items(multi=True))
        if held_back() and not repeated(pairs):
            return parts.pages.send_again(f"{parts.issuer}/authorize", dict(pairs))

        def asked(r: Reader) -> AuthorizeRequest:
            found = _request(parts, r, pairs)
            if isinstance(found, Bad):
                raise _ToldError(found)
            return found

        try:
            moment = parts.moment()
            go = partial(begin, parts.signin, asked, parts.browser(), moment)
            begun = parts.documents.having(moment.at, go)
        except _ToldError as told:
            return tell_error(parts, told.bad.to, told.bad.problem)
        return respond(parts, begun)

    @blueprint.get("/resume/<uuid:id>")
    def resume(id: object) -> Response:
        return respond(parts, conclude(parts.signin, str(id), parts.browser(), parts.moment()))


def _request(parts: OpenIdParts, r: Reader, pairs: Pairs) -> AuthorizeRequest | Bad:
    """What the app asks for, wherever it stands. A Problem raised is told to nobody but the person."""
    app = client_of(r, pairs)
    try:
        asked = asked_by(r, parts, app, pairs, parts.moment().at)
        if app.require_pushed and asked.pushed_id is None:
            raise Problem(Code.INVALID_REQUEST, "This app has to push what it asks for (RFC 9126).")
    except Problem as problem:
        return _outside(app, pairs, problem)
    return parse(r, app, redirect_uri_of(app, asked.pairs), asked, parts.issuer, partial(_hinted, parts, r, app))


def _outside(app: App, pairs: Pairs, problem: Problem) -> Bad:
    """The app is told at an address of its own that stands outside of what cannot be taken, if there is one."""
    try:
        redirect_uri = redirect_uri_of(app, pairs)
    except Problem:
        raise problem from None
    return Bad(problem, answer_to(app, redirect_uri, Asked(pairs)))


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


def respond(parts: OpenIdParts, answer: Show | Granted | Landed) -> Response:
    """The response for what the sign-in answered: the next page, or what the app is told."""
    match answer:
        case Granted(request=AuthorizeRequest(device=str(device))):
            return _ask_about(parts, device, answer)
        case Granted():
            code = parts.vault.handle("code", answer.grant_id)
            response = tell(parts, answer.request, {"code": code}, answer.app)
            parts.set_session(response, answer.session_id, answer.persistent)
            return response
        case Refused(request=AuthorizeRequest(device=str(device))):
            if answer.problem.code is Code.ACCESS_DENIED:
                parts.store.transact(lambda w: w.devices.settle(device, "denied", None, parts.moment().at))
            return parts.pages.error(answer.problem, answer.correlation_id)
        case Refused(request=AuthorizeRequest() as asked):
            return tell_error(parts, asked, answer.problem)
        case _:
            return parts.pages.show(answer)


def _ask_about(parts: OpenIdParts, device: str, granted: Granted) -> Response:
    """A device's guest signed in: nothing is given before they have said yes on a page of its own."""
    response = see_other(f"{parts.issuer}/device/{device}/{granted.grant_id}")
    parts.set_session(response, granted.session_id, granted.persistent)
    return response
