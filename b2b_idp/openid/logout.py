"""The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from b2b_idp.model.directory import App, User
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.openid.parts import OpenIdParts, form_pairs, once, repeated
from b2b_idp.redirecting import see_other
from b2b_idp.signin.front_channel import logout_frames
from b2b_idp.signin.home_logout import WayOn
from b2b_idp.signin.values import LogoutFrame
from b2b_idp.store import Reader, Writer
from b2b_idp.store.signins import SessionRow
from b2b_idp.tokens.hint import read_hint
from b2b_idp.tokens.names import sid_of


def logout_routes(blueprint: Blueprint, parts: OpenIdParts) -> None:
    @blueprint.route("/logout", methods=["GET", "POST"])
    def logout() -> Response:
        # the confirmation's form carries the request in its address
        pairs = [*request.args.items(multi=True), *form_pairs(request)]
        if repeated(pairs):
            raise Problem(Code.INVALID_REQUEST, "A parameter of this sign-out stands twice.")
        given = once(pairs)
        browser, moment = parts.browser(), parts.moment()
        confirmed = request.method == "POST" and hmac.compare_digest(
            given.get("csrf", "").encode(), _csrf(parts).encode()
        )
        with parts.store.read() as r:
            session = r.signins.session(browser.session_id) if browser.session_id else None
            live = session is not None and session.ended_at is None and moment.at < session.expires_at
            sent = given.get("id_token_hint")
            hint = read_hint(r, parts.keys, sent, parts.issuer, moment.at) if sent else None
            app = _app(r, hint, given)
            back = _back(app, given)
            fits = hint is not None and session is not None and app is not None and _is_of(parts, hint, session, app)
        if live and not confirmed and not fits:
            # without a proof that the app's own guest asks, somebody else's link could sign people out
            action = f"{parts.issuer}/logout"
            if given:
                action += "?" + urlencode({k: v for k, v in given.items() if k != "csrf"})
            name = app.display_name if app else None
            return parts.pages.logout(action, _csrf(parts), name, moment.new_id())
        ended = parts.store.transact(lambda w: _end(w, parts, session, moment)) if session is not None else Ended()
        response = _answer(parts, ended, app, back, given.get("state"))
        parts.set_session(response, None)
        return response


def _csrf(parts: OpenIdParts) -> str:
    browser = parts.browser()
    return parts.vault.token("csrf-logout", browser.session_id or "", browser.key.hex())


def _app(r: Reader, hint: Mapping[str, Any] | None, given: Mapping[str, str]) -> App | None:
    """The app that asks: the hint's audience, else client_id. A hint that is not ours, or differs, names nobody."""
    client_id = given.get("client_id")
    if hint is not None:
        return r.apps.by_client_id(hint["aud"]) if client_id in (None, hint["aud"]) else None
    return r.apps.by_client_id(client_id) if client_id and "id_token_hint" not in given else None


def _is_of(parts: OpenIdParts, hint: Mapping[str, Any], session: SessionRow, app: App) -> bool:
    """Whether the hint is of this session, or at least of this session's guest."""
    return hint.get("sid") == sid_of(parts.vault, session.id, app) or hint.get("oid") == session.user_id


def _back(app: App | None, given: Mapping[str, str]) -> str | None:
    """The registered address to return to, compared byte for byte."""
    uri = given.get("post_logout_redirect_uri")
    return uri if app is not None and uri in app.post_logout_redirect_uris else None


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended with a session: whose it was, and the apps that the browser is to tell."""

    user: User | None = None
    frames: tuple[LogoutFrame, ...] = ()


def _end(w: Writer, parts: OpenIdParts, session: SessionRow, moment: Moment) -> Ended:
    frames = logout_frames(w, parts.vault, parts.issuer, session.id, moment.at)
    w.signins.end_session(session.id, moment.at)
    w.grants.revoke_session(session.id, moment, "user")
    return Ended(w.users.by_id(session.user_id), frames)


def _answer(parts: OpenIdParts, ended: Ended, app: App | None, back: str | None, state: str | None) -> Response:
    """The way on: home first where its entry says so, else to the app; a page where apps are told on the way, or the
    way ends here."""
    moment = parts.moment()
    on = WayOn(app.app_id, back, state) if app is not None and back is not None else None
    home = parts.home_logouts.way_home(ended.user, parts.browser(), on, moment) if ended.user is not None else None
    go_on = home.url if home is not None and home.always else with_state(on) if on is not None else None
    if go_on is not None and not ended.frames:
        return see_other(go_on)
    offered = home if go_on is None else None
    return parts.pages.signed_out(moment.new_id(), frames=ended.frames, home=offered, go_on=go_on)


def with_state(on: WayOn) -> str:
    """The app's address, with the `state` that it gave."""
    if on.state is None:
        return on.uri
    return f"{on.uri}{'&' if '?' in on.uri else '?'}{urlencode({'state': on.state})}"
