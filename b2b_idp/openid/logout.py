"""The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, redirect, request

from b2b_idp.model.directory import App
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.parts import OpenIdParts, once, repeated
from b2b_idp.store import Reader
from b2b_idp.store.signins import SessionRow
from b2b_idp.tokens.claims import sid_of


def logout_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/logout", methods=["GET", "POST"])
    def logout() -> Response:
        # the confirmation's form carries the request in its address
        pairs = [*request.args.items(multi=True), *request.form.items(multi=True)]
        if repeated(pairs):
            raise Problem(Code.INVALID_REQUEST, "A parameter of this sign-out stands twice.")
        given = once(pairs)
        browser, moment = parts.browser(), parts.moment()
        confirmed = request.method == "POST" and given.get("csrf") == _csrf(parts)
        with parts.store.read() as r:
            session = r.signins.session(browser.session_id) if browser.session_id else None
            live = session is not None and session.ended_at is None and moment.at < session.expires_at
            hint = _hint(parts, given.get("id_token_hint"))
            app = _app(r, hint, given.get("client_id"))
            back = _back(app, given)
            fits = hint is not None and session is not None and app is not None and _is_of(parts, hint, session, app)
        if live and not confirmed and not fits:
            # without a proof that the app's own guest asks, somebody else's link could sign people out
            action = f"{parts.issuer}/logout"
            if given:
                action += "?" + urlencode({k: v for k, v in given.items() if k != "csrf"})
            name = app.display_name if app else None
            return parts.pages.logout(action, _csrf(parts), name, moment.new_id())
        if session is not None:
            with parts.store.write() as w:
                w.signins.end_session(session.id, moment.at)
                w.grants.revoke_session(session.id, moment.at)
        response = _answer(parts, back, given)
        parts.set_session(response, None)
        return response


def _csrf(parts: OpenIdParts) -> str:
    browser = parts.browser()
    return parts.vault.token("csrf-logout", browser.session_id or "", browser.key.hex())


def _hint(parts: OpenIdParts, hint: str | None) -> dict[str, Any] | None:
    if hint is None:
        return None
    try:
        return parts.keys.verify(hint, "JWT", parts.moment().at, expired_too=True)
    except Problem:
        return None


def _app(r: Reader, hint: dict[str, Any] | None, client_id: str | None) -> App | None:
    """The app that asks: the hint's audience; a client_id that differs from it names nobody."""
    if hint is not None:
        return r.apps.by_client_id(str(hint.get("aud"))) if client_id in (None, hint.get("aud")) else None
    return r.apps.by_client_id(client_id) if client_id else None


def _is_of(parts: OpenIdParts, hint: dict[str, Any], session: SessionRow, app: App) -> bool:
    """Whether the hint is of this session, or at least of this session's guest."""
    return hint.get("sid") == sid_of(parts.vault, session.id, app) or hint.get("oid") == session.user_id


def _back(app: App | None, given: dict[str, str]) -> str | None:
    """The registered address to return to, compared byte for byte."""
    uri = given.get("post_logout_redirect_uri")
    return uri if app is not None and uri in app.post_logout_redirect_uris else None


def _answer(parts: OpenIdParts, back: str | None, given: dict[str, str]) -> Response:
    if back is None:
        return parts.pages.signed_out(None, parts.moment().new_id())
    state = given.get("state")
    if state is not None:
        back += ("&" if "?" in back else "?") + urlencode({"state": state})
    response = redirect(back, 303, Response)
    assert isinstance(response, Response)
    return response
