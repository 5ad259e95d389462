"""Sign-out between a home tenant and us: the home says that its session is over, or a guest ends it there from here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from b2b_idp.guests import lifecycle
from b2b_idp.homes.oidc import HomeLogout, OidcHomes
from b2b_idp.homes.oidc.logout_token import REMEMBERED
from b2b_idp.keys.vault import Vault
from b2b_idp.logs import note
from b2b_idp.model.audited import directory_audit, target_user
from b2b_idp.model.directory import HomeIdentity, User
from b2b_idp.model.home import Home
from b2b_idp.model.moment import Moment
from b2b_idp.model.problem import Code, Problem
from b2b_idp.signin.learning import home_session
from b2b_idp.signin.values import Browser
from b2b_idp.store import Reader, Store, Writer
from b2b_idp.store.signins import SessionRow
from b2b_idp.tracing import traced

AWAY = timedelta(minutes=15)
"""How long a guest may take to sign out at home and be sent on from here."""
_LONGEST_STATE = 1500
"""Characters: some providers cut what is longer."""


@dataclass(frozen=True, slots=True)
class WayOn:
    """Where a guest goes after signing out at home: an app's registered address, and the `state` the app gave."""

    client_id: str
    uri: str
    state: str | None


@dataclass(frozen=True, slots=True)
class WayHome:
    """Where the guest's own home ends its session; `always`: without asking the guest."""

    url: str
    name: str
    always: bool


class HomeLogouts:
    """The use case. `homes` speaks to home tenants, `issuer` is ours as configured."""

    def __init__(self, store: Store, vault: Vault, homes: OidcHomes, issuer: str) -> None:
        self._store, self._vault, self._homes, self._issuer = store, vault, homes, issuer

    @traced("logout: home says")
    def received(self, tenant_id: str, token: object, moment: Moment) -> None:
        """Ends what home `tenant_id` says is over (OpenID Connect Back-Channel Logout 1.0 §2.7), once for each token.

        A session there that nobody here began from is no error. Raises Problem(INVALID_REQUEST) for an unknown home,
        else as `OidcHomes.logout`.
        """
        with self._store.read() as r:
            home = r.configuration.homes.get(tenant_id)
        if home is None or home.mailed or not home.enabled:
            raise Problem(Code.INVALID_REQUEST, "No home tenant has this address.", f"home tenant {tenant_id}")
        said = self._homes.logout(home, token, moment)
        ended = self._store.transact(lambda w: self._end(w, home, said, moment))
        note("home logout", home=home.tenant_id, users=ended)

    def _end(self, w: Writer, home: Home, said: HomeLogout, moment: Moment) -> int:
        """How many users it ended something of."""
        once = sha256(f"logout\0{said.issuer}\0{said.jti}".encode()).digest()
        if not w.grants.use_assertion(once, moment.at + REMEMBERED):
            raise Problem(Code.INVALID_REQUEST, "This logout token was used before.", "jti seen before")
        user = w.users.by_identity(HomeIdentity(said.issuer, said.subject)) if said.subject is not None else None
        if said.sid is None:
            if user is None:
                return 0
            lifecycle.revoke_sessions(w, user, moment, "system")
            _audit(w, home, user, "every session", moment)
            return 1
        sessions = w.signins.begun_at(home_session(self._vault, said.issuer, said.sid))
        if said.subject is not None:
            sessions = [s for s in sessions if user is not None and s.user_id == user.id]
            # those of which home said no sid cannot be told apart: any may be the one
            sessions += w.signins.of_unknown_home_session(user.id) if user is not None else []
        return _end_sessions(w, home, sessions, moment)

    @traced("logout: way home")
    def way_home(self, user: User, browser: Browser, on: WayOn | None, moment: Moment) -> WayHome | None:
        """Where this user's home ends its session and sends the browser back to us; None where it cannot. A guest who
        is on the way to an app (`on`) goes there first only where the home's entry says so."""
        with self._store.read() as r:
            home = r.configuration.homes.get(user.home_tenant_id or "")
        if home is None or home.mailed or not home.enabled or (on is not None and home.end_session != "always"):
            return None
        state = self._state(home.tenant_id, browser, on, moment)
        if len(state) > _LONGEST_STATE:
            return None
        url = self._homes.end_session(
            home,
            post_logout_redirect_uri=post_logout_redirect_uri(self._issuer, home.tenant_id),
            state=state,
            logout_hint=user.proved_mail or user.mail,
            moment=moment,
        )
        return None if url is None else WayHome(url, home.display_name, home.end_session == "always")

    def back(self, tenant_id: str, state: str, browser: Browser, moment: Moment) -> tuple[str, WayOn | None]:
        """Who came back from home: the home's name, and where they go on to, if the app still has that address.

        Raises Problem(INVALID_REQUEST) for a `state` that was not given to this browser for this home, or long ago.
        """
        known = self._opened(tenant_id, state, browser)
        if known is None or not known["at"] <= moment.epoch < known["at"] + AWAY.total_seconds():
            raise Problem(
                Code.INVALID_REQUEST,
                "Your organisation sent you back, but not from a sign-out that this browser began here. "
                "Close all windows of the browser to be sure that you are signed out.",
                "no state of ours for this browser and home",
            )
        on = WayOn(**known["on"]) if known["on"] else None
        with self._store.read() as r:
            home = r.configuration.homes.get(tenant_id)
            return home.display_name if home else "", on if on is not None and _is_registered(r, on) else None

    def _state(self, tenant_id: str, browser: Browser, on: WayOn | None, moment: Moment) -> str:
        told = None if on is None else {"client_id": on.client_id, "uri": on.uri, "state": on.state}
        plain = json.dumps({"at": moment.epoch, "on": told}, separators=(",", ":")).encode()
        return self._vault.seal_text(plain, _context(tenant_id, browser))

    def _opened(self, tenant_id: str, state: str, browser: Browser) -> dict[str, Any] | None:
        if not state.isascii() or not 0 < len(state) <= _LONGEST_STATE:
            return None
        try:
            known: dict[str, Any] = json.loads(self._vault.open_text(state, _context(tenant_id, browser)))
        except ValueError:
            return None
        return known


def backchannel_logout_uri(issuer: str, tenant_id: str) -> str:
    """Where a home tells us that a session is over."""
    return f"{issuer}/federation/{tenant_id}/backchannel-logout"


def post_logout_redirect_uri(issuer: str, tenant_id: str) -> str:
    """Where a home sends a guest who signed out there."""
    return f"{issuer}/federation/{tenant_id}/signed-out"


def _context(tenant_id: str, browser: Browser) -> str:
    return f"home-logout {tenant_id} {browser.key.hex()}"


def _is_registered(r: Reader, on: WayOn) -> bool:
    app = r.apps.by_client_id(on.client_id)
    return app is not None and on.uri in app.post_logout_redirect_uris


def _end_sessions(w: Writer, home: Home, sessions: Iterable[SessionRow], moment: Moment) -> int:
    ended: dict[str, int] = {}
    for session in sessions:
        if session.ended_at is None:
            w.signins.end_session(session.id, moment.at)
            ended[session.user_id] = ended.get(session.user_id, 0) + 1
        # a session that another followed is over, what it gave to apps may stand
        w.grants.revoke_session(session.id, moment, "system")
    for user_id, n in ended.items():
        user = w.users.by_id(user_id)
        if user is not None:
            _audit(w, home, user, f"{n} session" if n == 1 else f"{n} sessions", moment)
    return len(ended)


def _audit(w: Writer, home: Home, user: User, what: str, moment: Moment) -> None:
    by_home: Mapping[str, Any] = {
        "appId": None,
        "displayName": home.display_name,
        "servicePrincipalId": None,
        "servicePrincipalName": home.issuer,
    }
    reason = f"{what}: the home tenant says that its session is over"
    document = directory_audit(
        moment, "Sign out by home tenant", [target_user(user)], service="B2B sign-in", app=by_home, reason=reason
    )
    w.logs.add_audit(document, moment.at)
