"""Which apps the browser itself tells that a session is over (OpenID Connect Front-Channel Logout 1.0)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from b2b_idp.keys.vault import Vault
from b2b_idp.model.directory import App
from b2b_idp.model.url import origin_of
from b2b_idp.signin.values import LogoutFrame
from b2b_idp.store import Reader
from b2b_idp.tokens.names import sid_of
from b2b_idp.tokens.signing import issuer_for


def logout_frames(r: Reader, vault: Vault, issuer: str, session_id: str, at: datetime) -> tuple[LogoutFrame, ...]:
    """One for each app that the session signed in to and that has an address for it. To be asked before it is ended."""
    apps = [r.apps.by_client_id(id) for id in r.grants.apps_of_session(session_id, at)]
    return tuple(
        LogoutFrame(app.display_name, _url(app, sid_of(vault, session_id, app), issuer_for(r, app, issuer, at)))
        for app in apps
        if app is not None and _may_be_framed(app)
    )


def _may_be_framed(app: App) -> bool:
    """§2: of the same origin as a redirect URI. What was written before that was checked is left out."""
    uri = app.frontchannel_logout_uri
    if not uri or not uri.startswith(("https://", "http://")):
        return False
    return origin_of(uri) in {origin_of(u) for u in app.redirect_uris if u.startswith(("https://", "http://"))}


def _url(app: App, sid: str, issuer: str) -> str:
    uri = app.frontchannel_logout_uri or ""
    if not app.frontchannel_logout_session:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': issuer, 'sid': sid})}"
